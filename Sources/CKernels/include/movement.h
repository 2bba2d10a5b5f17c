#ifndef SWK_MOVEMENT_H
#define SWK_MOVEMENT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cpu.h"
#include "types.h"

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

/// Reads n indices of 64 bits (`wide`) or 32 bits as numbers in [0, limit): negative ones count from the end. False if
/// one is out of [-limit, limit).
typedef bool (*swk_indices_fn)(const void *raw, bool wide, size_t n, int64_t limit, int64_t *out);
swk_indices_fn swk_indices_get(swk_level level);

/// Brings memory that is going to be read in another order into the cache in its own, which goes faster.
void swk_touch(const void *memory, size_t bytes);

typedef enum { SWK_COMBINE_ADD, SWK_COMBINE_MUL, SWK_COMBINE_MAX, SWK_COMBINE_MIN, SWK_COMBINE_COUNT } swk_combine_op;

/// dst[index[r] * stride + r * step + k] .= src[r * n + k] for r < rows in order, k < n. Integers wrap; NaN wins.
typedef void (*swk_combine_fn)(void *dst, const void *src, const int64_t *index, ptrdiff_t stride, ptrdiff_t step,
                               size_t rows, size_t n);
/// For F32, F64 and integers of 8 to 64 bits; NULL for other types.
swk_combine_fn swk_combine_get(swk_combine_op op, swk_element_type type);
#endif
