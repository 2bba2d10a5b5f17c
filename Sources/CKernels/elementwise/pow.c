// Powers, for every pair of base and exponent that ONNX allows (others come in converted).
#include "binary.h"
#include <math.h>
#include "../cast/half.h"

// Wraps; a negative exponent gives the reciprocal truncated: 1, -1, or 0 (also for base 0).
SWK_INLINE int64_t integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0;
  uint64_t r = 1, b = (uint64_t)base;
  for (uint64_t e = (uint64_t)exponent; e; e >>= 1, b *= b)
    if (e & 1) r *= b;
  return (int64_t)r;
}

SWK_INLINE int64_t truncated(double x) { return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN; }

#define POW(NAME, TB, TE, EXPR)                                                                                       \
  static uint32_t NAME(const void *a, const void *b, void *out, const swk_binary_shape *s) {                          \
    const TB *pa = a;                                                                                                 \
    const TE *pb = b;                                                                                                 \
    TB *po = out;                                                                                                     \
    for (size_t r = 0; r < s->rows; r++, pa += s->a_row, pb += s->b_row, po += s->n)                                   \
      for (size_t i = 0; i < s->n; i++) {                                                                             \
        const TB x = pa[s->a_step ? i : 0];                                                                           \
        const TE y = pb[s->b_step ? i : 0];                                                                           \
        po[i] = (TB)(EXPR);                                                                                           \
      }                                                                                                               \
    return 0;                                                                                                         \
  }

POW(pow_f32_f32, float, float, powf(x, y))
POW(pow_f32_f64, float, double, pow(x, y))
POW(pow_f32_i64, float, int64_t, pow(x, (double)y))
POW(pow_f64_f32, double, float, pow(x, y))
POW(pow_f64_f64, double, double, pow(x, y))
POW(pow_f64_i64, double, int64_t, pow(x, (double)y))
POW(pow_i32_f32, int32_t, float, truncated(pow(x, y)))
POW(pow_i32_f64, int32_t, double, truncated(pow(x, y)))
POW(pow_i32_i64, int32_t, int64_t, integer_power(x, y))
POW(pow_i64_f32, int64_t, float, truncated(pow((double)x, y)))
POW(pow_i64_f64, int64_t, double, truncated(pow((double)x, y)))
POW(pow_i64_i64, int64_t, int64_t, integer_power(x, y))

// One exponent for all: the usual ones without powf.
#define CASE(EXPR) for (size_t i = 0; i < n; i++) { const float x = pa[i]; po[i] = EXPR; } continue;
static uint32_t pow_f32_one(const void *a, const void *b, void *out, const swk_binary_shape *s) {
  const float *pa = a, *pb = b;
  float *po = out;
  const size_t n = s->n;
  if (s->b_step || !s->a_step) return pow_f32_f32(a, b, out, s);
  for (size_t r = 0; r < s->rows; r++, pa += s->a_row, pb += s->b_row, po += n) {
    const float e = *pb;
    if (e == 2) { CASE(x * x) }
    if (e == 1) { CASE(x) }
    if (e == 3) { CASE(x * x * x) }
    if (e == -1) { CASE(1 / x) }
    if (e == 0.5f) { CASE(x == -INFINITY ? INFINITY : __builtin_sqrtf(x + 0.0f)) }
    CASE(powf(x, e))
  }
  return 0;
}

swk_binary_fn swk_pow_get(swk_element_type base, swk_element_type exponent) {
#define ROW(TYPE, S) \
  case TYPE: \
    return exponent == SWK_T_F32 ? pow_##S##_f32 : exponent == SWK_T_F64 ? pow_##S##_f64 \
         : exponent == SWK_T_I64 ? pow_##S##_i64 : NULL;
  if (base == SWK_T_F32 && exponent == SWK_T_F32) return pow_f32_one;
  switch (base) {
    ROW(SWK_T_F32, f32) ROW(SWK_T_F64, f64) ROW(SWK_T_I32, i32) ROW(SWK_T_I64, i64)
    default: return NULL;
  }
}
