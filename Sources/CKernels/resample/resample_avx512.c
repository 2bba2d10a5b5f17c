#define SWK_LEVEL_AVX512
#include "../level.h"
#include "resample.h"
#if defined(__x86_64__)
SWK_LEVEL_BEGIN
#include "resample.inc"
SWK_LEVEL_END
#endif
