#include "nbits.h"
#include "../tables.h"

SWK_DECLARE_LEVELS(const swk_nbits, swk_nbits, [3])
SWK_DECLARE_LEVELS(const swk_nbits_integers, swk_nbits_integers, [2])

const swk_nbits *swk_nbits_get(swk_level level, int bits) {
  return bits == 2 || bits == 4 || bits == 8 ? &SWK_SELECT3(level, swk_nbits)[bits / 4] : NULL;
}

const swk_nbits_integers *swk_nbits_integers_get(swk_level level, int bits) {
  if (level == SWK_AVX512 && !swk_cpu_get()->avx512_vnni) level = SWK_AVX2;
  return bits == 4 || bits == 8 ? &SWK_SELECT3(level, swk_nbits_integers)[bits / 8] : NULL;
}
