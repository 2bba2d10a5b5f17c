#define SWK_LEVEL_AVX2
#include "../level.h"
#include "nbits.h"
#if defined(__x86_64__)
SWK_LEVEL_BEGIN
#include "integers.inc"
SWK_LEVEL_END
#endif
