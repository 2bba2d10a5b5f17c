#ifndef SWK_UNARY_H
#define SWK_UNARY_H
#include <stddef.h>
#include <stdint.h>
#include "cpu.h"
#include "types.h"

/// Operators of one tensor; a and b are `alpha` and `beta` of the parameters.
typedef enum {
  SWK_OP_NEG, SWK_OP_ABS, SWK_OP_SIGN,
  SWK_OP_SQRT, SWK_OP_RECIPROCAL, SWK_OP_SQUARE,
  SWK_OP_CEIL, SWK_OP_FLOOR, SWK_OP_ROUND,  ///< ROUND: ties to even
  SWK_OP_EXP, SWK_OP_LOG, SWK_OP_ERF,
  SWK_OP_SIN, SWK_OP_COS, SWK_OP_TAN, SWK_OP_ASIN, SWK_OP_ACOS, SWK_OP_ATAN, SWK_OP_SINH, SWK_OP_COSH, SWK_OP_TANH, SWK_OP_ASINH, SWK_OP_ACOSH,
  SWK_OP_ATANH,
  SWK_OP_SIGMOID, SWK_OP_RELU,
  SWK_OP_LEAKY_RELU,    ///< x < 0 ? a x : x
  SWK_OP_ELU,           ///< x < 0 ? a (e^x - 1) : x
  SWK_OP_SELU,          ///< b (x < 0 ? a (e^x - 1) : x)
  SWK_OP_CELU,          ///< max(x, 0) + min(0, a (e^(x/a) - 1))
  SWK_OP_SOFTPLUS, SWK_OP_SOFTSIGN,
  SWK_OP_HARD_SIGMOID,  ///< max(0, min(1, a x + b))
  SWK_OP_HARD_SWISH,    ///< x max(0, min(1, x / 6 + 1 / 2))
  SWK_OP_THRESHOLDED_RELU,  ///< x > a ? x : 0
  SWK_OP_GELU, SWK_OP_GELU_TANH,
  SWK_OP_SWISH,         ///< x sigmoid(a x)
  SWK_OP_MISH,
  SWK_OP_SHRINK,        ///< x < -a ? x + b : x > a ? x - b : 0
  SWK_OP_CLIP,          ///< min(max(x, low), high); NaN stays
  SWK_OP_SCALE,         ///< a x + b
  SWK_OP_NOT,           ///< booleans
  SWK_OP_BIT_NOT,       ///< integers
  SWK_OP_IS_NAN, SWK_OP_IS_INF,  ///< one byte, 0 or 1; IS_INF: a != 0 detects negative, b != 0 positive infinity
  SWK_UNARY_COUNT
} swk_unary_op;

typedef struct {
  double alpha, beta;
  /// CLIP: bounds, in the type itself (floats: as f32 for F16 and BF16).
  union { int64_t i; uint64_t u; double d; float f; } low, high;
} swk_unary_params;

/// `out` may be `x` if the element size is the same.
typedef void (*swk_unary_fn)(const void *x, void *out, size_t n, const swk_unary_params *params);

/// NULL where the operator has no such type. F16 and BF16 are done by swk_unary_half.
swk_unary_fn swk_unary_get(swk_level level, swk_unary_op op, swk_element_type type);

/// The same for F16 or BF16: each result is computed in f32 and rounded once. Returns false if unsupported.
bool swk_unary_half(swk_level level, swk_unary_op op, swk_element_type type, const void *x, void *out, size_t n,
                    const swk_unary_params *params);
#endif
