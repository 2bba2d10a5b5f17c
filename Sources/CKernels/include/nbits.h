// Matrices whose elements are unsigned integers of 2, 4 or 8 bits, low bits first, in blocks with a scale each.
#ifndef SWK_NBITS_H
#define SWK_NBITS_H
#include <stddef.h>
#include <stdint.h>
#include "cpu.h"

typedef struct {
  /// Sum of (w[i] - zeros[block of i]) * scales[block of i] * x[i] over `blocks` blocks of `bytes` (a multiple of 16) bytes. x is in planes of
  /// `stride` elements: element i of it is x[i % parts * stride + i / parts], where a byte has `parts` elements.
  float (*dot)(const uint8_t *w, const float *x, size_t stride, size_t blocks, size_t bytes, const float *scales,
               const float *zeros);
  /// The same for four x, which are `row` elements apart.
  void (*dots)(const uint8_t *w, const float *x, size_t row, size_t stride, size_t blocks, size_t bytes, const float *scales,
               const float *zeros, float *sums);
  /// out[i] = (w[i] - zero) * scale for the elements of `bytes` bytes.
  void (*widen)(const uint8_t *w, size_t bytes, float scale, float zero, float *out);
} swk_nbits;

/// For 2, 4 and 8 bits; NULL for others.
const swk_nbits *swk_nbits_get(swk_level level, int bits);
#endif
