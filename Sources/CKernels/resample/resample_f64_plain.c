#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "resample.h"
SWK_LEVEL_BEGIN
#include "resample_f64.inc"
SWK_LEVEL_END
