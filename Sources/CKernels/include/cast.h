#ifndef SWK_CAST_H
#define SWK_CAST_H
#include <stddef.h>
#include <stdint.h>
#include "cpu.h"
#include "types.h"

typedef void (*swk_convert_fn)(const void *src, void *dst, size_t n);

/// Direct conversions: between any two of F32, F64, BOOL and the integers of 8 to 64 bits; between F32 and F16, BF16,
/// the 8-bit floats (saturating) and F4E2M1 (unpacked, one to a byte). NULL for other pairs.
/// Integers wrap. Floats to integers truncate; out of range and NaN give what x86 and numpy give: by way of int32 for
/// 8- and 16-bit integers, of int64 for uint32, with the least integer for values that don't fit the way.
/// To narrower floats: nearest, ties to even.
swk_convert_fn swk_convert_get(swk_level level, swk_element_type from, swk_element_type to);

typedef enum { SWK_ROUND_UP, SWK_ROUND_DOWN, SWK_ROUND_NEAREST } swk_round_mode;
typedef struct {
  bool no_saturate;           ///< 8-bit floats: overflow gives NaN or infinity instead of the greatest value
  swk_round_mode round_mode;  ///< for F8E8M0
} swk_cast_options;

/// Between any two types other than strings and complex numbers, packed types (low bits first) included; every result is
/// rounded once. `src` and `dst` must not overlap. Returns false if a type isn't supported.
bool swk_cast(swk_level level, swk_element_type from, const void *src, swk_element_type to, void *dst, size_t n,
              const swk_cast_options *options);

/// The narrow formats one at a time, for tests and other kernels.
uint16_t swk_f16_from_f32(float x);
float swk_f32_from_f16(uint16_t x);
#endif
