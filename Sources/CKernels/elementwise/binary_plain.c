#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "binary.h"
SWK_LEVEL_BEGIN
#include "binary.inc"
SWK_LEVEL_END
