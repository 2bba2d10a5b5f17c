#if defined(__x86_64__)
#define SWK_LEVEL_AVX512
#include "../level.h"
#include "sparse.h"
#define T float
#define T_IS_f32 1
SWK_LEVEL_BEGIN
#include "sparse.inc"
SWK_LEVEL_END
#endif
