#include "reduce.h"
#include "../tables.h"

SWK_DECLARE_LEVELS(const swk_reduction, swk_reduce_f32, [SWK_REDUCE_COUNT])
// Types other than f32: one level keeps the library small.
extern const swk_reduction swk_reduce_types_plain[SWK_TYPE_COUNT][SWK_REDUCE_COUNT];
SWK_DECLARE_LEVELS(const swk_arg_reduction, swk_arg_f32, [2])
extern const swk_arg_reduction swk_arg_types_plain[SWK_TYPE_COUNT][2];
extern const swk_cumulate_fn swk_cumulate_plain[SWK_TYPE_COUNT][2];

const swk_reduction *swk_reduction_get(swk_level level, swk_reduce_op op, swk_element_type type) {
  if ((unsigned)op >= SWK_REDUCE_COUNT || (unsigned)type >= SWK_TYPE_COUNT) return NULL;
  const swk_reduction *r =
      type == SWK_T_F32 ? &SWK_SELECT3(level, swk_reduce_f32)[op] : &swk_reduce_types_plain[type][op];
  return r->runs ? r : NULL;
}

const swk_arg_reduction *swk_arg_get(swk_level level, bool max, swk_element_type type) {
  if ((unsigned)type >= SWK_TYPE_COUNT) return NULL;
  const swk_arg_reduction *r =
      type == SWK_T_F32 ? &SWK_SELECT3(level, swk_arg_f32)[max] : &swk_arg_types_plain[type][max];
  return r->runs ? r : NULL;
}

swk_cumulate_fn swk_cumulate_get(swk_level level, bool product, swk_element_type type) {
  (void)level;
  return (unsigned)type < SWK_TYPE_COUNT ? swk_cumulate_plain[type][product] : NULL;
}
