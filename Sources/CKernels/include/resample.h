#ifndef SWK_RESAMPLE_H
#define SWK_RESAMPLE_H
#include <stddef.h>
#include <stdint.h>
#include "cpu.h"
#include "types.h"

/// Weighted sums of elements at given places, of F32 or F64: every pointer but `index` is to elements of that type.
typedef struct {
  /// `rows` rows of `length`: y[r * n + j] = sum over k < taps of weight[k * n + j] * x[r * length + index[k * n + j]].
  void (*row)(const void *x, void *y, size_t rows, ptrdiff_t length, size_t n, size_t taps, const int32_t *index,
              const void *weight);
  /// y[i] = sum over k < taps of weight[k * stride] * x[index[k * stride] * n + i], for i < n.
  void (*column)(const void *x, void *y, size_t n, size_t taps, size_t stride, const int32_t *index, const void *weight);
} swk_resample;

/// NULL for types other than F32 and F64.
const swk_resample *swk_resample_get(swk_level level, swk_element_type type);
#endif
