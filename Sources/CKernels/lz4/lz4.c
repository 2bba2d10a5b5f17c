#include "lz4.h"
#include <string.h>

enum { MATCH = 4, WINDOW = 65535, TAIL = 12, LAST_LITERALS = 5, BITS = 16, TRIES = 32, PATIENCE = 7 };

/// A length that goes on in bytes of 255. Returns 0 when the block ends in it or it passes `most`.
static int read_length(const uint8_t **p, const uint8_t *end, size_t *length, size_t most) {
  if (*length != 15) return *length <= most;
  for (;;) {
    if (*p == end) return 0;
    const uint8_t more = *(*p)++;
    *length += more;
    if (*length > most) return 0;
    if (more != 255) return 1;
  }
}

int swk_lz4_decompress(const uint8_t *block, size_t length, uint8_t *out, size_t n) {
  const uint8_t *p = block, *const end = block + length;
  size_t at = 0;
  while (p < end) {
    const uint8_t token = *p++;
    size_t literals = token >> 4, match = token & 15;
    if (!read_length(&p, end, &literals, n - at) || literals > (size_t)(end - p)) return -1;
    memcpy(out + at, p, literals);
    p += literals, at += literals;
    if (p == end) break;
    if (end - p < 2) return -1;
    const size_t back = (size_t)(p[0] | p[1] << 8);
    p += 2;
    if (back == 0 || back > at || !read_length(&p, end, &match, n - at)) return -1;
    match += MATCH;
    if (match > n - at) return -1;
    // Bytes may be copied that this copy has just written.
    for (size_t k = 0; k < match; k++) out[at + k] = out[at - back + k];
    at += match;
  }
  return at == n ? 0 : -1;
}

static uint32_t read32(const uint8_t *p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return v;
}

static uint8_t *write_length(uint8_t *p, size_t length) {
  for (; length >= 255; length -= 255) *p++ = 255;
  *p++ = (uint8_t)length;
  return p;
}

/// Literals, and a match of `match` bytes unless that is 0. NULL when the room isn't enough.
static uint8_t *write_sequence(uint8_t *p, const uint8_t *end, const uint8_t *literals, size_t count, size_t back,
                               size_t match) {
  if ((size_t)(end - p) < count + count / 255 + match / 255 + 8) return NULL;
  const size_t extra = match ? match - MATCH : 0;
  *p++ = (uint8_t)((count < 15 ? count : 15) << 4 | (extra < 15 ? extra : 15));
  if (count >= 15) p = write_length(p, count - 15);
  memcpy(p, literals, count);
  p += count;
  if (!match) return p;
  *p++ = (uint8_t)back, *p++ = (uint8_t)(back >> 8);
  return extra >= 15 ? write_length(p, extra - 15) : p;
}

size_t swk_lz4_compress(const uint8_t *bytes, size_t n, uint8_t *block, size_t room, uint32_t *table) {
  // Places (+ 1) with the same hash: the newest, and for each place of the window the one before it.
  uint32_t *const newest = table, *const before = table + (1 << BITS);
  memset(newest, 0, sizeof(uint32_t) << BITS);
  uint8_t *p = block, *const end = block + room;
  size_t done = 0, at = 0, misses = 0;
  while (n >= TAIL && at + TAIL <= n) {
    size_t best = 0, back = 0;
    const uint32_t hash = read32(bytes + at) * 2654435761u >> (32 - BITS);
    uint32_t candidate = newest[hash];
    for (int tries = 0; candidate && at - (candidate - 1) <= WINDOW && tries < TRIES; tries++) {
      const uint8_t *earlier = bytes + candidate - 1;
      size_t k = 0;
      while (at + k < n - LAST_LITERALS && earlier[k] == bytes[at + k]) k++;
      if (k > best) best = k, back = at - (candidate - 1);
      candidate = before[(candidate - 1) & WINDOW];
    }
    // Where nothing repeats, ever larger steps are taken.
    misses = best >= MATCH ? 0 : misses + 1;
    const size_t step = best >= MATCH ? best : 1 + (misses >> PATIENCE), from = at;
    if (best >= MATCH) {
      p = write_sequence(p, end, bytes + done, at - done, back, best);
      if (!p) return 0;
      done = at + best;
    }
    for (size_t k = 0; k < step && at + TAIL <= n; k++, at++) {
      const uint32_t h = read32(bytes + at) * 2654435761u >> (32 - BITS);
      before[at & WINDOW] = newest[h];
      newest[h] = (uint32_t)at + 1;
    }
    at = from + step;
  }
  p = write_sequence(p, end, bytes + done, n - done, 0, 0);
  return p ? (size_t)(p - block) : 0;
}
