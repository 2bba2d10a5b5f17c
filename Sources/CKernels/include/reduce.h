#ifndef SWK_REDUCE_H
#define SWK_REDUCE_H
#include <stddef.h>
#include <stdint.h>
#include "cpu.h"
#include "types.h"

typedef enum {
  SWK_REDUCE_SUM, SWK_REDUCE_SUM_ABS, SWK_REDUCE_SUM_SQUARE, SWK_REDUCE_PROD,
  SWK_REDUCE_MIN, SWK_REDUCE_MAX,  ///< NaN wins
  SWK_REDUCE_SUM_EXP,              ///< of e^(x - shift); floats only
  SWK_REDUCE_COUNT
} swk_reduce_op;

/// Folds into accumulators of the elements' type. Integers wrap; f32 is summed in short blocks, so that the error doesn't
/// grow with the length.
typedef struct {
  /// acc[r] = acc[r] . x[r * row] . ... . x[r * row + n - 1], for r < rows. `shift` has one element for each row.
  void (*runs)(const void *x, size_t rows, ptrdiff_t row, size_t n, const void *shift, void *acc);
  /// acc[i] = acc[i] . x[i] . x[row + i] . ..., over `rows`, for i < n. `shift` has n elements.
  void (*columns)(const void *x, size_t rows, ptrdiff_t row, size_t n, const void *shift, void *acc);
  /// Sets n accumulators to the value that changes nothing.
  void (*start)(void *acc, size_t n);
} swk_reduction;

/// NULL where there is none: F32 and F64 have all; I32, I64, U32, U64 all but SUM_EXP; other integers and BOOL MIN and MAX.
const swk_reduction *swk_reduction_get(swk_level level, swk_reduce_op op, swk_element_type type);

/// Positions of the extreme value; NaN is the most extreme. Among equals the first, or the last.
typedef struct {
  /// For each of `rows` runs of n (> 0) elements.
  void (*runs)(const void *x, size_t rows, ptrdiff_t row, size_t n, bool last, int64_t *out);
  /// For each of n columns of `rows` (> 0) elements.
  void (*columns)(const void *x, size_t rows, ptrdiff_t row, size_t n, bool last, int64_t *out);
} swk_arg_reduction;

/// For F32, F64 and integers of 8 to 64 bits.
const swk_arg_reduction *swk_arg_get(swk_level level, bool max, swk_element_type type);

/// Sums (or products) so far along the middle axis of [outer, n, inner]; `exclusive` leaves out the element itself,
/// `reverse` starts from the end. For F32, F64, I32, I64, U32, U64.
typedef void (*swk_cumulate_fn)(const void *x, void *out, size_t outer, size_t n, size_t inner, bool exclusive,
                                bool reverse);
swk_cumulate_fn swk_cumulate_get(swk_level level, bool product, swk_element_type type);
#endif
