#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "table.h"
SWK_LEVEL_BEGIN
#include "round.inc"
#include "arithmetic.inc"
#include "quantize.inc"
SWK_LEVEL_END
