// Matrix multiplication of 8-bit integers with zero points, exact in int32 (wrapping), over the blocked driver of gemm.h.
//
// Packing subtracts the zero points and stores pairs of neighbours in k as two int16 in an int32; the kernels multiply
// pairs and add them up. So in swk_gemm and in the functions of the table k, k0 and kc count pairs: (depth + 1) / 2.
// Operands have type SWK_S8 or SWK_U8, in any combination, and their `depth`; or SWK_S32, pairs made by swk_pairs_table,
// strides counting pairs. No k_inner. The epilogue is read if it has row_scales.
#ifndef SWK_IGEMM_H
#define SWK_IGEMM_H
#include "gemm.h"

/// The kernels of a level; NULL if this processor doesn't have it. `vnni`: with the processor's dot products of pairs.
const swk_gemm_table *swk_gemm_s32(swk_level level, bool vnni);

/// Floats as integers of 16 bits, two to an int32. A row of `depth` elements has units = (depth + 1) / 2 pairs; pair i has
/// element i in its low half and element i + units, or 0, in its high half.
typedef struct {
  /// The largest magnitude; more than any finite number, or NaN, if there are such.
  float (*largest)(const float *x, ptrdiff_t stride, size_t n);
  /// pairs[i] = low[i * stride] * factor and high[i * stride] * factor, rounded; they must have magnitudes below 32768.
  void (*join)(const float *low, const float *high, ptrdiff_t stride, size_t n, float factor, int32_t *pairs);
  /// The sum of all magnitudes.
  uint64_t (*sum)(const int32_t *pairs, size_t n);
} swk_pairs_table;
const swk_pairs_table *swk_pairs(swk_level level);

/// C[m,n] = A[m,k] B[k,n] of integers that wrap, any strides. Signed and unsigned ones have the same bits.
typedef struct {
  void (*u32)(size_t m, size_t n, size_t k, const uint32_t *a, ptrdiff_t a_row, ptrdiff_t a_column, const uint32_t *b,
              ptrdiff_t b_row, ptrdiff_t b_column, uint32_t *c, size_t ldc);
  void (*u64)(size_t m, size_t n, size_t k, const uint64_t *a, ptrdiff_t a_row, ptrdiff_t a_column, const uint64_t *b,
              ptrdiff_t b_row, ptrdiff_t b_column, uint64_t *c, size_t ldc);
} swk_matmul_table;
const swk_matmul_table *swk_matmul_integers(swk_level level);
#endif
