"""Pooling over windows, over everything and over regions."""
import numpy as np

import oracles
from cases import FLOATS, family


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


# onnxruntime lacks element types and versions, and the reference evaluator is wrong about ceil_mode, dilations and
# one-sided padding.


@family(160)
def max_pool(c):
  d = c.pick([1, 2, 2, 3])
  size, attributes = window(c, d)
  dtype = c.pick([np.float32] * 4 + [np.float64, np.float16, np.int8, np.uint8])
  shape = [c.integer(1, 2), c.integer(1, 3), *size]
  x = (c.distinct(shape) if dtype in FLOATS else c.rng.integers(0, 120, shape)).astype(dtype)
  if dtype in FLOATS and c.chance(0.1):
    # The maximum of a window with a NaN is NaN.
    x.flat[c.integer(0, x.size - 1)] = np.nan
  with_indices = dtype in (np.float32, np.float64) and not np.isnan(x).any() and c.flag()
  attributes["storage_order"] = c.flag() if with_indices else None
  expect = oracles.pool("MaxPool", x, attributes)[: 2 if with_indices else 1]
  since = 12 if dtype in (np.int8, np.uint8) else since_of(attributes, 10)
  c.node("MaxPool", [x], outputs=len(expect), since=since, attributes=attributes, expect=expect)


@family(140)
def average_pool(c):
  d = c.pick([1, 2, 2, 3])
  size, attributes = window(c, d)
  x = c.data([c.integer(1, 2), c.integer(1, 3), *size], c.pick([np.float32] * 4 + [np.float64, np.float16]))
  attributes["count_include_pad"] = c.flag() if c.flag() else None
  c.node("AveragePool", [x], since=since_of(attributes, 19), attributes=attributes, expect=oracles.pool("AveragePool", x, attributes)[:1])


@family(90)
def lp_pool(c):
  d = c.pick([1, 2, 2, 3])
  size, attributes = window(c, d)
  since = 18 if attributes.get("ceil_mode") is not None or attributes["dilations"] else 11
  x = c.data([c.integer(1, 2), c.integer(1, 3), *size], c.pick([np.float32] * 3 + [np.float64]))
  attributes["p"] = c.pick([1, 2, 3, None])
  c.node("LpPool", [x], since=since, attributes=attributes, expect=oracles.pool("LpPool", x, attributes)[:1])


@family(40)
def pools_of_onnxruntime(c):
  """What the oracle expects is what onnxruntime gives, where it can run it."""
  d = c.pick([1, 2, 2, 3])
  size, attributes = window(c, d)
  op = c.pick(["MaxPool", "AveragePool", "LpPool"])
  if "auto_pad" in attributes:
    attributes["dilations"] = None
  since = 18 if op == "LpPool" else since_of(attributes, 19)
  c.node(op, [c.data([1, c.integer(1, 3), *size])], since=since, until=22, attributes=attributes, only="onnxruntime", form="node")


@family(60)
def global_pool(c):
  op = c.pick(["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
  x = c.data(c.shape(3, 5, zero=0), c.pick(FLOATS))
  p = c.pick([1, 2, 3, None]) if op == "GlobalLpPool" else None
  axes, wide = tuple(range(2, x.ndim)), x.astype(np.float64)
  y = wide.mean(axes, keepdims=True) if op == "GlobalAveragePool" else wide.max(axes, keepdims=True)
  if op == "GlobalLpPool":
    y = (np.abs(wide) ** (p or 2)).sum(axes, keepdims=True) ** (1 / (p or 2))
  c.node(op, [x], since=7, p=p, expect=[y.astype(x.dtype)])


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
  # Positions are those in the image that the kernel tells, as the suite has it; onnxruntime takes them in the given
  # shape.
  c.node("MaxUnpool", [x, at, shape], loops=shape is None, kernel_shape=kernel, strides=strides if c.chance(0.8) or strides != [1, 1] else None, since=11)


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
