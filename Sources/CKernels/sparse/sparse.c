// Packing of sparse weights, and the choice of a level.
#include "sparse.h"
#include <stdlib.h>
#include <string.h>

extern const swk_sparse_table swk_sparse_f32_plain, swk_sparse_f32_avx2, swk_sparse_f32_avx512;

const swk_sparse_table *swk_sparse_f32(swk_level level) {
  if (level > swk_cpu_get()->level) return NULL;
#if defined(__x86_64__)
  if (level == SWK_AVX512) return &swk_sparse_f32_avx512;
  if (level == SWK_AVX2) return &swk_sparse_f32_avx2;
#endif
  return &swk_sparse_f32_plain;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static int32_t byte_at(const void *data, swk_type type, ptrdiff_t at) {
  return type == SWK_S8 ? ((const int8_t *)data)[at] : ((const uint8_t *)data)[at];
}

static int32_t zero_of(const swk_sparse_source *s, size_t row) {
  return s->zeros ? byte_at(s->zeros, s->type, (ptrdiff_t)row) : s->zero;
}

static bool is_bytes(const swk_sparse_source *s) { return s->type == SWK_S8 || s->type == SWK_U8; }

/// Whether an element is anything but 0 or -0, or the zero point.
static bool is_set(const swk_sparse_source *s, ptrdiff_t at, int32_t zero) {
  if (is_bytes(s)) return byte_at(s->data, s->type, at) != zero;
  if (s->type != SWK_F32) return ((const uint16_t *)s->data)[at] & 0x7fff;
  uint32_t bits;
  memcpy(&bits, (const char *)s->data + at * 4, 4);
  return bits << 1;
}

void swk_sparse_bits(const swk_sparse_source *s, size_t row, size_t k, uint64_t *words) {
  ptrdiff_t at = (ptrdiff_t)row * s->stride;
  int32_t zero = zero_of(s, row);
  for (size_t i = 0; i < k; i += 64) {
    uint64_t word = 0;
    for (size_t b = 0, n = least(64, k - i); b < n; b++, at += s->k_stride) word |= (uint64_t)is_set(s, at, zero) << b;
    words[i / 64] = word;
  }
}

uint64_t swk_sparse_reach(const swk_sparse_source *s, size_t row, size_t k) {
  ptrdiff_t at = (ptrdiff_t)row * s->stride;
  int32_t zero = zero_of(s, row);
  uint64_t sum = 0;
  for (size_t i = 0; i < k; i++, at += s->k_stride) {
    int32_t x = byte_at(s->data, s->type, at) - zero;
    if (x != (int8_t)x) return UINT64_MAX;
    sum += (uint64_t)(x < 0 ? -x : x);
  }
  return sum;
}

/// Widens one element of a float type.
static float element(const swk_sparse_source *s, ptrdiff_t at) {
  float x;
  if (s->type == SWK_F32) {
    memcpy(&x, (const char *)s->data + at * 4, 4);
    return x;
  }
  uint32_t h = ((const uint16_t *)s->data)[at], bits = h << 16;
  if (s->type == SWK_F16) {  // exponent and mantissa in float's places, then 2^112 for the difference of the biases
    const float scale = 0x1p112f;
    bits = (h & 0x7fff) << 13;
    memcpy(&x, &bits, 4);
    x *= scale;
    memcpy(&bits, &x, 4);
    if ((h & 0x7c00) == 0x7c00) bits = 0x7f800000 | (h & 0x3ff) << 13;
    bits |= (h & 0x8000) << 16;
  }
  memcpy(&x, &bits, 4);
  return x;
}

/// A group of rows in one k block: its places, and their number.
typedef struct {
  uint16_t group;
  uint16_t count;
} entry;

static int fewer(const void *a, const void *b) {
  const entry *x = a, *y = b;
  return x->count != y->count ? x->count - y->count : x->group - y->group;
}

typedef struct {
  const swk_sparse_source *s;
  const swk_sparse *w;
  const uint16_t *order;
  size_t first_row, rows, k0, kc;
} part;

/// The place of member i of a group; -1: there is none.
static ptrdiff_t member_at(const part *p, size_t group, size_t i) {
  size_t slot = group * p->w->group + i;
  if (slot >= p->rows) return -1;
  return (ptrdiff_t)(p->first_row + p->order[slot]) * p->s->stride + (ptrdiff_t)p->k0 * p->s->k_stride;
}

/// Finds the places of a group; those of `kc` columns at which any member isn't 0.
static size_t find_places(const part *p, size_t group, uint16_t *places) {
  ptrdiff_t at[8];
  int32_t zeros[8] = {0};
  size_t count = 0;
  for (size_t i = 0; i < p->w->group; i++) {
    at[i] = member_at(p, group, i);
    if (at[i] >= 0) zeros[i] = zero_of(p->s, p->first_row + p->order[group * p->w->group + i]);
  }
  for (size_t k = 0; k < p->kc; k++) {
    bool any = false;
    for (size_t i = 0; i < p->w->group; i++)
      any |= at[i] >= 0 && is_set(p->s, at[i] + (ptrdiff_t)k * p->s->k_stride, zeros[i]);
    places[count] = (uint16_t)k;
    count += any;
  }
  return count;
}

static void write_group(const part *p, size_t group, const uint16_t *places, size_t count, swk_sparse_block *at) {
  const swk_sparse *w = p->w;
  w->counts[at->first_group] = (uint16_t)count;
  memcpy(w->places + at->first_place, places, count * sizeof *places);
  for (size_t i = 0; i < w->group; i++) {
    ptrdiff_t from = member_at(p, group, i);
    uint16_t row = from < 0 ? (uint16_t)p->rows : p->order[group * w->group + i];
    float scale = from < 0 || !p->s->scale ? 1 : p->s->scale[p->first_row + row];
    int32_t zero = from < 0 ? 0 : zero_of(p->s, p->first_row + row);
    w->members[at->first_group * w->group + i] = row;
    for (size_t n = 0; n < count; n++) {
      size_t to = (at->first_place + n) * w->group + i;
      ptrdiff_t source = from + (ptrdiff_t)places[n] * p->s->k_stride;
      if (w->type == SWK_S8) ((int8_t *)w->values)[to] = from < 0 ? 0 : (int8_t)(byte_at(p->s->data, p->s->type, source) - zero);
      else if (w->type == SWK_F16) ((uint16_t *)w->values)[to] = from < 0 ? 0 : ((const uint16_t *)p->s->data)[source];
      else ((float *)w->values)[to] = from < 0 ? 0 : element(p->s, source) * scale;
    }
  }
}

bool swk_sparse_pack(const swk_sparse_source *s, const swk_sparse *w, size_t block, const uint16_t *order,
                     swk_sparse_block *at) {
  size_t blocks = swk_sparse_k_blocks(w), first_row = block * w->block_rows;
  part p = {s, w, order, first_row, least(w->block_rows, w->rows - first_row), 0, 0};
  size_t groups = (p.rows + w->group - 1) / w->group;
  entry *entries = malloc((groups + 1) * sizeof *entries);
  uint16_t *places = malloc((w->block_k + 1) * sizeof *places);
  bool done = entries && places;
  for (size_t b = 0; done && b < blocks; b++) {
    p.k0 = b * w->block_k;
    p.kc = least(w->block_k, w->k - p.k0);
    for (size_t g = 0; g < groups; g++) entries[g] = (entry){(uint16_t)g, (uint16_t)find_places(&p, g, places)};
    qsort(entries, groups, sizeof *entries, fewer);
    if (w->members) w->blocks[block * blocks + b] = *at;
    for (size_t g = 0; g < groups; g++) {
      // Sums begin in the first block and are finished in the last: there every group occurs.
      if (entries[g].count == 0 && b > 0 && b + 1 < blocks) continue;
      if (w->members) write_group(&p, entries[g].group, places, find_places(&p, entries[g].group, places), at);
      at->first_group++;
      at->first_place += entries[g].count;
    }
  }
  if (w->members) w->blocks[(block + 1) * blocks] = *at;
  free(entries);
  free(places);
  return done;
}
