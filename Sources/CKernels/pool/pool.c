#include "pool.h"

#define TABLES(level)                                                                                                \
  extern const swk_pool_table swk_pool_f32_##level, swk_pool_s8_##level, swk_pool_u8_##level;
TABLES(plain)
TABLES(avx2)
TABLES(avx512)
extern const swk_pool_table swk_pool_f64_plain;

#define CHOOSE(level)                                                                                                \
  switch (type) {                                                                                                    \
  case SWK_F32: return &swk_pool_f32_##level;                                                                        \
  case SWK_F64: return &swk_pool_f64_plain;                                                                          \
  case SWK_S8: return &swk_pool_s8_##level;                                                                          \
  case SWK_U8: return &swk_pool_u8_##level;                                                                          \
  default: return NULL;                                                                                              \
  }

const swk_pool_table *swk_pool_kernels(swk_type type, swk_level level) {
  if (level > swk_cpu_get()->level) return NULL;
#if defined(__x86_64__)
  if (level == SWK_AVX512) CHOOSE(avx512)
  if (level == SWK_AVX2) CHOOSE(avx2)
#endif
  CHOOSE(plain)
}
