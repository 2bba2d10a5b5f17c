#include "nbits.h"
#include "../tables.h"

SWK_DECLARE_LEVELS(const swk_nbits, swk_nbits, [3])

const swk_nbits *swk_nbits_get(swk_level level, int bits) {
  return bits == 2 || bits == 4 || bits == 8 ? &SWK_SELECT3(level, swk_nbits)[bits / 4] : NULL;
}
