#define SWK_LEVEL_AVX512
#include "../level.h"
#include "cast.h"
#if defined(__x86_64__)
SWK_LEVEL_BEGIN
#include "cast.inc"
SWK_LEVEL_END
#endif
