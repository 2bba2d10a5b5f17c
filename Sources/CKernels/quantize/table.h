#ifndef SWK_QUANTIZE_TABLE_H
#define SWK_QUANTIZE_TABLE_H
#include "quantize.h"

typedef struct {
  swk_quantize_fn quantize[SWK_TYPE_COUNT];
  swk_dequantize_fn dequantize[SWK_TYPE_COUNT];
  swk_quantized_binary_fn add[SWK_TYPE_COUNT], multiply[SWK_TYPE_COUNT];
  void (*range)(const float *x, size_t n, float *low, float *high);
} swk_quantize_table;
#endif
