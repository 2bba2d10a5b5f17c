// Products with sparse weights, C[m,n] = epilogue(W[m,k] * X[k,n]) for float: W is mostly zero and stands on the left,
// its rows are output channels; X is dense, its columns are the positions. Products of 8-bit integers are exact in float as
// long as no sum reaches 2^24 (swk_sparse_reach).
#ifndef SWK_SPARSE_H
#define SWK_SPARSE_H
#include "gemm.h"

/// Where the numbers of one block of weights begin.
typedef struct {
  uint64_t first_group, first_place;
} swk_sparse_block;

/// Packed weights. A group of `group` (1, 4 or 8) rows has its places (columns with a nonzero in any) in common.
/// Groups are kept for each block of `block_rows` rows and `block_k` columns, those with few places first.
typedef struct swk_sparse {
  size_t rows, k, group, block_rows, block_k;
  swk_sparse_block *blocks;  ///< [row block][k block], and one past the end
  uint16_t *members;         ///< the rows of each group, within the block; one past its last row: none
  uint16_t *counts;          ///< places of each group
  uint16_t *places;          ///< columns within the block, ascending
  void *values;              ///< [place][row of the group]
  swk_type type;             ///< of the values: SWK_F32, SWK_F16 or SWK_S8
  /// Not NULL: each row block is made of it when it is needed, and nothing is kept here. Groups are single rows then.
  const struct swk_ticket *ticket;
  size_t most_places;        ///< of a ticket: places of a row block at most
  size_t taps;               ///< of a ticket: a block of columns has block_k / taps channels of all taps; 1: a piece of k
} swk_sparse;

/// The largest blocks that are made of tickets. Their block_k / taps is a multiple of 32, and, with taps > 1, divides the
/// channels.
enum { SWK_TICKET_BLOCK_ROWS = 256, SWK_TICKET_BLOCK_K = 512 };

/// X is strided memory or an image's patches (`data`, `stride`, `k_stride`, `patches`; k = channel * taps + tap). With
/// `c_transposed` C(i, j) is c[j * ldc + i], and the epilogue's rows are the positions, its columns the weights' rows.
typedef struct {
  const swk_sparse *weights;
  swk_operand x;
  size_t n;
  float *c;  ///< of int32 if the weights' values are SWK_S8, which have no epilogue
  size_t ldc;
  bool c_transposed;
  swk_epilogue epilogue;
} swk_sparse_product;

typedef struct {
  /// Positions of one pass over the weights, for groups of 1, 4 and 8.
  size_t (*tile)(size_t group);
  /// Computes the row blocks [b0, b1) at positions [n0, n1); of an image: at rows [n0, n1) of the outermost dimension.
  void (*region)(const swk_sparse_product *p, size_t b0, size_t b1, size_t n0, size_t n1, void *scratch);
  /// Bytes of scratch, aligned to 64, for a region of at most n positions or outermost rows; 0: too many.
  size_t (*scratch_bytes)(const swk_sparse_product *p, size_t n);
} swk_sparse_table;

/// The kernels of a level; NULL if this processor doesn't have it.
const swk_sparse_table *swk_sparse_f32(swk_level level);

/// The number of k blocks; at least 1.
static inline size_t swk_sparse_k_blocks(const swk_sparse *w) {
  return w->k == 0 ? 1 : (w->k + w->block_k - 1) / w->block_k;
}

/// Dense weights to be packed: element (row, k) is data[row * stride + k * k_stride] times scale[row]; of 8-bit integers,
/// less the row's zero point.
typedef struct {
  const void *data;
  swk_type type;         ///< SWK_F32, SWK_F16 or SWK_BF16; SWK_S8 or SWK_U8
  ptrdiff_t stride, k_stride;
  const float *scale;    ///< NULL: 1
  int32_t zero;
  const void *zeros;     ///< one of the same type for each row; NULL: all have `zero`
} swk_sparse_source;

/// Writes a bit for each k of a row, set where the element isn't 0, into (k + 63) / 64 words.
void swk_sparse_bits(const swk_sparse_source *s, size_t row, size_t k, uint64_t *words);

/// The sum of a row's absolute values, of 8-bit integers; UINT64_MAX if one less its zero point is beyond 8 bits.
uint64_t swk_sparse_reach(const swk_sparse_source *s, size_t row, size_t k);

/// Packs row block `block`, whose rows (less the block's first) `order` has as they are to be grouped, from place `*at`
/// on, which is moved on. Sets the entries of w->blocks. With w->members NULL it only counts. False: no memory.
bool swk_sparse_pack(const swk_sparse_source *s, const swk_sparse *w, size_t block, const uint16_t *order,
                     swk_sparse_block *at);
#endif
