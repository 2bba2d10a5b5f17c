#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "common.h"
SWK_LEVEL_BEGIN
#include "refine.inc"
SWK_LEVEL_END
