#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "igemm.h"
#define TABLE SWK_NAME(swk_gemm_s32)
SWK_LEVEL_BEGIN
#include "igemm.inc"
#include "matmul.inc"
#include "pairs.inc"
SWK_LEVEL_END
