// The choice of a conversion, and conversions in up to three steps: unpack or widen, convert, narrow or pack.
#include "cast.h"
#include "half.h"
#include "narrow.h"
#include "../tables.h"

SWK_DECLARE_LEVELS(const swk_convert_fn, swk_convert_from_f32, [SWK_TYPE_COUNT])
SWK_DECLARE_LEVELS(const swk_convert_fn, swk_convert_to_f32, [SWK_TYPE_COUNT])
SWK_DECLARE_LEVELS(const swk_convert_fn, swk_convert_types, [SWK_TYPE_COUNT][SWK_TYPE_COUNT])

swk_convert_fn swk_convert_get(swk_level level, swk_element_type from, swk_element_type to) {
  if ((unsigned)from >= SWK_TYPE_COUNT || (unsigned)to >= SWK_TYPE_COUNT) return NULL;
  swk_convert_fn f = NULL;
  if (from == SWK_T_F32) f = SWK_SELECT3(level, swk_convert_from_f32)[to];
  else if (to == SWK_T_F32) f = SWK_SELECT3(level, swk_convert_to_f32)[from];
  return f ? f : SWK_SELECT2(level, swk_convert_types)[from][to];
}

typedef enum { NATIVE, HALF, NARROW, PACKED_INTEGER, PACKED_FLOAT, NONE } kind;

static kind kind_of(swk_element_type t) {
  switch (t) {
    case SWK_T_F16: case SWK_T_BF16: return HALF;
    case SWK_T_F8E4M3FN: case SWK_T_F8E4M3FNUZ: case SWK_T_F8E5M2: case SWK_T_F8E5M2FNUZ: case SWK_T_F8E8M0: return NARROW;
    case SWK_T_F4E2M1: case SWK_T_F6E2M3: case SWK_T_F6E3M2: return PACKED_FLOAT;
    case SWK_T_U4: case SWK_T_I4: case SWK_T_U2: case SWK_T_I2: return PACKED_INTEGER;
    case SWK_T_F32: case SWK_T_F64: case SWK_T_U8: case SWK_T_I8: case SWK_T_U16: case SWK_T_I16: case SWK_T_U32: case SWK_T_I32:
    case SWK_T_U64: case SWK_T_I64: case SWK_T_BOOL: return NATIVE;
    default: return NONE;
  }
}

static size_t bits_of(swk_element_type t) {
  switch (t) {
    case SWK_T_U2: case SWK_T_I2: return 2;
    case SWK_T_U4: case SWK_T_I4: case SWK_T_F4E2M1: return 4;
    case SWK_T_F6E2M3: case SWK_T_F6E3M2: return 6;
    case SWK_T_F16: case SWK_T_BF16: case SWK_T_U16: case SWK_T_I16: return 16;
    case SWK_T_F32: case SWK_T_U32: case SWK_T_I32: return 32;
    case SWK_T_F64: case SWK_T_U64: case SWK_T_I64: return 64;
    default: return 8;
  }
}

// To f32, away from even: the bits that don't fit survive in the last place, so that a second rounding is right.
static float odd_from_f64(double x) {
  const float f = (float)x;
  if ((double)f == x || x != x) return f;
  uint32_t u = swk_bits(f);
  if (fabs((double)f) > fabs(x)) u -= 1;
  return swk_float(u | 1);
}
static float odd_from_u64(uint64_t x) {
  if (x >> 53) x = (x & ~0xfffull) | (x & 0xfff ? 0x1000 : 0);
  return odd_from_f64((double)x);
}
static float odd_from_i64(int64_t x) {
  return x < 0 ? -odd_from_u64(0 - (uint64_t)x) : odd_from_u64((uint64_t)x);
}

// Native types of more than 24 bits to f32 before a second rounding. Returns false for the others, which are exact.
static bool convert_odd(swk_element_type from, const void *src, float *restrict d, size_t n) {
  switch (from) {
    case SWK_T_F64: for (size_t i = 0; i < n; i++) d[i] = odd_from_f64(((const double *)src)[i]); return true;
    case SWK_T_I64: for (size_t i = 0; i < n; i++) d[i] = odd_from_i64(((const int64_t *)src)[i]); return true;
    case SWK_T_U64: for (size_t i = 0; i < n; i++) d[i] = odd_from_u64(((const uint64_t *)src)[i]); return true;
    case SWK_T_I32: for (size_t i = 0; i < n; i++) d[i] = odd_from_f64(((const int32_t *)src)[i]); return true;
    case SWK_T_U32: for (size_t i = 0; i < n; i++) d[i] = odd_from_f64(((const uint32_t *)src)[i]); return true;
    default: return false;
  }
}

enum { BLOCK = 512 };

bool swk_cast(swk_level level, swk_element_type from, const void *src, swk_element_type to, void *dst, size_t n,
              const swk_cast_options *options) {
  const kind kf = kind_of(from), kt = kind_of(to);
  if (kf == NONE || kt == NONE) return false;
  const size_t from_bits = bits_of(from), to_bits = bits_of(to);
  if (from == to) {
    memcpy(dst, src, (n * from_bits + 7) / 8);
    return true;
  }
  const swk_element_type wide_from = kf == NATIVE ? from : kf == PACKED_INTEGER ? (from == SWK_T_I4 || from == SWK_T_I2 ? SWK_T_I8 : SWK_T_U8) : SWK_T_F32;
  const swk_element_type wide_to = kt == NATIVE ? to : kt == PACKED_INTEGER ? SWK_T_U8 : SWK_T_F32;
  const bool floats = kt != NATIVE && kt != PACKED_INTEGER;
  const swk_convert_fn direct = swk_convert_get(level, wide_from, wide_to);
  if (kf == NATIVE && kt == NATIVE) {
    direct(src, dst, n);
    return true;
  }
  const swk_convert_fn widen = kf == HALF ? swk_convert_get(level, from, SWK_T_F32) : NULL;
  const swk_convert_fn narrow = kt == HALF ? swk_convert_get(level, SWK_T_F32, to) : NULL;
  _Alignas(64) uint8_t bytes[BLOCK], first[BLOCK * 8], second[BLOCK * 8];
  for (size_t i = 0; i < n; i += BLOCK) {
    const size_t m = n - i < BLOCK ? n - i : BLOCK;
    const void *p = (const uint8_t *)src + i * from_bits / 8;
    if (kf == HALF) widen(p, first, m), p = first;
    else if (kf == NARROW) swk_narrow_decode(from, p, first, m), p = first;
    else if (kf == PACKED_INTEGER) swk_unpack(p, first, m, (int)from_bits, wide_from == SWK_T_I8), p = first;
    else if (kf == PACKED_FLOAT)
      swk_unpack(p, bytes, m, (int)from_bits, false), swk_narrow_decode(from, bytes, first, m), p = first;

    uint8_t *out = (uint8_t *)dst + i * to_bits / 8;
    if (kt == NATIVE) {
      if (wide_from == to) memcpy(out, p, m * to_bits / 8);
      else direct(p, out, m);
      continue;
    }
    if (wide_from != wide_to) {
      if (!(floats && convert_odd(wide_from, p, (float *)second, m))) direct(p, second, m);
      p = second;
    }
    if (kt == HALF) narrow(p, out, m);
    else if (kt == NARROW) swk_narrow_encode(to, p, out, m, options);
    else if (kt == PACKED_INTEGER) swk_pack(p, out, m, (int)to_bits);
    else swk_narrow_encode(to, p, bytes, m, options), swk_pack(bytes, out, m, (int)to_bits);
  }
  return true;
}
