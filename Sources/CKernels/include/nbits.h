// Matrices whose elements are unsigned integers of 2, 4 or 8 bits, low bits first, in blocks with a scale each. A byte
// has `parts` = 8 / bits elements.
#ifndef SWK_NBITS_H
#define SWK_NBITS_H
#include <stddef.h>
#include <stdint.h>
#include "cpu.h"

/// Rows of such a matrix: `blocks` blocks of `bytes` (a multiple of 16) bytes each. Row i of the data, of the scales
/// and of the zero points (one for each block) is i times the step, in elements, behind the first one.
typedef struct {
  const uint8_t *data;
  const float *scales, *zeros;
  size_t data_step, scale_step, zero_step;
  size_t blocks, bytes;
} swk_nbits_rows;

static inline void swk_nbits_next(swk_nbits_rows *w) {
  w->data += w->data_step, w->scales += w->scale_step, w->zeros += w->zero_step;
}

typedef struct {
  /// For each of `count` rows of weights the sum of (w[i] - zeros[block of i]) * scales[block of i] * x[i]. x is in
  /// planes of `stride` elements: element i of it is x[i % parts * stride + i / parts].
  void (*dot)(const swk_nbits_rows *w, size_t count, const float *x, size_t stride, float *sums);
  /// The same for four x, which are `row` elements apart: four sums for each row of weights.
  void (*dots)(const swk_nbits_rows *w, size_t count, const float *x, size_t row, size_t stride, float *sums);
  /// out[i] = (w[i] - zero) * scale for the elements of `bytes` bytes.
  void (*widen)(const uint8_t *w, size_t bytes, float scale, float zero, float *out);
  /// The same for elements [k0, k1) of 16 rows of weights, of which those from `count` on are the last one again:
  /// element k of row i is out[(k - k0) * step + i], or, from i = 8 on, out[(k - k0) * step + half + i - 8].
  void (*panel)(int bits, const swk_nbits_rows *w, size_t count, size_t k0, size_t k1, float *out, size_t step,
                size_t half);
} swk_nbits;

/// For 2, 4 and 8 bits; NULL for others.
const swk_nbits *swk_nbits_get(swk_level level, int bits);

/// The same products of 4 or 8 bits with x rounded to 8 bits, with a scale for each block: blocks of 16, 32 or a
/// multiple of 64 bytes, of at most 2^15 elements.
typedef struct {
  /// Bytes of a rounded row, a multiple of 64.
  size_t (*record_bytes)(int bits, size_t blocks, size_t bytes);
  /// Rounds a row of k elements, padded with zeros to whole blocks, into a record.
  void (*quantize)(int bits, const float *x, size_t k, size_t blocks, size_t bytes, void *record);
  /// Each of `count` rows of weights times a record.
  void (*dot)(const swk_nbits_rows *w, size_t count, const void *record, float *sums);
  /// The same for four records that are `step` bytes apart: four sums for each row of weights.
  void (*dots)(const swk_nbits_rows *w, size_t count, const void *records, size_t step, float *sums);
} swk_nbits_integers;

/// NULL for other widths.
const swk_nbits_integers *swk_nbits_integers_get(swk_level level, int bits);
#endif
