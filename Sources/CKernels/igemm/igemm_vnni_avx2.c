#if defined(__x86_64__)
#define SWK_LEVEL_AVX2
#include "../level.h"
#include "igemm.h"
#define TABLE SWK_NAME(swk_gemm_s32_vnni)
#define HAS_VNNI 1
SWK_PRAGMA(clang attribute push(
    __attribute__((target("avx2,avxvnni,fma,f16c,bmi,bmi2,lzcnt,popcnt"))), apply_to = function))
#include "igemm.inc"
SWK_LEVEL_END
#endif
