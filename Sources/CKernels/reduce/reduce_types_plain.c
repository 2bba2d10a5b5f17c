#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "reduce.h"
SWK_LEVEL_BEGIN
#include "reduce_types.inc"
SWK_LEVEL_END
