#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "pool.h"
SWK_LEVEL_BEGIN
#include "pool_types.inc"
SWK_LEVEL_END
