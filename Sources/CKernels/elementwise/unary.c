// The choice of an operator of one tensor, and the 16-bit floats by way of f32.
#include "unary.h"
#include "cast.h"
#include "../tables.h"

SWK_DECLARE_LEVELS(const swk_unary_fn, swk_unary_f32, [SWK_UNARY_COUNT])
// The rarer types gain too little from a level.
extern const swk_unary_fn swk_unary_types_plain[SWK_TYPE_COUNT][SWK_UNARY_COUNT];

swk_unary_fn swk_unary_get(swk_level level, swk_unary_op op, swk_element_type type) {
  if ((unsigned)op >= SWK_UNARY_COUNT || (unsigned)type >= SWK_TYPE_COUNT) return NULL;
  if (type == SWK_T_F32) return SWK_SELECT3(level, swk_unary_f32)[op];
  return swk_unary_types_plain[type][op];
}

enum { BLOCK = 1024 };

bool swk_unary_half(swk_level level, swk_unary_op op, swk_element_type type, const void *x, void *out, size_t n,
                    const swk_unary_params *params) {
  const swk_unary_fn f = swk_unary_get(level, op, SWK_T_F32);
  if (!f || (type != SWK_T_F16 && type != SWK_T_BF16)) return false;
  const swk_convert_fn widen = swk_convert_get(level, type, SWK_T_F32), narrow = swk_convert_get(level, SWK_T_F32, type);
  const bool predicate = op == SWK_OP_IS_NAN || op == SWK_OP_IS_INF;
  _Alignas(64) float block[BLOCK];
  for (size_t i = 0; i < n; i += BLOCK) {
    const size_t m = n - i < BLOCK ? n - i : BLOCK;
    widen((const uint16_t *)x + i, block, m);
    if (predicate) {
      f(block, (uint8_t *)out + i, m, params);
    } else {
      f(block, block, m, params);
      narrow(block, (uint16_t *)out + i, m);
    }
  }
  return true;
}
