#include "movement.h"
#include "../tables.h"

SWK_DECLARE_LEVELS(const swk_movement, swk_movement, [5])
extern bool swk_indices_plain(const void *, bool, size_t, int64_t, int64_t *);
extern bool swk_indices_avx2(const void *, bool, size_t, int64_t, int64_t *);
extern const swk_combine_fn swk_combine_plain[SWK_TYPE_COUNT][SWK_COMBINE_COUNT];

const swk_movement *swk_movement_get(swk_level level, size_t element_size) {
  const swk_movement *table = SWK_SELECT2(level, swk_movement);
  switch (element_size) {
    case 1: return &table[0];
    case 2: return &table[1];
    case 4: return &table[2];
    case 8: return &table[3];
    case 16: return &table[4];
    default: return NULL;
  }
}

void swk_gather_rows(void *dst, const void *src, const int64_t *index, size_t outer, size_t axis, size_t n, size_t bytes) {
  uint8_t *d = dst;
  const uint8_t *s = src;
  for (size_t o = 0; o < outer; o++, s += axis * bytes)
    for (size_t i = 0; i < n; i++, d += bytes) memcpy(d, s + (size_t)index[i] * bytes, bytes);
}

swk_indices_fn swk_indices_get(swk_level level) { return SWK_SELECT2(level, swk_indices); }

void swk_touch(const void *memory, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) (void)((const volatile uint8_t *)memory)[i];
}

swk_combine_fn swk_combine_get(swk_combine_op op, swk_element_type type) {
  if ((unsigned)op >= SWK_COMBINE_COUNT || (unsigned)type >= SWK_TYPE_COUNT) return NULL;
  return swk_combine_plain[type][op];
}
