#ifndef SWK_MOVEMENT_H
#define SWK_MOVEMENT_H
#include <stddef.h>
#include <stdint.h>
#include "cpu.h"

/// Moving elements of one size. Steps and rows count elements and may be negative or (of a source) 0.
typedef struct {
  /// dst[r * dst_row + i * dst_step] = src[r * src_row + i * src_step] for r < rows, i < n.
  void (*copy)(void *dst, ptrdiff_t dst_row, ptrdiff_t dst_step, const void *src, ptrdiff_t src_row, ptrdiff_t src_step,
               size_t rows, size_t n);
  /// dst[c * dst_row + r] = src[r * src_row + c] for r < rows, c < columns.
  void (*transpose)(void *dst, ptrdiff_t dst_row, const void *src, ptrdiff_t src_row, size_t rows, size_t columns);
  /// dst[i] = src[index[i] * stride + i * step].
  void (*gather)(void *dst, const void *src, const int64_t *index, ptrdiff_t stride, ptrdiff_t step, size_t n);
  /// dst[index[i] * stride + i * step] = src[i].
  void (*scatter)(void *dst, const void *src, const int64_t *index, ptrdiff_t stride, ptrdiff_t step, size_t n);
  void (*fill)(void *dst, const void *value, size_t n);
} swk_movement;

/// For elements of 1, 2, 4, 8 or 16 bytes; NULL for other sizes.
const swk_movement *swk_movement_get(swk_level level, size_t element_size);

/// Rows of `bytes` from src + index[i] * bytes, for each of `outer` planes of `axis` rows.
void swk_gather_rows(void *dst, const void *src, const int64_t *index, size_t outer, size_t axis, size_t n, size_t bytes);
#endif
