"""Convolutions of all kinds, and Col2Im."""
import numpy as np

from cases import COMMON, FLOATS, NEWEST, family


def geometry(c, d, transposed=False):
  """Spatial attributes of d dimensions and an input size that the kernel fits into."""
  kernel = [c.integer(1, 4) for _ in range(d)]
  strides = [c.integer(1, 3) for _ in range(d)] if c.chance(0.6) else None
  dilations = [c.integer(1, 2) for _ in range(d)] if c.chance(0.4) else None
  size = [(k - 1) * e + c.integer(1, 6) for k, e in zip(kernel, dilations or [1] * d)]
  if transposed:
    size = [c.integer(1, 5) for _ in range(d)]
  attributes = {"strides": strides, "dilations": dilations}
  mode = c.pick(["none", "pads", "pads", "SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"])
  if mode in ("pads", "NOTSET"):
    attributes["pads"] = [c.integer(0, min(2, (k - 1))) for k in kernel * 2]
  if mode not in ("none", "pads"):
    attributes["auto_pad"] = mode
  if c.chance(0.7):
    attributes["kernel_shape"] = kernel
  return kernel, size, attributes


@family(220)
def conv(c):
  d = c.pick([1, 2, 2, 2, 3])
  kernel, size, attributes = geometry(c, d)
  if attributes.get("auto_pad", "").startswith("SAME") and c.chance(0.8):
    attributes["dilations"] = None
  group = c.pick([1, 1, 2, 3])
  depth, m = c.integer(1, 4), group * c.integer(1, 4)
  if c.chance(0.2):
    group = c.integer(2, 18)
    depth, m = 1, group * c.integer(1, 2)
  dtype = c.pick([np.float32] * 5 + [np.float64, np.float16])
  x = c.data([c.integer(0 if c.chance(0.05) else 1, 3), group * depth, *size], dtype, scale=1)
  w = c.data([m, depth, *kernel], dtype, scale=1)
  b = c.data([m], dtype) if c.flag() else None
  c.node("Conv", [x, w, b], group=group if group > 1 or c.flag() else None, since=7, attributes=attributes)


@family(50)
def conv_large(c):
  """Sizes that blocked and vector kernels take on."""
  size = [c.integer(7, 23), c.integer(7, 23)]
  k = c.pick([1, 3, 3, 5, 7])
  p = k // 2 if c.chance(0.7) else 0
  depthwise = c.chance(0.3)
  ch = c.integer(8, 40)
  m = ch if depthwise else c.integer(8, 70)
  group = ch if depthwise else 1
  x, w = c.data([c.integer(1, 2), ch, *size], scale=1), c.data([m, ch // group, k, k], scale=1)
  b = c.data([m]) if c.flag() else None
  c.node("Conv", [x, w, b], group=group, pads=[p] * 4, strides=c.pick([[1, 1], [2, 2], [1, 2], None]),
         dilations=c.pick([None, None, [2, 2]]) if k == 3 else None, since=7, form="node")


@family(160)
def conv_transpose(c):
  d = c.pick([1, 2, 2, 2, 3])
  kernel, size, attributes = geometry(c, d, transposed=True)
  strides = attributes["strides"] or [1] * d
  dilations = attributes["dilations"] or [1] * d
  if attributes.get("auto_pad", "").startswith("SAME"):
    # Outputs have input times stride elements; onnxruntime has fewer where the kernel doesn't reach from one stride to
    # the next.
    attributes["strides"] = strides = [min(s, (k - 1) * e + 1) for s, k, e in zip(strides, kernel, dilations)]
  if c.chance(0.4):
    attributes["output_padding"] = [c.integer(0, max(s, e) - 1) for s, e in zip(strides, dilations)]
  if c.chance(0.2):
    attributes.pop("pads", None)
    attributes["output_shape"] = [(n - 1) * s + c.integer(1, (k - 1) * e + 1) for n, s, k, e in zip(size, strides, kernel, dilations)]
  group = c.pick([1, 1, 2, 3])
  depth, m = c.integer(1, 3), c.integer(1, 3)
  dtype = c.pick([np.float32] * 4 + [np.float64])
  x = c.data([c.integer(1, 2), group * depth, *size], dtype, scale=1)
  w = c.data([group * depth, m, *kernel], dtype, scale=1)
  b = c.data([group * m], dtype) if c.flag() else None
  c.node("ConvTranspose", [x, w, b], group=group if group > 1 else None, since=11, attributes=attributes,
         only="onnxruntime" if group > 1 else None)


def quantized(c, shape, dtype):
  low, high = (0, 255) if dtype == np.uint8 else (-128, 127)
  return c.rng.integers(low, high + 1, shape).astype(dtype)


@family(90)
def conv_integer(c):
  d = c.pick([1, 2, 2, 3])
  kernel, size, attributes = geometry(c, d)
  if attributes.get("auto_pad", "").startswith("SAME"):
    attributes["dilations"] = None
  group = c.pick([1, 1, 2, 3])
  depth, m = c.integer(1, 5), group * c.integer(1, 5)
  xtype, wtype = c.pick([(np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8), (np.int8, np.uint8)])
  x, w = quantized(c, [c.integer(1, 2), group * depth, *size], xtype), quantized(c, [m, depth, *kernel], wtype)
  xz = quantized(c, (), xtype) if c.chance(0.7) else None
  wz = quantized(c, c.pick([(), (m,)]), wtype) if c.chance(0.5) else None
  # The reference evaluator pads with zero before it takes the zero point away.
  c.node("ConvInteger", [x, w, xz, wz], group=group if group > 1 else None, since=10, attributes=attributes,
         only="onnxruntime")


@family(90)
def q_linear_conv(c):
  d = c.pick([1, 2, 2, 3])
  kernel, size, attributes = geometry(c, d)
  if attributes.get("auto_pad", "").startswith("SAME"):
    attributes["dilations"] = None
  group = c.pick([1, 1, 2, 3])
  depth, m = c.integer(1, 5), group * c.integer(1, 5)
  xtype, wtype = c.pick([(np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)])
  x, w = quantized(c, [c.integer(1, 2), group * depth, *size], xtype), quantized(c, [m, depth, *kernel], wtype)
  scale = lambda s=(): np.asarray(c.rng.random(s) * 0.1 + 0.01, np.float32)
  per_channel = c.chance(0.4)
  ws = scale((m,) if per_channel else ())
  wz = np.zeros((m,) if per_channel else (), wtype) if c.flag() or per_channel else quantized(c, (), wtype)
  b = c.rng.integers(-3000, 3000, m).astype(np.int32) if c.flag() else None
  y_scale = np.asarray(scale() * 60, np.float32)
  c.node("QLinearConv", [x, scale(), quantized(c, (), xtype), w, ws, wz, y_scale, quantized(c, (), xtype), b],
         # The reference evaluator has scales for each channel of images of two dimensions only.
         group=group if group > 1 else None, since=10, until=NEWEST if d == 2 or not per_channel else COMMON, attributes=attributes,
         trust="onnxruntime", tolerance=(0, 1))


@family(60)
def deform_conv(c):
  kernel = [c.integer(1, 3), c.integer(1, 3)]
  strides, dilations = [c.integer(1, 2), c.integer(1, 2)], [c.integer(1, 2), c.integer(1, 2)]
  pads = [c.integer(0, 1) for _ in range(4)]
  size = [(k - 1) * e + c.integer(1, 4) for k, e in zip(kernel, dilations)]
  group, offset_group = c.pick([1, 2]), c.pick([1, 2])
  channels, m, n = 2 * c.integer(1, 2), group * c.integer(1, 3), c.integer(1, 2)
  out = [(s + pads[i] + pads[i + 2] - (k - 1) * e - 1) // t + 1 for i, (s, k, e, t) in enumerate(zip(size, kernel, dilations, strides))]
  taps = offset_group * kernel[0] * kernel[1]
  # The reference evaluator has positions in float32 whatever the type is.
  dtype = c.pick([np.float32, np.float32, np.float64])
  x, w = c.data([n, channels, *size], dtype, scale=1), c.data([m, channels // group, *kernel], dtype, scale=1)
  offset = c.data([n, 2 * taps, *out], dtype, scale=c.pick([0.3, 1.5]))
  b = c.data([m], dtype) if c.flag() else None
  mask = c.data([n, taps, *out], dtype, positive=True) if c.flag() else None
  c.node("DeformConv", [x, w, offset, b, mask], strides=strides, dilations=dilations, pads=pads, group=group,
         offset_group=offset_group, kernel_shape=kernel if c.flag() else None, since=19,
         tolerance=None if dtype == np.float32 else (1e-4, 1e-5))


@family(40)
def col2im(c):
  d = c.pick([1, 2, 2, 3])
  block = [c.integer(1, 3) for _ in range(d)]
  strides, dilations = [c.integer(1, 2) for _ in range(d)], [c.integer(1, 2) for _ in range(d)]
  pads = [c.integer(0, 1) for _ in range(2 * d)]
  image = [(k - 1) * e + c.integer(1, 4) for k, e in zip(block, dilations)]
  columns = [(s + pads[i] + pads[i + d] - (k - 1) * e - 1) // t + 1 for i, (s, k, e, t) in enumerate(zip(image, block, dilations, strides))]
  x = c.data([c.integer(1, 2), c.integer(1, 2) * int(np.prod(block)), int(np.prod(columns))], c.pick([*FLOATS[:2], *FLOATS[:2], np.int32, bool, np.complex64]))
  c.node("Col2Im", [x, np.array(image, np.int64), np.array(block, np.int64)], strides=strides, dilations=dilations, pads=pads, since=18)
