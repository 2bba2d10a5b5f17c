#if defined(__x86_64__)
#define SWK_LEVEL_AVX512
#include "../level.h"
#include "gemm.h"
#include "tickets.h"
#include <float.h>
#define T float
#define T_IS_f32 1
SWK_PRAGMA(clang attribute push(
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vbmi,avx512vnni,avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt"),
                   min_vector_width(512))), apply_to = function))
#include "short.inc"
SWK_LEVEL_END
#endif
