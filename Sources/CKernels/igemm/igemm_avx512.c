#if defined(__x86_64__)
#define SWK_LEVEL_AVX512
#include "../level.h"
#include "igemm.h"
#define TABLE SWK_NAME(swk_gemm_s32)
SWK_LEVEL_BEGIN
#include "igemm.inc"
#include "matmul.inc"
#include "pairs.inc"
SWK_LEVEL_END
#endif
