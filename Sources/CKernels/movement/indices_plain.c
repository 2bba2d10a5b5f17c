#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "movement.h"
SWK_LEVEL_BEGIN
#include "indices.inc"
SWK_LEVEL_END
