#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "nbits.h"
SWK_LEVEL_BEGIN
#include "integers.inc"
SWK_LEVEL_END
