"""Pooling over windows, over everything and over regions."""
import numpy as np

from cases import BFLOAT16, FLOATS, family


def window(c, d):
  kernel = [c.integer(1, 4) for _ in range(d)]
  strides = [c.integer(1, 3) for _ in range(d)] if c.chance(0.7) else None
  dilations = [c.integer(1, 2) for _ in range(d)] if c.chance(0.4) else None
  size = [(k - 1) * e + c.integer(1, 7) for k, e in zip(kernel, dilations or [1] * d)]
  attributes = {"kernel_shape": kernel, "strides": strides, "dilations": dilations}
  mode = c.pick(["none", "pads", "pads", "SAME_UPPER", "SAME_LOWER", "VALID"])
  if mode == "pads":
    attributes["pads"] = [c.integer(0, k // 2) for k in kernel * 2]
  elif mode != "none":
    attributes["auto_pad"] = mode
  if c.chance(0.5) and mode in ("none", "pads"):
    attributes["ceil_mode"] = c.flag()
  return size, attributes


def since_of(attributes, dilated):
  since = 10 if attributes.get("ceil_mode") is not None or attributes["dilations"] else 8
  return max(since, dilated) if attributes["dilations"] else since


@family(160)
def max_pool(c):
  d = c.pick([1, 2, 2, 3])
  size, attributes = window(c, d)
  dtype = c.pick([np.float32] * 4 + [np.float64, np.float16, np.int8, np.uint8])
  shape = [c.integer(1, 2), c.integer(1, 3), *size]
  # With indices an element may stand in a window twice only if no other is as large.
  x = c.distinct(shape, np.float32) if dtype in FLOATS else c.rng.integers(0, 120, shape)
  outputs = c.pick([1, 2])
  order = c.flag() if outputs == 2 else None
  since = since_of(attributes, 10)
  c.node("MaxPool", [x.astype(dtype)], outputs=outputs if dtype in FLOATS else 1, storage_order=order if dtype in FLOATS else None,
         since=12 if dtype in (np.int8, np.uint8) else since, attributes=attributes)


@family(30)
def max_pool_nan(c):
  """A NaN in the window is its maximum: onnxruntime drops it, the reference evaluator too; the specification's Max doesn't."""
  n, k = c.integer(3, 12), c.integer(1, 3)
  x = c.data([1, 2, n, 9])
  x.flat[c.integer(0, x.size - 1)] = np.nan
  s = c.integer(1, 2)
  windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), (2, 3))[:, :, ::s, ::s]
  c.node("MaxPool", [x], kernel_shape=[k, k], strides=[s, s], since=8, expect=[windows.max((-1, -2))], form="node")


@family(140)
def average_pool(c):
  d = c.pick([1, 2, 2, 3])
  size, attributes = window(c, d)
  dtype = c.pick([np.float32] * 4 + [np.float64, np.float16])
  since = since_of(attributes, 19)
  if attributes.get("auto_pad", "").startswith("SAME"):
    attributes["dilations"] = None
  c.node("AveragePool", [c.data([c.integer(1, 2), c.integer(1, 3), *size], dtype)], since=since,
         count_include_pad=c.flag() if c.flag() else None, attributes=attributes)


@family(90)
def lp_pool(c):
  d = c.pick([1, 2, 2, 3])
  size, attributes = window(c, d)
  since = 18 if attributes.get("ceil_mode") is not None or attributes["dilations"] else 11
  dtype = c.pick([np.float32] * 3 + [np.float64])
  c.node("LpPool", [c.data([c.integer(1, 2), c.integer(1, 3), *size], dtype)], since=since, p=c.pick([1, 2, 3, None]), attributes=attributes)


@family(60)
def global_pool(c):
  op = c.pick(["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
  x = c.data(c.shape(3, 5, zero=0), c.pick(FLOATS))
  c.node(op, [x], since=7, p=c.pick([1, 2, 3, None]) if op == "GlobalLpPool" else None)


@family(50)
def max_unpool(c):
  kernel, strides = [c.integer(1, 3), c.integer(1, 3)], [c.integer(1, 3), c.integer(1, 3)]
  x = c.distinct([c.integer(1, 2), c.integer(1, 2), c.integer(1, 4), c.integer(1, 4)]).astype(np.float32)
  full = [(n - 1) * s + k for n, s, k in zip(x.shape[2:], strides, kernel)]
  area = int(np.prod(full))
  planes = x.shape[0] * x.shape[1]
  at = np.stack([c.rng.permutation(area)[: x[0, 0].size] + p * area for p in range(planes)]).reshape(x.shape).astype(np.int64)
  shape = None
  if c.chance(0.4):
    shape = np.array([*x.shape[:2], full[0] + c.integer(0, 2), full[1] + c.integer(0, 2)], np.int64)
  c.node("MaxUnpool", [x, at, shape], kernel_shape=kernel, strides=strides if c.chance(0.8) or strides != [1, 1] else None, since=11)


@family(60)
def roi_align(c):
  x = c.data([c.integer(1, 3), c.integer(1, 3), c.integer(3, 9), c.integer(3, 9)], c.pick([np.float32, np.float64]))
  n = c.integer(1, 4)
  corner = c.rng.random((n, 2)) * 8
  rois = np.concatenate([corner, corner + c.rng.random((n, 2)) * 8], 1).astype(x.dtype)
  batch = c.rng.integers(0, x.shape[0], n).astype(np.int64)
  mode = c.pick(["half_pixel", "output_half_pixel", None])
  c.node("RoiAlign", [x, rois, batch], mode=c.pick(["avg", "max"]), output_height=c.integer(1, 4), output_width=c.integer(1, 4),
         sampling_ratio=c.integer(0, 3), spatial_scale=c.pick([1.0, 0.5]), since=16 if mode else 10, coordinate_transformation_mode=mode)


@family(30)
def max_roi_pool(c):
  x = c.data([c.integer(1, 3), c.integer(1, 3), 8, 9])
  n = c.integer(1, 4)
  corner = c.rng.integers(0, 5, (n, 2))
  rois = np.concatenate([c.rng.integers(0, x.shape[0], (n, 1)), corner, corner + c.rng.integers(0, 5, (n, 2))], 1).astype(np.float32)
  c.node("MaxRoiPool", [x, rois], pooled_shape=[c.integer(1, 3), c.integer(1, 3)], spatial_scale=c.pick([1.0, 0.5]), since=7)
