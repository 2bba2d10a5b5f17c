#include "order.h"
#include "../tables.h"

SWK_DECLARE_LEVELS(const swk_order_keys_fn, swk_order_keys, [SWK_TYPE_COUNT])
extern size_t swk_above_plain(const int64_t *, size_t, int64_t), swk_above_avx2(const int64_t *, size_t, int64_t);

swk_order_keys_fn swk_order_keys_get(swk_level level, swk_element_type type) {
  return (unsigned)type < SWK_TYPE_COUNT ? SWK_SELECT2(level, swk_order_keys)[type] : NULL;
}

swk_above_fn swk_above_get(swk_level level) { return SWK_SELECT2(level, swk_above); }
