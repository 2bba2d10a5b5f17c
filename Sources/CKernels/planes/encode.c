// The encoder of one step; see include/planes.h.
#include <stdlib.h>
#include "common.h"

/// Appends bits, low ones first.
typedef struct {
  uint8_t *to;
  uint64_t pending;
  unsigned count;
} bit_writer;

static void put(bit_writer *b, uint64_t value, unsigned count) {
  if (count > 32) {
    put(b, value & 0xffffffffu, 32);
    value >>= 32, count -= 32;
  }
  b->pending |= value << b->count;
  for (b->count += count; b->count >= 8; b->count -= 8, b->pending >>= 8) *b->to++ = (uint8_t)b->pending;
}

static uint64_t weight(const void *weights, size_t width, size_t i) {
  uint64_t u = 0;
  memcpy(&u, (const uint8_t *)weights + i * width, width);
  return u;
}

void swk_planes_locate(const swk_planes_step *s, const swk_planes_channels *channels, const void *weights, size_t n,
                       uint8_t *planes) {
  enum { BLOCK = 256 };
  const size_t width = (s->mantissa + s->exponent + 1) / 8;
  uint16_t tops[BLOCK];
  for (size_t i = 0; i < n; i++) {
    if (i % BLOCK == 0) planes_tops(channels, i, n - i < BLOCK ? n - i : BLOCK, tops);
    const uint32_t top = tops[i % BLOCK];
    const uint32_t e = (uint32_t)(weight(weights, width, i) >> s->mantissa) & ((1u << s->exponent) - 1);
    const uint32_t isNever = e == 0 || e > top || top - e >= s->significance;
    planes[i] = (uint8_t)(isNever ? s->significance : top - e);
  }
}

/// Frequencies of n symbols that add up to SWK_PLANES_SCALE, none of them 0 for a symbol that occurs.
static void find_frequencies(const uint8_t *symbols, size_t n, uint32_t alphabet, uint32_t *frequency) {
  size_t count[SWK_BYTES_ALPHABET] = {0};
  uint32_t sum = 0;
  for (size_t i = 0; i < n; i++) count[symbols[i]]++;
  for (uint32_t k = 0; k < alphabet; k++) {
    frequency[k] = n ? (uint32_t)((double)count[k] * SWK_PLANES_SCALE / (double)n + 0.5) : 0;
    if (count[k] && !frequency[k]) frequency[k] = 1;
    sum += frequency[k];
  }
  // Rounding is made good by the largest, which hardly feel it.
  while (sum != SWK_PLANES_SCALE) {
    uint32_t largest = 0;
    for (uint32_t k = 1; k < alphabet; k++)
      if (frequency[k] > frequency[largest]) largest = k;
    const uint32_t most = frequency[largest] / 8 + 1;
    const uint32_t change = sum < SWK_PLANES_SCALE ? SWK_PLANES_SCALE - sum : planes_min(sum - SWK_PLANES_SCALE, most);
    frequency[largest] += sum < SWK_PLANES_SCALE ? change : -change;
    sum += sum < SWK_PLANES_SCALE ? change : -change;
  }
}

static uint8_t *put16(uint8_t *p, uint32_t v) { return p[0] = (uint8_t)v, p[1] = (uint8_t)(v >> 8), p + 2; }

/// Writes n symbols of given frequencies.
static uint8_t *write_symbols(const uint32_t *frequency, uint32_t alphabet, const uint8_t *symbols, size_t n,
                              uint8_t *chunk) {
  uint32_t start[SWK_BYTES_ALPHABET], sum = 0;
  for (uint32_t k = 0; k < alphabet; k++) {
    start[k] = sum;
    sum += frequency[k];
  }
  const size_t lanes = planes_lanes(n);
  uint32_t x[SWK_PLANES_LANES];
  for (size_t k = 0; k < lanes; k++) x[k] = 0x10000;
  // Coded backwards: the words fill the space behind the states from its end, and are moved up.
  uint8_t *const states = chunk, *const words = states + 4 * lanes, *const end = words + 2 * n;
  uint8_t *p = end;
  for (size_t i = n; i-- > 0;) {
    uint32_t *lane = &x[i % lanes];
    const uint32_t f = frequency[symbols[i]];
    if (*lane >= (uint64_t)f << 20) {
      put16(p -= 2, *lane);
      *lane >>= 16;
    }
    *lane = (*lane / f << 12) + *lane % f + start[symbols[i]];
  }
  for (size_t k = 0; k < lanes; k++) put16(put16(states + 4 * k, x[k] & 0xffff), x[k] >> 16);
  memmove(words, p, (size_t)(end - p));
  return words + (end - p);
}

size_t swk_bytes_bound(size_t n) {
  return SWK_BYTES_ALPHABET / 8 + 2 * SWK_BYTES_ALPHABET + 4 * SWK_PLANES_LANES + 2 * n;
}

size_t swk_bytes_encode(const uint8_t *bytes, size_t n, uint8_t *chunk) {
  uint32_t frequency[SWK_BYTES_ALPHABET];
  find_frequencies(bytes, n, SWK_BYTES_ALPHABET, frequency);
  uint8_t *p = chunk + SWK_BYTES_ALPHABET / 8;
  memset(chunk, 0, SWK_BYTES_ALPHABET / 8);
  for (uint32_t k = 0; k < SWK_BYTES_ALPHABET; k++) {
    if (!frequency[k]) continue;
    chunk[k / 8] |= (uint8_t)(1 << k % 8);
    // A varint.
    if (frequency[k] >= 128) *p++ = (uint8_t)(frequency[k] | 128), *p++ = (uint8_t)(frequency[k] >> 7);
    else *p++ = (uint8_t)frequency[k];
  }
  return (size_t)(write_symbols(frequency, SWK_BYTES_ALPHABET, bytes, n, p) - chunk);
}

size_t swk_planes_bound(size_t width, size_t n) {
  return 2 * (SWK_PLANES_MOST + 2) + 4 * SWK_PLANES_LANES + 2 * n + n * (width + 1) + 8;
}

size_t swk_planes_encode(const swk_planes_step *s, const void *weights, const uint8_t *planes, size_t n,
                         uint8_t *chunk, uint8_t *symbols) {
  const planes_symbols y = planes_symbols_of(s);
  const uint32_t M = s->mantissa, D = s->significance;
  const size_t width = (M + s->exponent + 1) / 8;
  uint8_t *p = chunk;
  if (y.coded) {
    const uint32_t end = s->first + y.fresh;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
      if (planes[i] < s->first) continue;
      const uint32_t none = y.fresh + (y.resolves && weight(weights, width, i) != 0);
      symbols[count++] = (uint8_t)(planes[i] < end ? planes[i] - s->first : none);
    }
    uint32_t frequency[SWK_BYTES_ALPHABET];
    find_frequencies(symbols, count, y.alphabet, frequency);
    for (uint32_t k = 0; k < y.alphabet; k++) p = put16(p, frequency[k]);
    p = write_symbols(frequency, y.alphabet, symbols, count, p);
    for (size_t i = 0; y.resolves && i < n; i++) {
      const uint64_t u = weight(weights, width, i);
      if (planes[i] < D || u == 0) continue;
      memcpy(p, &u, width);
      p += width;
    }
  }
  bit_writer b = {.to = p};
  const uint64_t mantissas = ((uint64_t)1 << M) - 1;
  for (size_t i = 0; i < n; i++) {
    const uint32_t d = planes[i];
    if (d >= D || d >= s->last) continue;
    const uint64_t u = weight(weights, width, i);
    const uint32_t isNew = d >= s->first;
    const uint32_t known = isNew ? 0 : planes_min(s->first - 1 - d, M), will = planes_min(s->last - 1 - d, M);
    const uint64_t fresh = (u & mantissas) >> (M - will) & (((uint64_t)1 << (will - known)) - 1);
    put(&b, isNew ? fresh << 1 | (u >> (width * 8 - 1) & 1) : fresh, will - known + isNew);
  }
  if (b.count) *b.to++ = (uint8_t)b.pending;
  return (size_t)(b.to - chunk);
}
