#ifndef SWK_QUANTIZE_H
#define SWK_QUANTIZE_H
#include <stddef.h>
#include <stdint.h>
#include "binary.h"
#include "cpu.h"
#include "types.h"

/// Scales and zero points of n elements: one for all (step 0) or one each (step 1).
typedef struct {
  const float *scale;
  const int32_t *zero;
  int step;
} swk_scales;

/// y[i] = x[i] / scale rounded to nearest even, + zero, limited to [low, high]; NaN gives low. `low` and `high` are
/// within the type's range.
typedef void (*swk_quantize_fn)(const float *x, void *y, size_t n, const swk_scales *scales, int32_t low, int32_t high);
/// For U8, I8, U16, I16; else NULL.
swk_quantize_fn swk_quantize_get(swk_level level, swk_element_type type);

/// y[i] = (x[i] - zero) * scale
typedef void (*swk_dequantize_fn)(const void *x, float *y, size_t n, const swk_scales *scales);
/// For U8, I8, U16, I16, I32; else NULL.
swk_dequantize_fn swk_dequantize_get(swk_level level, swk_element_type type);

/// Sums and products of quantised numbers: with a and b less their zero points, a * `a` + b * `b`, or a * b * `a`, + zero,
/// rounded to nearest even, limited to the type's range.
typedef struct {
  float a, b;
  int32_t a_zero, b_zero, zero;
} swk_quantized_binary;

typedef void (*swk_quantized_binary_fn)(const void *a, const void *b, void *out, const swk_binary_shape *shape,
                                        const swk_quantized_binary *parameters);
/// For U8 and I8; else NULL.
swk_quantized_binary_fn swk_quantized_add_get(swk_level level, swk_element_type type);
swk_quantized_binary_fn swk_quantized_multiply_get(swk_level level, swk_element_type type);

/// y[i] = table[x[i]], bytes; y may be x.
typedef void (*swk_lookup_fn)(const uint8_t *x, uint8_t *y, size_t n, const uint8_t *table);
swk_lookup_fn swk_lookup_get(swk_level level);

/// The least and the greatest of n elements and of what `low` and `high` hold; NaN is passed over.
void swk_range_f32(swk_level level, const float *x, size_t n, float *low, float *high);
#endif
