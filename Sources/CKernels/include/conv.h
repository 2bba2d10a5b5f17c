// Convolutions that aren't plain matrix products: depthwise ones, and 3x3 ones by Winograd's minimal filtering.
#ifndef SWK_CONV_H
#define SWK_CONV_H
#include "gemm.h"

/// A depthwise convolution of planes: heights, widths, kernel, strides, dilations, pads before.
typedef struct {
  int32_t in_h, in_w, out_h, out_w, kernel_h, kernel_w;
  int32_t stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
} swk_depthwise;

typedef struct {
  /// Convolves each of `inputs` planes with `multiplier` kernels of its own, [inputs * multiplier][kernel_h][kernel_w],
  /// into inputs * multiplier planes; the first one is row `channel` of the epilogue, whose columns are pixels.
  void (*planes)(const swk_depthwise *s, const float *x, const float *weights, size_t inputs, size_t multiplier,
                 float *y, const swk_epilogue *epilogue, size_t channel, void *scratch);
  /// Bytes of scratch, aligned to 64, for one call of `planes`.
  size_t (*scratch_bytes)(const swk_depthwise *s);
} swk_depthwise_table;

/// The kernels of a level; NULL if this processor doesn't have it.
const swk_depthwise_table *swk_depthwise_f32(swk_level level);

/// A 3x3 convolution of stride 1: heights, widths, pads before, channels.
typedef struct {
  int32_t in_h, in_w, out_h, out_w, pad_h, pad_w;
  size_t in_channels, out_channels;
  const struct swk_ticket *ticket;  ///< not NULL: the weights, some channels of which are transformed for each block
} swk_winograd;

/// F(4x4, 3x3): a quarter of the multiplications, four times the weights' memory, errors about ten times those of
/// plain sums.
typedef struct {
  size_t most_channels;  ///< input channels that can be done
  /// Floats of transformed weights.
  size_t (*weights_count)(size_t in_channels, size_t out_channels);
  /// Transforms weights [out_channels][in_channels][3][3].
  void (*transform)(const float *weights, size_t in_channels, size_t out_channels, float *out);
  /// An image is made in this many independent blocks.
  size_t (*block_count)(const swk_winograd *s);
  /// Bytes of scratch, aligned to 64, for one block.
  size_t (*scratch_bytes)(const swk_winograd *s);
  /// Makes one block of y [out_channels][out_h][out_w]; the epilogue's rows are channels, its columns pixels.
  void (*block)(const swk_winograd *s, const float *x, const float *weights, float *y, const swk_epilogue *epilogue,
                size_t index, void *scratch);
} swk_winograd_table;

/// The kernels of a level; NULL if this processor doesn't have it.
const swk_winograd_table *swk_winograd_f32(swk_level level);
#endif
