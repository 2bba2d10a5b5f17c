// For processors with AVX-512 VNNI; others take the AVX2 kernels.
#define SWK_LEVEL_AVX512
#include "../level.h"
#include "nbits.h"
#if defined(__x86_64__)
SWK_PRAGMA(clang attribute push(
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vnni,avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt"),
                   min_vector_width(512))), apply_to = function))
#include "integers.inc"
SWK_LEVEL_END
#endif
