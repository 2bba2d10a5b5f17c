// The floats of 8, 6 and 4 bits, from and to f32, one to a byte.
#include "narrow.h"
#include "half.h"
#include <stdbool.h>

typedef struct {
  int mantissa, bias;
  uint32_t greatest;  // code of the greatest finite magnitude
  uint32_t overflow;  // code of the magnitude that follows it, if results don't saturate
  uint32_t nan;
  uint32_t sign;      // the sign's bit
  bool unsigned_nan;  // NaN is one code, without a sign
  bool negative_zero;
  bool has_nan;
} format;

static const format e4m3fn = {3, 7, 0x7e, 0x7f, 0x7f, 0x80, false, true, true};
static const format e4m3fnuz = {3, 8, 0x7f, 0x80, 0x80, 0x80, true, false, true};
static const format e5m2 = {2, 15, 0x7b, 0x7c, 0x7e, 0x80, false, true, true};
static const format e5m2fnuz = {2, 16, 0x7f, 0x80, 0x80, 0x80, true, false, true};
static const format e2m1 = {1, 1, 0x07, 0x07, 0x08, 0x08, true, true, false};
static const format e2m3 = {3, 1, 0x1f, 0x1f, 0x20, 0x20, true, true, false};
static const format e3m2 = {2, 3, 0x1f, 0x1f, 0x20, 0x20, true, true, false};

SWK_INLINE uint8_t encode(const format f, float x, bool saturate) {
  const uint32_t u = swk_bits(x), a = u & 0x7fffffff;
  const int shift = 23 - f.mantissa;
  const uint32_t least_normal = (uint32_t)(128 - f.bias) << 23;
  const uint32_t normal =
      ((a + (1u << (shift - 1)) - 1 + ((a >> shift) & 1)) >> shift) - ((uint32_t)(127 - f.bias) << f.mantissa);
  // Adding 2^k, whose last place is that of the denormals, rounds there.
  const uint32_t magic = (uint32_t)(128 - f.bias - f.mantissa + 23) << 23;
  const uint32_t denormal = swk_bits(swk_float(a) + swk_float(magic)) - magic;
  uint32_t code = a < least_normal ? denormal : normal;
  const uint32_t sign = u >> 31 ? f.sign : 0;
  const bool nan = a > 0x7f800000u;
  const bool over = code > f.greatest;
  code = over ? (saturate ? f.greatest : f.overflow) : code;
  code = nan ? f.nan : code;
  const bool bare = (nan || (over && !saturate)) ? f.unsigned_nan && f.has_nan : code == 0 && !f.negative_zero;
  return (uint8_t)(bare || (nan && !f.has_nan) ? code : code | sign);
}

SWK_INLINE float decode(const format f, uint8_t x) {
  const uint32_t code = x & (f.sign - 1);
  // As an f32 of the same exponent field, then scaled by the difference of the biases: exact, denormals included.
  const float magnitude = swk_float(code << (23 - f.mantissa)) * swk_float((uint32_t)(254 - f.bias) << 23);
  uint32_t u = swk_bits(magnitude) | (x & f.sign ? 0x80000000u : 0);
  if (f.unsigned_nan && f.has_nan) return x == f.nan ? swk_float(0x7fc00000) : swk_float(u);
  if (f.has_nan && code > f.greatest)
    u = (u & 0x80000000u) | (f.overflow != f.nan && code == f.overflow ? 0x7f800000u : 0x7fc00000u);
  return swk_float(u);
}

static uint8_t e8m0_encode(float x, swk_round_mode mode, bool saturate) {
  const uint32_t u = swk_bits(x);
  uint32_t exponent = u >> 23 & 0xff;
  if (exponent == 0xff) return 0xff;
  const uint32_t fraction = u & 0x7fffff;
  const bool up = mode == SWK_ROUND_UP ? fraction != 0
                  : mode == SWK_ROUND_NEAREST
                      ? (fraction & 0x400000) && ((fraction & 0x3fffff) || exponent > 0)
                      : false;
  if (up && !(saturate && exponent == 0xfe)) exponent++;
  return (uint8_t)exponent;
}

#define LOOP(TO, FROM, EXPR)                                                                                          \
  {                                                                                                                   \
    const FROM *restrict s = src;                                                                                     \
    TO *restrict d = dst;                                                                                             \
    for (size_t i = 0; i < n; i++) { const FROM x = s[i]; d[i] = EXPR; }                                               \
    return true;                                                                                                      \
  }

bool swk_narrow_encode(swk_element_type to, const void *src, void *dst, size_t n, const swk_cast_options *o) {
  const bool saturate = !o->no_saturate;
  switch (to) {
    case SWK_T_F8E4M3FN: LOOP(uint8_t, float, encode(e4m3fn, x, saturate))
    case SWK_T_F8E4M3FNUZ: LOOP(uint8_t, float, encode(e4m3fnuz, x, saturate))
    case SWK_T_F8E5M2: LOOP(uint8_t, float, encode(e5m2, x, saturate))
    case SWK_T_F8E5M2FNUZ: LOOP(uint8_t, float, encode(e5m2fnuz, x, saturate))
    case SWK_T_F4E2M1: LOOP(uint8_t, float, encode(e2m1, x, true))
    case SWK_T_F6E2M3: LOOP(uint8_t, float, encode(e2m3, x, true))
    case SWK_T_F6E3M2: LOOP(uint8_t, float, encode(e3m2, x, true))
    case SWK_T_F8E8M0: LOOP(uint8_t, float, e8m0_encode(x, o->round_mode, saturate))
    default: return false;
  }
}

bool swk_narrow_decode(swk_element_type from, const void *src, void *dst, size_t n) {
  switch (from) {
    case SWK_T_F8E4M3FN: LOOP(float, uint8_t, decode(e4m3fn, x))
    case SWK_T_F8E4M3FNUZ: LOOP(float, uint8_t, decode(e4m3fnuz, x))
    case SWK_T_F8E5M2: LOOP(float, uint8_t, decode(e5m2, x))
    case SWK_T_F8E5M2FNUZ: LOOP(float, uint8_t, decode(e5m2fnuz, x))
    case SWK_T_F4E2M1: LOOP(float, uint8_t, decode(e2m1, x))
    case SWK_T_F6E2M3: LOOP(float, uint8_t, decode(e2m3, x))
    case SWK_T_F6E3M2: LOOP(float, uint8_t, decode(e3m2, x))
    case SWK_T_F8E8M0: LOOP(float, uint8_t, x == 0xff ? swk_float(0x7fc00000) : x ? swk_float((uint32_t)x << 23) : 0x1p-127f)
    default: return false;
  }
}

// Packed elements, low bits first; one of 6 bits may stand in two bytes.
void swk_unpack(const uint8_t *restrict src, uint8_t *restrict dst, size_t n, int bits, bool sign) {
  const int top = 8 - bits;
  for (size_t i = 0; i < n; i++) {
    const size_t at = i * (size_t)bits;
    const int place = (int)(at % 8);
    const unsigned next = place > top ? src[at / 8 + 1] : 0;
    const uint8_t v = (uint8_t)((src[at / 8] | next << 8) >> place << top);
    dst[i] = sign ? (uint8_t)((int8_t)v >> top) : (uint8_t)(v >> top);
  }
}

void swk_pack(const uint8_t *restrict src, uint8_t *restrict dst, size_t n, int bits) {
  const unsigned mask = (1u << bits) - 1;
  unsigned held = 0;
  int count = 0;
  for (size_t i = 0; i < n; i++) {
    held |= (src[i] & mask) << count;
    count += bits;
    if (count >= 8) *dst++ = (uint8_t)held, held >>= 8, count -= 8;
  }
  if (count) *dst = (uint8_t)held;
}

uint16_t swk_f16_from_f32(float x) { return swk_f16_encode(x); }
float swk_f32_from_f16(uint16_t x) { return swk_f16_decode(x); }
