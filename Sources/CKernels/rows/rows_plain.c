#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "rows.h"
SWK_LEVEL_BEGIN
#include "rows.inc"
SWK_LEVEL_END
