#include "resample.h"
#include "../tables.h"

SWK_DECLARE_LEVELS(const swk_resample, swk_resample_f32, [1])
extern const swk_resample swk_resample_f64_plain[1];

const swk_resample *swk_resample_get(swk_level level, swk_element_type type) {
  if (type == SWK_T_F32) return SWK_SELECT3(level, swk_resample_f32);
  return type == SWK_T_F64 ? swk_resample_f64_plain : NULL;
}
