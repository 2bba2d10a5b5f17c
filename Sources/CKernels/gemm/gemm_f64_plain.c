#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "gemm.h"
#define T double
#define T_IS_f32 0
#define TABLE SWK_NAME(swk_gemm_f64)
SWK_LEVEL_BEGIN
#include "gemm.inc"
SWK_LEVEL_END
