#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "resample.h"
SWK_LEVEL_BEGIN
#include "resample.inc"
SWK_LEVEL_END
