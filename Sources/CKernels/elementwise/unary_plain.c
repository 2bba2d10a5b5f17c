#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "unary.h"
SWK_LEVEL_BEGIN
#include "unary.inc"
SWK_LEVEL_END
