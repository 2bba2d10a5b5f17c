// F16 and BF16 as bits, branch-free so that loops over them vectorise at every level.
#ifndef SWK_HALF_H
#define SWK_HALF_H
#include <stdint.h>
#include <string.h>
#define SWK_INLINE static inline __attribute__((always_inline))

SWK_INLINE uint32_t swk_bits(float x) { uint32_t u; memcpy(&u, &x, 4); return u; }
SWK_INLINE float swk_float(uint32_t u) { float x; memcpy(&x, &u, 4); return x; }

SWK_INLINE float swk_f16_decode(uint16_t h) {
  const uint32_t magnitude = (uint32_t)(h & 0x7fff) << 13;
  uint32_t u = swk_bits(swk_float(magnitude) * 0x1p112f);
  const uint32_t special = magnitude > (0x7c00u << 13) ? 0x7fc00000u : 0x7f800000u;
  u = magnitude >= (0x7c00u << 13) ? u | special : u;
  return swk_float(u | (uint32_t)(h & 0x8000) << 16);
}

SWK_INLINE uint16_t swk_f16_encode(float x) {
  const uint32_t u = swk_bits(x), a = u & 0x7fffffff;
  const uint32_t normal = (a - (112u << 23) + 0xfff + ((a >> 13) & 1)) >> 13;
  const uint32_t denormal = swk_bits(swk_float(a) + 0.5f) - 0x3f000000u;
  const uint32_t special = a > 0x7f800000u ? 0x7e00 | ((a >> 13) & 0x3ff) : 0x7c00;
  const uint32_t finite = a < 0x38800000u ? denormal : normal;
  return (uint16_t)((a >= 0x47800000u ? special : finite) | (u >> 16 & 0x8000));
}

SWK_INLINE float swk_bf16_decode(uint16_t h) { return swk_float((uint32_t)h << 16); }

SWK_INLINE uint16_t swk_bf16_encode(float x) {
  const uint32_t u = swk_bits(x);
  const uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  return (uint16_t)((u & 0x7fffffff) > 0x7f800000u ? u >> 16 | 0x40 : rounded);
}
#endif
