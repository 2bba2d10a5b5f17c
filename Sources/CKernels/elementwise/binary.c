// The choice of an operator of two tensors, and the 16-bit floats by way of f32.
#include "binary.h"
#include "cast.h"
#include "../tables.h"

SWK_DECLARE_LEVELS(const swk_binary_fn, swk_binary_f32, [SWK_BINARY_COUNT])
// Seldom in a model's inner loop and bound by memory: one level keeps the library small.
extern const swk_binary_fn swk_binary_types_plain[SWK_TYPE_COUNT][SWK_BINARY_COUNT];
SWK_DECLARE_LEVELS(const swk_where_fn, swk_where, [5])

swk_binary_fn swk_binary_get(swk_level level, swk_binary_op op, swk_element_type type) {
  if ((unsigned)op >= SWK_BINARY_COUNT || (unsigned)type >= SWK_TYPE_COUNT) return NULL;
  const swk_binary_fn f = type == SWK_T_F32 ? SWK_SELECT3(level, swk_binary_f32)[op] : NULL;
  return f ? f : swk_binary_types_plain[type][op];
}

swk_where_fn swk_where_get(swk_level level, size_t element_size) {
  switch (element_size) {
    case 1: return SWK_SELECT3(level, swk_where)[0];
    case 2: return SWK_SELECT3(level, swk_where)[1];
    case 4: return SWK_SELECT3(level, swk_where)[2];
    case 8: return SWK_SELECT3(level, swk_where)[3];
    case 16: return SWK_SELECT3(level, swk_where)[4];
    default: return NULL;
  }
}

enum { BLOCK = 1024 };

bool swk_binary_half(swk_level level, swk_binary_op op, swk_element_type type, const void *a, const void *b, void *out,
                     const swk_binary_shape *shape) {
  const swk_binary_fn f = swk_binary_get(level, op, SWK_T_F32);
  if (!f || (type != SWK_T_F16 && type != SWK_T_BF16)) return false;
  const swk_convert_fn widen = swk_convert_get(level, type, SWK_T_F32), narrow = swk_convert_get(level, SWK_T_F32, type);
  const bool predicate = op >= SWK_OP_EQUAL && op <= SWK_OP_GREATER_EQUAL;
  const uint16_t *pa = a, *pb = b;
  uint8_t *po = out;
  const size_t out_size = predicate ? 1 : 2;
  _Alignas(64) float block_a[BLOCK], block_b[BLOCK];
  for (size_t r = 0; r < shape->rows; r++, pa += shape->a_row, pb += shape->b_row) {
    for (size_t i = 0; i < shape->n; i += BLOCK) {
      const size_t m = shape->n - i < BLOCK ? shape->n - i : BLOCK;
      widen(pa + (shape->a_step ? i : 0), block_a, shape->a_step ? m : 1);
      widen(pb + (shape->b_step ? i : 0), block_b, shape->b_step ? m : 1);
      const swk_binary_shape row = {1, m, 0, 0, shape->a_step, shape->b_step};
      if (predicate) {
        f(block_a, block_b, po, &row);
      } else {
        float *result = shape->a_step ? block_a : block_b;
        f(block_a, block_b, result, &row);
        narrow(result, po, m);
      }
      po += m * out_size;
    }
  }
  return true;
}
