#ifndef SWK_BINARY_H
#define SWK_BINARY_H
#include <stddef.h>
#include <stdint.h>
#include "cpu.h"
#include "types.h"

/// Operators of two tensors. Integers wrap. Results have the operands' type; comparisons and logic give one byte, 0 or 1.
typedef enum {
  SWK_OP_ADD, SWK_OP_SUB, SWK_OP_MUL,
  SWK_OP_DIV,   ///< integers truncate towards zero
  SWK_OP_MIN, SWK_OP_MAX,  ///< NaN wins
  SWK_OP_MOD,   ///< the sign of the divisor (Python)
  SWK_OP_FMOD,  ///< the sign of the dividend (C)
  SWK_OP_PRELU,  ///< a < 0 ? a * b : a
  SWK_OP_EQUAL, SWK_OP_LESS, SWK_OP_GREATER, SWK_OP_LESS_EQUAL, SWK_OP_GREATER_EQUAL,
  SWK_OP_AND, SWK_OP_OR, SWK_OP_XOR,  ///< booleans
  SWK_OP_BIT_AND, SWK_OP_BIT_OR, SWK_OP_BIT_XOR, SWK_OP_SHIFT_LEFT, SWK_OP_SHIFT_RIGHT,  ///< integers
  SWK_BINARY_COUNT
} swk_binary_op;

/// `rows` rows of `n` results, contiguous. An operand's row starts `row` elements after the one before (0: the same row
/// again); `step` is 1, or 0 for one value along the whole row.
typedef struct {
  size_t rows, n;
  ptrdiff_t a_row, b_row;
  int a_step, b_step;
} swk_binary_shape;

/// Returns non-zero if an integer was divided by zero (such results are 0) or the lowest by -1. `out` may be `a` or `b` itself if it has
/// the same element size and is not broadcast.
typedef uint32_t (*swk_binary_fn)(const void *a, const void *b, void *out, const swk_binary_shape *shape);

/// NULL where the operator has no such type. F16 and BF16 are done by swk_binary_half.
swk_binary_fn swk_binary_get(swk_level level, swk_binary_op op, swk_element_type type);

/// The same for `type` F16 or BF16: each result is computed in f32 and rounded once. Returns false if unsupported.
bool swk_binary_half(swk_level level, swk_binary_op op, swk_element_type type, const void *a, const void *b, void *out,
                     const swk_binary_shape *shape);

/// a raised to b. `base` is F32, F64, I32 or I64 and the type of the results; `exponent` is F32, F64 or I64.
/// Integer bases with integer exponents wrap; a negative exponent gives the truncated reciprocal.
swk_binary_fn swk_pow_get(swk_element_type base, swk_element_type exponent);

/// out = condition ? x : y over `rows` rows of `n`; rows and steps (0 or 1) as in swk_binary_shape.
typedef struct {
  size_t rows, n;
  ptrdiff_t c_row, x_row, y_row;
  int c_step, x_step, y_step;
} swk_where_shape;

typedef void (*swk_where_fn)(const uint8_t *condition, const void *x, const void *y, void *out,
                             const swk_where_shape *shape);

/// For elements of 1, 2, 4, 8 or 16 bytes; NULL for other sizes.
swk_where_fn swk_where_get(swk_level level, size_t element_size);
#endif
