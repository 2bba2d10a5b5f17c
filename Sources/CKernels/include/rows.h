#ifndef SWK_ROWS_H
#define SWK_ROWS_H
#include <stddef.h>
#include <stdint.h>
#include "cpu.h"
#include "types.h"

typedef enum {
  SWK_SOFTMAX,
  SWK_SOFTMAX_LOG,     ///< its logarithm
  SWK_SOFTMAX_MASKED,  ///< zeros where every element is -infinity
  SWK_SOFTMAX_POWERS,  ///< e^(x - greatest), not divided by the sum
} swk_softmax_form;

/// Softmax and normalisations of F32 or F64: every pointer is to elements of that type. `out` may be `x`.
typedef struct {
  /// Softmax of each of `rows` runs of n. `sink`: one more element that counts in each run but isn't written; NULL: none.
  void (*softmax_runs)(const void *x, size_t rows, size_t n, swk_softmax_form form, const double *sink, void *out);
  /// Softmax (or its logarithm) along the first axis of [n, inner], whose rows are `step` elements apart.
  void (*softmax_columns)(const void *x, size_t n, size_t inner, size_t step, swk_softmax_form form, void *out);
  /// Mean and (population) variance of each of `rows` runs of n (> 0).
  void (*moments)(const void *x, size_t rows, size_t n, void *mean, void *variance);
  /// out = (x - mean) / sqrt(variance + epsilon) * scale + bias over each of `rows` runs of n; with rms, mean is 0 and
  /// variance the mean square. scale and bias have n elements, or are NULL. mean and deviation (its reciprocal) receive
  /// one element a row unless they are NULL.
  void (*normalize)(const void *x, size_t rows, size_t n, const void *scale, const void *bias, double epsilon, bool rms,
                    void *out, void *mean, void *deviation);
  /// out = x * scale[p % period] + shift[p % period] over `planes` planes p of n elements, from plane `first` on.
  void (*affine_planes)(const void *x, size_t first, size_t planes, size_t n, size_t period, const void *scale,
                        const void *shift, void *out);
  /// out = x * scale + shift over `rows` rows of n; scale and shift have n elements.
  void (*affine_rows)(const void *x, size_t rows, size_t n, const void *scale, const void *shift, void *out);
  /// Local response normalisation of [channels, inner] over windows of `size` channels; `out` is not `x`.
  void (*lrn)(const void *x, size_t channels, size_t inner, size_t size, double alpha, double beta, double bias,
              void *out);
} swk_rows;

/// NULL for types other than F32 and F64.
const swk_rows *swk_rows_get(swk_level level, swk_element_type type);
#endif
