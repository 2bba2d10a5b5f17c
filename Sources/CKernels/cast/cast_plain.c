#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "cast.h"
SWK_LEVEL_BEGIN
#include "cast.inc"
SWK_LEVEL_END
