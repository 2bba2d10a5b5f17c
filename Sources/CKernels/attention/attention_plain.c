#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "attention.h"
SWK_LEVEL_BEGIN
#include "attention.inc"
SWK_LEVEL_END
