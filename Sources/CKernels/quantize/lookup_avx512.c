#define SWK_LEVEL_AVX512
#include "../level.h"
#include "quantize.h"
#if defined(__x86_64__)
SWK_LEVEL_BEGIN
#include "lookup.inc"
SWK_LEVEL_END
#endif
