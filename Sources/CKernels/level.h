// The instruction levels: every kernel source is written once, as `<family>/<name>.inc`, and compiled three times by
// three small files `<name>_plain.c`, `<name>_avx2.c`, `<name>_avx512.c`:
//
//     #define SWK_LEVEL_AVX2            // or SWK_LEVEL_PLAIN, SWK_LEVEL_AVX512
//     #include "../level.h"             // defines SWK_NAME(x), SWK_VECTOR_BYTES, the intrinsics
//     SWK_LEVEL_BEGIN                   // every function from here on is compiled for that level
//     #include "name.inc"
//     SWK_LEVEL_END
//
// The plain level uses no intrinsics and no target attributes: it is the baseline of the architecture (SSE2, NEON).
// No flag on the command line: code for a newer CPU can't leak into shared functions.
#ifndef SWK_LEVEL_H
#define SWK_LEVEL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <math.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define SWK_PASTE2(a, b) a##_##b
#define SWK_PASTE(a, b) SWK_PASTE2(a, b)
#define SWK_PRAGMA(x) _Pragma(#x)

#if defined(SWK_LEVEL_AVX512)
#define SWK_LEVEL avx512
#define SWK_VECTOR_BYTES 64
#define SWK_HAS_FMA 1
#define SWK_LEVEL_BEGIN                                                                                             \
  SWK_PRAGMA(clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt"), min_vector_width(512))), apply_to = function))
#define SWK_LEVEL_END SWK_PRAGMA(clang attribute pop)
#elif defined(SWK_LEVEL_AVX2)
#define SWK_LEVEL avx2
#define SWK_VECTOR_BYTES 32
#define SWK_HAS_FMA 1
#define SWK_LEVEL_BEGIN SWK_PRAGMA(clang attribute push(__attribute__((target("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt"))), apply_to = function))
#define SWK_LEVEL_END SWK_PRAGMA(clang attribute pop)
#elif defined(SWK_LEVEL_PLAIN)
#define SWK_LEVEL plain
#define SWK_VECTOR_BYTES 16
#define SWK_HAS_FMA 0
#define SWK_LEVEL_BEGIN
#define SWK_LEVEL_END
#else
#error "define SWK_LEVEL_PLAIN, SWK_LEVEL_AVX2 or SWK_LEVEL_AVX512 before including level.h"
#endif

#define SWK_NAME(x) SWK_PASTE(x, SWK_LEVEL)

#endif
