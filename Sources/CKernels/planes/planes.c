#include "common.h"
#include "../tables.h"

SWK_DECLARE_LEVELS(const swk_planes_refine_fn, swk_planes_refine, [3])

swk_planes_refine_fn swk_planes_refine_get(swk_level level, size_t width) {
  const int row = width == 2 ? 0 : width == 4 ? 1 : width == 8 ? 2 : -1;
  return row < 0 ? NULL : SWK_SELECT3(level, swk_planes_refine)[row];
}
