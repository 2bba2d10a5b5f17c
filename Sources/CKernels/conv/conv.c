#include "conv.h"
#include "cpu.h"

extern const swk_depthwise_table swk_depthwise_f32_plain, swk_depthwise_f32_avx2, swk_depthwise_f32_avx512;

const swk_depthwise_table *swk_depthwise_f32(swk_level level) {
  if (level > swk_cpu_get()->level) return NULL;
#if defined(__x86_64__)
  if (level == SWK_AVX512) return &swk_depthwise_f32_avx512;
  if (level == SWK_AVX2) return &swk_depthwise_f32_avx2;
#endif
  return &swk_depthwise_f32_plain;
}

extern const swk_winograd_table swk_winograd_f32_plain, swk_winograd_f32_avx2, swk_winograd_f32_avx512;

const swk_winograd_table *swk_winograd_f32(swk_level level) {
  if (level > swk_cpu_get()->level) return NULL;
#if defined(__x86_64__)
  if (level == SWK_AVX512) return &swk_winograd_f32_avx512;
  if (level == SWK_AVX2) return &swk_winograd_f32_avx2;
#endif
  return &swk_winograd_f32_plain;
}
