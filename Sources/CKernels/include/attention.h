// Attention of one query: products of a few vectors with the rows of a cache, each row read once for four of them.
#ifndef SWK_ATTENTION_H
#define SWK_ATTENTION_H
#include <stddef.h>
#include "cpu.h"

/// Vectors, rows and results are `..._stride` elements apart; there are `heads` vectors and `count` rows of `size`.
typedef struct {
  /// out[h * out_stride + j] = scale * the product of vector h and row j.
  void (*dots)(const float *x, ptrdiff_t x_stride, size_t heads, const float *rows, ptrdiff_t stride, size_t count,
               size_t size, float scale, float *out, size_t out_stride);
  /// out[h * out_stride + d] += the sum of p[h * p_stride + j] * row j [d].
  void (*mix)(const float *p, size_t p_stride, size_t heads, const float *rows, ptrdiff_t stride, size_t count,
              size_t size, float *out, ptrdiff_t out_stride);
} swk_attention;

const swk_attention *swk_attention_get(swk_level level);
#endif
