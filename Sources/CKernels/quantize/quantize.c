#include "table.h"
#include "../tables.h"

SWK_DECLARE_LEVELS(const swk_quantize_table, swk_quantize, )

swk_quantize_fn swk_quantize_get(swk_level level, swk_element_type type) {
  return (unsigned)type < SWK_TYPE_COUNT ? SWK_SELECT2(level, swk_quantize).quantize[type] : NULL;
}

swk_dequantize_fn swk_dequantize_get(swk_level level, swk_element_type type) {
  return (unsigned)type < SWK_TYPE_COUNT ? SWK_SELECT2(level, swk_quantize).dequantize[type] : NULL;
}

void swk_range_f32(swk_level level, const float *x, size_t n, float *low, float *high) {
  SWK_SELECT2(level, swk_quantize).range(x, n, low, high);
}
