#if defined(__x86_64__)
#define SWK_LEVEL_AVX2
#include "../level.h"
#include "pool.h"
SWK_LEVEL_BEGIN
#include "pool_types.inc"
SWK_LEVEL_END
#endif
