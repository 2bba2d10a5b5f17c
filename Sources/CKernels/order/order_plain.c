#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "order.h"
SWK_LEVEL_BEGIN
#include "order.inc"
SWK_LEVEL_END
