// Packing of tickets, the draw of uniform ones, and the choice of a level.
#include "tickets.h"
#include <string.h>

extern const swk_ticket_table swk_ticket_f32_plain, swk_ticket_f32_avx2, swk_ticket_f32_avx512, swk_ticket_s6_avx512;

const swk_ticket_table *swk_ticket_f32(swk_level level) {
  if (level > swk_cpu_get()->level) return NULL;
#if defined(__x86_64__)
  if (level == SWK_AVX512) return &swk_ticket_f32_avx512;
  if (level == SWK_AVX2) return &swk_ticket_f32_avx2;
#endif
  return &swk_ticket_f32_plain;
}

const swk_ticket_table *swk_ticket_s6(swk_level level) {
#if defined(__x86_64__)
  const swk_cpu *cpu = swk_cpu_get();
  if (level == SWK_AVX512 && cpu->avx512_vnni && cpu->avx512_vbmi) return &swk_ticket_s6_avx512;
#endif
  return NULL;
}

static uint32_t mix(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

void swk_ticket_seed(swk_ticket *t, uint64_t seed) {
  const uint32_t golden = 0x9e3779b9;
  t->low = mix((uint32_t)seed ^ golden);
  t->high = mix((uint32_t)(seed >> 32) + t->low + golden);
}

/// Bits [first, first + n) of a plane, n <= 32.
static uint32_t piece(const uint8_t *plane, size_t bytes, size_t first, size_t n) {
  uint64_t x = 0;
  size_t byte = first / 8, left = bytes - byte;
  memcpy(&x, plane + byte, left < 8 ? left : 8);
  return (uint32_t)(x >> first % 8) & (uint32_t)((1ull << n) - 1);
}

/// The word of a row's columns [c, c + n) in the order of a packed ticket.
static uint32_t word_of(const swk_ticket *t, const swk_ticket_bits *b, const uint8_t *plane, size_t row, size_t c,
                        size_t n) {
  if (b->taps <= 1) return piece(plane, b->bytes, row * t->columns + c, n);
  uint32_t word = 0;
  size_t channels = t->columns / b->taps;
  for (size_t i = 0; i < n; i++) {
    size_t e = row * t->columns + (c + i) % channels * b->taps + (c + i) / channels;
    word |= (uint32_t)(plane[e / 8] >> e % 8 & 1) << i;
  }
  return word;
}

/// Adds 16 rows' bits of one column to their words.
static void add_column(uint32_t *words, uint32_t bits, size_t column) {
  for (size_t i = 0; i < SWK_TICKET_ROWS; i++) words[i] |= (bits >> i & 1) << column;
}

/// Of a transposed plane: bits [row, row + n) of a column.
static uint32_t column_of(const swk_ticket *t, const swk_ticket_bits *b, unsigned code, size_t row, size_t column,
                          size_t n) {
  uint32_t bits = (uint32_t)((1ull << n) - 1);
  for (size_t p = 0; p < b->count; p++) {
    uint32_t own = piece(b->planes + p * b->bytes, b->bytes, column * t->rows + row, n);
    bits &= code >> p & 1 ? own : ~own;
  }
  return bits;
}

/// Where a block of rows begins in a mask, its words 0.
static uint32_t *clear(const swk_ticket *t, size_t row, uint32_t *mask) {
  return memset(mask + row * t->words, 0, SWK_TICKET_ROWS * t->words * sizeof *mask);
}

static void pack_transposed(const swk_ticket *t, const swk_ticket_bits *b, unsigned code, size_t r0, size_t r1,
                            uint32_t *mask) {
  for (size_t row = r0; row < r1; row += SWK_TICKET_ROWS) {
    uint32_t *words = clear(t, row, mask);
    for (size_t c = 0; c < t->columns; c++) {
      size_t n = t->rows - row < SWK_TICKET_ROWS ? t->rows - row : SWK_TICKET_ROWS;
      add_column(words + c / 32 * SWK_TICKET_ROWS, column_of(t, b, code, row, c, n), c % 32);
    }
  }
}

void swk_ticket_transposed_signs(const swk_ticket *t, size_t r0, size_t r1, uint32_t *signs) {
  uint32_t each = (uint32_t)((t->rows + 255) / 256);
  for (size_t row = r0; row < r1; row += SWK_TICKET_ROWS) {
    uint32_t *words = clear(t, row, signs);
    for (size_t c = 0; c < t->columns; c++) {
      uint32_t key = mix(mix((uint32_t)c * each + (uint32_t)(row / 256) + t->low) ^ t->high);
      uint32_t word = key * swk_ticket_factors[row % 256 / 32];
      add_column(words + c / 32 * SWK_TICKET_ROWS, (word ^ word >> 16) >> row % 32, c % 32);
    }
  }
}

void swk_ticket_pack(const swk_ticket *t, const swk_ticket_bits *b, unsigned code, size_t r0, size_t r1,
                     uint32_t *mask) {
  if (b->transposed) return pack_transposed(t, b, code, r0, r1, mask);
  for (mask += r0 * t->words; r0 < r1; r0 += SWK_TICKET_ROWS)
    for (size_t c = 0; c < t->columns; c += 32)
      for (size_t row = r0; row < r0 + SWK_TICKET_ROWS; row++) {
        size_t n = t->columns - c < 32 ? t->columns - c : 32;
        uint32_t word = row < t->rows ? (uint32_t)((1ull << n) - 1) : 0;
        for (size_t p = 0; p < b->count && word; p++) {
          uint32_t own = word_of(t, b, b->planes + p * b->bytes, row, c, n);
          word &= code >> p & 1 ? own : ~own;
        }
        *mask++ = word;
      }
}

/// Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011).
static void philox(uint64_t seed, uint64_t counter, uint32_t out[4]) {
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  uint32_t a = (uint32_t)counter, b = (uint32_t)(counter >> 32), c = 0, d = 0;
  for (int round = 0; round < 10; round++, k0 += 0x9e3779b9, k1 += 0xbb67ae85) {
    uint64_t p = (uint64_t)a * 0xd2511f53, q = (uint64_t)c * 0xcd9e8d57;
    a = (uint32_t)(q >> 32) ^ b ^ k0, b = (uint32_t)q;
    c = (uint32_t)(p >> 32) ^ d ^ k1, d = (uint32_t)p;
  }
  out[0] = a, out[1] = b, out[2] = c, out[3] = d;
}

void swk_ticket_uniform(uint64_t seed, const uint8_t *mask, float scale, size_t first, size_t count, float *out) {
  uint32_t words[4] = {0};
  for (size_t e = first; e < first + count; e++) {
    if (e == first || e % 4 == 0) philox(seed, e / 4, words);
    float draw = (float)(words[e % 4] >> 8) * 0x1p-23f - 1;
    *out++ = mask[e / 8] >> e % 8 & 1 ? draw * scale : 0;
  }
}
