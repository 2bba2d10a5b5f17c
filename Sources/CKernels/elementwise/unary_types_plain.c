#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "unary.h"
SWK_LEVEL_BEGIN
#include "unary_types.inc"
SWK_LEVEL_END
