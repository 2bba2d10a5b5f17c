// Choosing among the tables that a source compiled at several levels defines. On other architectures than x86-64 only
// the plain level exists.
#ifndef SWK_TABLES_H
#define SWK_TABLES_H
#include <math.h>
#include <stddef.h>
#include <string.h>
#include "cpu.h"

#define SWK_DECLARE_LEVELS(T, NAME, SUFFIX) extern T NAME##_plain SUFFIX, NAME##_avx2 SUFFIX, NAME##_avx512 SUFFIX;
#if defined(__x86_64__)
/// Of plain, avx2, avx512.
#define SWK_SELECT3(LEVEL, NAME) \
  ((LEVEL) == SWK_AVX512 ? NAME##_avx512 : (LEVEL) == SWK_AVX2 ? NAME##_avx2 : NAME##_plain)
/// Of plain and avx2, for what gains nothing from avx512.
#define SWK_SELECT2(LEVEL, NAME) ((LEVEL) >= SWK_AVX2 ? NAME##_avx2 : NAME##_plain)
#else
#define SWK_SELECT3(LEVEL, NAME) ((void)(LEVEL), NAME##_plain)
#define SWK_SELECT2(LEVEL, NAME) ((void)(LEVEL), NAME##_plain)
#endif
#endif
