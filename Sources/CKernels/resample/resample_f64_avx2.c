#define SWK_LEVEL_AVX2
#include "../level.h"
#include "resample.h"
#if defined(__x86_64__)
SWK_LEVEL_BEGIN
#include "resample_f64.inc"
SWK_LEVEL_END
#endif
