// What the encoder and the decoder of bit planes share.
#ifndef SWK_PLANES_COMMON_H
#define SWK_PLANES_COMMON_H
#include <string.h>
#include "planes.h"

/// Numbers of a step that follow from its fields.
typedef struct {
  int coded;       ///< whether there are symbols: some weights aren't significant before it
  int resolves;    ///< whether it is the step after which none is left: its symbols end with "zero" and "literal"
  uint32_t fresh;  ///< symbols of weights that become significant; the first that don't has this number
  uint32_t alphabet;  ///< number of symbols
} planes_symbols;

static inline planes_symbols planes_symbols_of(const swk_planes_step *s) {
  planes_symbols y = {0};
  y.coded = s->first < s->significance;
  if (!y.coded) return y;
  y.resolves = s->last >= s->significance;
  y.fresh = (y.resolves ? s->significance : s->last) - s->first;
  y.alphabet = y.fresh + (y.resolves ? 2 : 1);
  return y;
}

static inline size_t planes_lanes(size_t symbols) { return symbols < SWK_PLANES_MANY ? 1 : SWK_PLANES_LANES; }

/// The top exponents of weights i to i + n of a segment.
static inline void planes_tops(const swk_planes_channels *c, size_t i, size_t n, uint16_t *tops) {
  size_t at = c->start + i;
  size_t channel = at / c->inner % c->channels, left = c->inner - at % c->inner;
  for (size_t k = 0; k < n;) {
    const size_t run = left < n - k ? left : n - k;
    const uint16_t top = c->top[channel];
    for (size_t j = 0; j < run; j++) tops[k + j] = top;
    k += run;
    left = c->inner;
    channel = channel + 1 == c->channels ? 0 : channel + 1;
  }
}

static inline uint16_t planes_read16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static inline uint32_t planes_read32(const uint8_t *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint32_t planes_min(uint32_t a, uint32_t b) { return a < b ? a : b; }
#endif
