// Blocked matrix multiplication, C[m,n] = epilogue(A[m,k] * B[k,n]), for float and double.
//
// Both operands are seen as `positions` by k: the rows of A, the columns of B. They are packed into panels of `width`
// positions, [k][width], zero-padded: width `mr` for A (broadcast), `nr` for B (vectors). An operand is strided memory,
// an image whose patches are the positions (convolution without an im2col buffer), panels packed beforehand, or a ticket.
#ifndef SWK_GEMM_H
#define SWK_GEMM_H
#include "cpu.h"
#include <stddef.h>
#include <stdint.h>

typedef enum { SWK_F32, SWK_F64, SWK_F16, SWK_BF16, SWK_S8, SWK_U8, SWK_S32 } swk_type;

enum { SWK_SPATIAL = 6 };

/// Patches of an image [channels][in...]: position = output pixel, k = tap * channels + channel.
/// A plane (the product of `in`) has fewer than 2^31 elements.
typedef struct {
  size_t rank, channels;
  int32_t in[SWK_SPATIAL], out[SWK_SPATIAL], kernel[SWK_SPATIAL];
  int32_t stride[SWK_SPATIAL], dilation[SWK_SPATIAL], pad[SWK_SPATIAL];
} swk_patches;

/// One operand. Element (position p, k) of strided memory is data[p * stride + k * k_stride]; with k_inner != 0 it is
/// data[p * stride + (k % k_inner) * k_stride + (k / k_inner) * k_outer_stride].
typedef struct {
  const void *data;
  swk_type type;                ///< of data; packing converts
  ptrdiff_t stride, k_stride;
  size_t k_inner;
  ptrdiff_t k_outer_stride;
  const swk_patches *patches;   ///< not NULL: data is an image; the strides are not read
  size_t depth;                 ///< integer kernels: elements in k, twice what swk_gemm has or one less;
  int32_t zero;                 ///< subtracted from every element,
  const void *zeros;            ///< or, if not NULL, one for each position, of `type`
  const void *packed;           ///< not NULL: panels; nothing else is read
  const struct swk_ticket *ticket;  ///< not NULL: a ticket (float), whose rows are the positions
} swk_operand;

typedef enum {
  SWK_IDENTITY, SWK_RELU, SWK_CLIP, SWK_LEAKY_RELU, SWK_SIGMOID, SWK_TANH, SWK_GELU, SWK_GELU_TANH, SWK_SILU,
  SWK_HARD_SWISH, SWK_HARD_SIGMOID
} swk_activation;

/// c = f(alpha * ab + row_bias[i] + column_bias[j] + beta * residual(i, j)), or, with `residual_last`,
/// c = f(alpha * ab + biases) + beta * residual(i, j). Pointers may be NULL.
/// f: clip(p0, p1), leaky relu(p0), hard sigmoid max(0, min(1, p0 * x + p1)).
typedef struct {
  double alpha, beta;
  const void *row_bias, *column_bias;
  const void *residual;
  ptrdiff_t residual_row, residual_column;
  swk_activation activation;
  double p0, p1;
  bool residual_last;
  const float *row_scales, *column_scales;  ///< integer kernels: if row_scales isn't NULL, the sums become floats, times
                                            ///< these (column_scales may be NULL), and are finished as such
} swk_epilogue;

typedef struct {
  size_t m, n, k;
  swk_operand a, b;
  void *c;
  size_t ldc;
  bool c_transposed;     ///< C(i, j) is c[j * ldc + i] instead of c[i * ldc + j]
  swk_epilogue epilogue;
  size_t mc, nc, kc;     ///< blocks: multiples of mr, of nr; kc as the packed operands have it
} swk_gemm;

typedef struct {
  swk_type type;
  size_t mr, nr, mc, nc, kc;
  /// Packs positions [p0, p0 + count) and k [k0, k0 + kc) into panels.
  void (*pack)(const swk_operand *x, size_t width, size_t p0, size_t count, size_t k0, size_t kc, void *out);
  /// Computes rows [m0, m1) and columns [n0, n1); m0 and n0 are multiples of mr and nr. `scratch` is aligned to 64.
  void (*region)(const swk_gemm *g, size_t m0, size_t m1, size_t n0, size_t n1, void *scratch);
  /// Finishes rows [i0, i0 + rows) and columns [j0, j0 + columns) of a result held at c.
  void (*finish)(const swk_epilogue *e, void *c, size_t ldc, size_t i0, size_t rows, size_t j0, size_t columns);
  /// The reverse of packing patches: adds columns[(channel * taps + tap) * ld + i] to the image's element under the tap
  /// of position p0 + i, for i in [0, count).
  void (*scatter)(const swk_patches *s, const void *columns, size_t ld, size_t p0, size_t count, void *image);
} swk_gemm_table;

/// The kernels of a level; NULL if this processor doesn't have it.
const swk_gemm_table *swk_gemm_f32(swk_level level);
const swk_gemm_table *swk_gemm_f64(swk_level level);
/// Elements of a prepacked operand of the given panel width.
size_t swk_gemm_packed_count(size_t positions, size_t k, size_t width);
/// The block of k for an operand of depth k: equal blocks of at most `largest`.
size_t swk_gemm_block_k(size_t k, size_t largest);
/// Bytes of scratch that one region of at most m rows and n columns needs.
size_t swk_gemm_scratch_bytes(const swk_gemm_table *table, const swk_gemm *g, size_t m, size_t n);
/// Packs a whole operand into `out`, as `packed` wants it.
void swk_gemm_prepack(const swk_gemm_table *table, const swk_operand *x, size_t width, size_t positions, size_t k,
                      size_t kc, void *out);
#endif
