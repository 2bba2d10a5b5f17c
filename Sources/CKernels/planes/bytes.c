// Bytes by their frequencies; see include/planes.h.
#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "common.h"
#include "symbols.inc"

swk_planes_status swk_bytes_decode(const uint8_t *chunk, size_t length, uint8_t *bytes, size_t n) {
  uint16_t frequencies[SWK_BYTES_ALPHABET] = {0};
  const uint8_t *p = chunk + SWK_BYTES_ALPHABET / 8, *end = chunk + length;
  if (length < SWK_BYTES_ALPHABET / 8) return SWK_PLANES_SHORT;
  for (uint32_t k = 0; k < SWK_BYTES_ALPHABET; k++) {
    if (!(chunk[k / 8] >> k % 8 & 1)) continue;
    if (p == end) return SWK_PLANES_SHORT;
    uint32_t f = *p++;
    if (f >= 128) {
      if (p == end) return SWK_PLANES_SHORT;
      if (*p >= 128) return SWK_PLANES_FREQUENCIES;
      f = (f & 127) | (uint32_t)*p++ << 7;
    }
    frequencies[k] = (uint16_t)f;
  }
  return decode_symbols_plain(frequencies, SWK_BYTES_ALPHABET, n, &p, end, bytes);
}
