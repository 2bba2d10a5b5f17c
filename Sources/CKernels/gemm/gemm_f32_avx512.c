#if defined(__x86_64__)
#define SWK_LEVEL_AVX512
#include "../level.h"
#include "gemm.h"
#define T float
#define T_IS_f32 1
#define TABLE SWK_NAME(swk_gemm_f32)
SWK_LEVEL_BEGIN
#include "gemm.inc"
SWK_LEVEL_END
#endif
