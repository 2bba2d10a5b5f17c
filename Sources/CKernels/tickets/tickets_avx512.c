#if defined(__x86_64__)
#define SWK_LEVEL_AVX512
#include "../level.h"
#include "gemm.h"
#include "tickets.h"
#define T float
#define T_IS_f32 1
SWK_LEVEL_BEGIN
#include "tickets.inc"
SWK_LEVEL_END
#endif
