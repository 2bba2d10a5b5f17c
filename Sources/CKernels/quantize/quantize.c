#include "table.h"
#include "../tables.h"

SWK_DECLARE_LEVELS(const swk_quantize_table, swk_quantize, )

swk_quantize_fn swk_quantize_get(swk_level level, swk_element_type type) {
  return (unsigned)type < SWK_TYPE_COUNT ? SWK_SELECT3(level, swk_quantize).quantize[type] : NULL;
}

swk_dequantize_fn swk_dequantize_get(swk_level level, swk_element_type type) {
  return (unsigned)type < SWK_TYPE_COUNT ? SWK_SELECT3(level, swk_quantize).dequantize[type] : NULL;
}

void swk_range_f32(swk_level level, const float *x, size_t n, float *low, float *high) {
  SWK_SELECT3(level, swk_quantize).range(x, n, low, high);
}

swk_quantized_binary_fn swk_quantized_add_get(swk_level level, swk_element_type type) {
  return (unsigned)type < SWK_TYPE_COUNT ? SWK_SELECT3(level, swk_quantize).add[type] : NULL;
}

swk_quantized_binary_fn swk_quantized_multiply_get(swk_level level, swk_element_type type) {
  return (unsigned)type < SWK_TYPE_COUNT ? SWK_SELECT3(level, swk_quantize).multiply[type] : NULL;
}

void swk_lookup_plain(const uint8_t *x, uint8_t *y, size_t n, const uint8_t *table);
void swk_lookup_avx512(const uint8_t *x, uint8_t *y, size_t n, const uint8_t *table);

swk_lookup_fn swk_lookup_get(swk_level level) {
#if defined(__x86_64__)
  // Vectors of 32 bytes gain nothing.
  if (level == SWK_AVX512) return swk_lookup_avx512;
#endif
  return (void)level, swk_lookup_plain;
}
