#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "nbits.h"
SWK_LEVEL_BEGIN
#include "nbits.inc"
SWK_LEVEL_END
