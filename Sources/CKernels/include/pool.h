// Pooling of planes of any rank: maximum, average, Lp norm.
#ifndef SWK_POOL_H
#define SWK_POOL_H
#include "gemm.h"

/// Sizes below 2^30, planes below 2^31 elements; every kernel is positive.
typedef struct {
  size_t rank;
  int32_t in[SWK_SPATIAL], out[SWK_SPATIAL], kernel[SWK_SPATIAL];
  int32_t stride[SWK_SPATIAL], dilation[SWK_SPATIAL], pad[SWK_SPATIAL], pad_end[SWK_SPATIAL];
  bool count_include_pad;  ///< average: pads count in the divisor
  bool column_major;       ///< indices: the first dimension varies fastest
  double p;                ///< Lp
} swk_pool;

/// Each function reduces one plane. `scratch`: (2 * last in + 2 * last out) elements. NULL where a type lacks it.
typedef struct {
  void (*max)(const swk_pool *s, const void *x, void *y, void *scratch);
  /// Also tells where each maximum was found (the first of equals): its place in the plane plus `base`; -1 if a window
  /// has no element.
  void (*max_indices)(const swk_pool *s, const void *x, void *y, int64_t *indices, int64_t base);
  /// Maxima of [in..., channels], which become [out..., channels], places being `stride` >= channels elements apart; the lowest
  /// number where a window has no element.
  void (*max_channels)(const swk_pool *s, size_t channels, size_t stride, const void *x, void *y);
  void (*average)(const swk_pool *s, const void *x, void *y, void *scratch);
  void (*lp)(const swk_pool *s, const void *x, void *y, void *scratch);
} swk_pool_table;

/// Kernels for SWK_F32, SWK_F64, SWK_S8, SWK_U8; NULL for other types or if this processor lacks the level.
const swk_pool_table *swk_pool_kernels(swk_type type, swk_level level);
#endif
