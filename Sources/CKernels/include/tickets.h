// Strong tickets (docs/ticket-format.md): weights that are a mask, a seed and a magnitude, or several of these masks.
// What isn't kept is 0; signs are made again from the seed where they are needed.
#ifndef SWK_TICKETS_H
#define SWK_TICKETS_H
#include "cpu.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct swk_sparse;

/// Rows that are kept together; magnitudes of one ticket at most (4 planes).
enum { SWK_TICKET_ROWS = 16, SWK_TICKET_COATS = 15 };

/// A packed ticket: a matrix, whose columns a convolution's weights have in the order tap * channels + channel. Bit i of
/// a word is column 32 * word + i. Bits of rows and columns that don't exist are 0.
typedef struct swk_ticket {
  size_t rows, columns, words;  ///< words of a row: columns / 32, rounded up
  size_t coats;                 ///< masks; no element is in two of them
  float magnitudes[SWK_TICKET_COATS];
  uint32_t *masks;              ///< [coat][row block][word][row of the block], aligned to 64
  uint32_t *signs;              ///< like one mask, 1 is minus; NULL: they come of the seed
  float *scales;                ///< a factor for each row, padded to whole row blocks; NULL: 1
  uint32_t low, high;           ///< the mixed seed
} swk_ticket;

/// Words of one mask of a packed ticket.
static inline size_t swk_ticket_words(const swk_ticket *t) {
  return (t->rows + SWK_TICKET_ROWS - 1) / SWK_TICKET_ROWS * SWK_TICKET_ROWS * t->words;
}

/// What the words of a block of signs are multiplied with.
static const uint32_t swk_ticket_factors[8] = {0xda12f9ab, 0x875a1c87, 0xf272a923, 0xbbd017e7,
                                               0xb4fb3971, 0x3d99ab15, 0x2e24e747, 0x03e8e4f1};

/// Sets low and high.
void swk_ticket_seed(swk_ticket *t, uint64_t seed);

/// Bits as a file has them: bit e of a plane is element e of [rows][channels][taps], or, `transposed`, of [columns][rows],
/// `bytes` bytes a plane.
typedef struct {
  const uint8_t *planes;
  size_t bytes, count, taps;
  bool transposed;
} swk_ticket_bits;

/// Writes where `code` stands (bit p: plane p) as rows [r0, r1) of one mask of a packed ticket; r0 is a multiple of
/// SWK_TICKET_ROWS, and so is r1, or it is the last.
void swk_ticket_pack(const swk_ticket *t, const swk_ticket_bits *bits, unsigned code, size_t r0, size_t r1,
                     uint32_t *mask);

/// Writes the seed's signs, in the place of stored ones, for such rows of a ticket whose rows are the file's columns.
void swk_ticket_transposed_signs(const swk_ticket *t, size_t r0, size_t r1, uint32_t *signs);

/// Writes elements [first, first + count) of a tensor, all of the draw: ((word >> 8) * 2^-23 - 1) * scale where the mask
/// has a bit, 0 elsewhere.
void swk_ticket_uniform(uint64_t seed, const uint8_t *mask, float scale, size_t first, size_t count, float *out);

typedef struct {
  size_t rows;    ///< the rows that `sums` likes to take at a time; any multiple of SWK_TICKET_ROWS will do
  size_t lookup;  ///< floats of `tables` for 32 columns
  size_t vectors; ///< up to so many vectors `sums` is faster than a blocked product with panels
  /// Writes the tables of x, whose length is `columns`: lookup floats for 32 columns of whole blocks of 256, aligned to
  /// 64.
  void (*tables)(const float *x, ptrdiff_t stride, size_t columns, float *tables);
  /// y[r - r0] = the product of row r with the vector of the tables, for rows [r0, r1); r0 is a multiple of
  /// SWK_TICKET_ROWS.
  void (*sums)(const swk_ticket *t, const float *tables, size_t r0, size_t r1, float *y);
  /// Writes floats [k][width] for k in [k0, k0 + kc): element (i, k) is row p0 + i, column k. From i = `count` on it is 0.
  void (*panel)(const swk_ticket *t, size_t width, size_t p0, size_t count, size_t k0, size_t kc, float *out);
  /// Writes rows [r0, r0 + rows) as a block of sparse weights, with its places for each block of out->block_k columns;
  /// r0 is a multiple of SWK_TICKET_ROWS. There is room for a vector (64 bytes of values) behind the last place.
  void (*block)(const swk_ticket *t, size_t r0, size_t rows, const struct swk_sparse *out);
} swk_ticket_table;

/// The kernels of a level; NULL if this processor doesn't have it.
const swk_ticket_table *swk_ticket_f32(swk_level level);
/// The same for vectors rounded to 6 bits with a scale for 256 columns; NULL: not at this level, or on this processor.
const swk_ticket_table *swk_ticket_s6(swk_level level);
#endif
