"""Shapes and movement: reshaping, slicing, joining, gathering, scattering, padding, filling."""
import numpy as np
from onnx import TensorProto, helper

from cases import ANY, COMMON, FLOATS, INTS, NARROW, NEWEST, family, i64

MOVED = [np.float32, np.int64, np.float16, bool, object, np.float64, np.uint8, np.complex64]


@family(60)
def reshape(c):
  x = c.data(c.shape(0, 5, zero=0.15), c.pick(MOVED))
  target = [x.shape[i] for i in c.permutation(x.ndim)]
  zero_allowed = None
  if 0 in target:
    zero_allowed = 1
  elif target and c.chance(0.6):
    target[c.integer(0, len(target) - 1)] = -1
  elif x.ndim and c.chance(0.5):
    target = [0 if k < 2 and c.flag() else d for k, d in enumerate(x.shape)]
  if x.size and c.chance(0.2):
    target = [1, -1, 1]
  c.node("Reshape", [x, np.array(target, np.int64)], since=14 if zero_allowed else 5, allowzero=zero_allowed)


@family(50)
def squeeze(c):
  dtype = c.pick(MOVED)
  s = tuple(1 if c.chance(0.5) else d for d in c.shape(0, 5))
  ones = [i - (len(s) if c.chance(0.4) else 0) for i, d in enumerate(s) if d == 1]
  if c.chance(0.3):
    c.node("Squeeze", [c.data(s, dtype)], since=7, until=12, axes=[a % len(s) for a in ones] or None)
  else:
    c.node("Squeeze", [c.data(s, dtype), i64(*ones) if ones and c.chance(0.7) else None], since=13)


@family(50)
def unsqueeze(c):
  s, n = c.shape(), c.integer(1, 3)
  rank = len(s) + n
  axes = [a - rank if c.chance(0.4) else a for a in c.permutation(rank)[:n]]
  if c.chance(0.3):
    c.node("Unsqueeze", [c.data(s, c.pick(MOVED))], since=7, until=10, axes=sorted(a % rank for a in axes))
  else:
    c.node("Unsqueeze", [c.data(s, c.pick(MOVED)), i64(*axes)], since=13)


@family(60)
def describe(c):
  x = c.data(c.shape(0, 6, zero=0.1), c.pick(MOVED))
  op = c.pick(["Shape", "Size", "Flatten"])
  if op == "Flatten":
    c.node(op, [x], since=11, axis=c.integer(-x.ndim, x.ndim))
  elif op == "Shape" and c.chance(0.8):
    start, end = (c.integer(-6, 6) if c.flag() else None for _ in range(2))
    # The reference evaluator counts an end below 0 from the end once more.
    low, high = (min(max(v + x.ndim if v < 0 else v, 0), x.ndim) for v in (start or 0, x.ndim if end is None else end))
    c.node(op, [x], since=15, start=start, end=end, expect=[i64(*x.shape[low:high])])
  else:
    c.node(op, [x], since=7)


@family(60)
def transpose(c):
  x = c.data(c.shape(0, 6), c.pick(MOVED + NARROW))
  perm = c.permutation(x.ndim) if x.ndim and c.chance(0.8) else None
  c.node("Transpose", [x], since=21 if x.dtype.kind == "V" else 7, perm=perm)


@family(60)
def expand(c):
  s = tuple(1 if c.chance(0.4) else d for d in c.shape(0, 5))
  target = [c.integer(0 if c.chance(0.1) else 1, 4) if d == 1 else c.pick([1, d]) for d in s]
  target = [2] * c.flag() + target[len(target) if c.chance(0.1) else 0:]
  c.node("Expand", [c.data(s, c.pick(MOVED)), np.array(target, np.int64)], since=8)


@family(50)
def tile(c):
  s = c.shape(0, 5)
  repeats = [c.integer(0 if c.chance(0.1) else 1, 3) for _ in s]
  c.node("Tile", [c.data(s, c.pick(MOVED)), np.array(repeats, np.int64)], since=7)


@family(60)
def concat(c):
  s, dtype = c.shape(1, 5), c.pick(MOVED)
  axis = c.axis(len(s))
  parts = []
  for _ in range(c.integer(1, 4)):
    t = list(s)
    t[axis] = c.integer(0, 4)
    parts.append(c.data(t, dtype))
  c.node("Concat", parts, axis=axis, since=11)


@family(70)
def split(c):
  t = list(c.shape(1, 5))
  dtype, axis, n = c.pick(MOVED), c.axis(len(t)), c.integer(1, 4)
  cuts = [c.integer(0, 4) for _ in range(n)]
  if c.chance(0.3):
    t[axis] = sum(cuts)
    c.node("Split", [c.data(t, dtype)], outputs=n, axis=axis, since=11, until=12, split=cuts)
  elif c.chance(0.5):
    t[axis] = sum(cuts)
    c.node("Split", [c.data(t, dtype), i64(*cuts)], outputs=n, axis=axis, since=13)
  else:
    t[axis] = c.integer(n, 3 * n)
    even = -(-t[axis] // n)
    if even * (n - 1) > t[axis]:
      t[axis] = n * even
    c.node("Split", [c.data(t, dtype)], outputs=n, axis=axis, num_outputs=n, since=18)


@family(120)
def slice_(c):
  s = c.shape(1, 5)
  axes = c.axes(len(s))
  starts = [c.integer(-7, 7) for _ in axes]
  ends = [c.pick([c.integer(-7, 7), 2**63 - 1, 1 - 2**63]) for _ in axes]
  steps = [c.pick([1, 1, 2, 3, -1, -2]) for _ in axes]
  # A start before all there is: the specification clamps it to the first element, NumPy leaves nothing.
  starts = [max(b, -s[a]) if t < 0 else b for a, b, t in zip(axes, starts, steps)]
  x = c.data(s, c.pick(MOVED))
  if c.chance(0.2):
    ends = [max(min(e, 2**31), -(2**31)) for e in ends]
    c.node("Slice", [x], since=7, until=9, starts=starts, ends=ends, axes=[a % len(s) for a in axes])
    return
  index = c.pick([np.int64, np.int64, np.int32])
  limits = np.iinfo(index)
  clip = lambda v: np.clip(np.array(v, object), limits.min + 1, limits.max).astype(index)
  inputs = [x, clip(starts), clip(ends), clip(axes), clip(steps)]
  # onnxruntime makes something of a largest end with a negative step, where there is nothing.
  c.node("Slice", inputs[: 4 if c.chance(0.2) else 5], since=10 if min(axes) >= 0 else 11, loops=False)


@family(120)
def pad(c):
  s = c.shape(1, 5, zero=0)
  mode = c.pick(["constant", "edge", "reflect", "wrap"])
  x = c.data(s, c.pick([np.float32, np.float64, np.int32, np.int64, np.uint8, np.float16]))
  axes = c.axes(len(s))
  limit = {"reflect": lambda d: d - 1, "wrap": lambda d: d}.get(mode, lambda d: 3)
  if mode == "constant":
    pads = [c.integer(-(s[a] // 2), 3) for a in axes * 2]
  else:
    pads = [c.integer(0, limit(s[a])) for a in axes * 2]
  value = np.array(3, x.dtype) if mode == "constant" and c.chance(0.6) else None
  full = [0] * (2 * len(s))
  for i, a in enumerate(axes):
    full[a % len(s)], full[a % len(s) + len(s)] = pads[i], pads[i + len(axes)]
  if c.chance(0.15) and mode != "wrap" and x.dtype.kind == "f":
    c.node("Pad", [x], since=7, until=10, pads=full, mode=mode, value=1.5 if mode == "constant" else None)
  elif c.chance(0.3):
    c.node("Pad", [x, i64(*full), value], since=19 if mode == "wrap" else 13, mode=mode)
  else:
    c.node("Pad", [x, i64(*pads), value, np.array(axes, c.pick([np.int32, np.int64]))], since=19, mode=mode)


@family(60)
def gather(c):
  s = c.shape(1, 5, zero=0)
  axis = c.axis(len(s))
  at = c.rng.integers(-s[axis], s[axis], c.shape(0, 3, zero=0.1)).astype(c.pick([np.int32, np.int64]))
  c.node("Gather", [c.data(s, c.pick(MOVED)), at], axis=axis, since=11)


@family(40)
def gather_elements(c):
  s = c.shape(1, 5, zero=0)
  axis = c.axis(len(s))
  t = [c.integer(1, d) for d in s]
  t[axis] = c.integer(1, 6)
  at = c.rng.integers(-s[axis], s[axis], t).astype(c.pick([np.int32, np.int64]))
  c.node("GatherElements", [c.data(s, c.pick(MOVED)), at], axis=axis, since=11)


@family(40)
def gather_nd(c):
  s = c.shape(1, 5, zero=0)
  batch = c.integer(0, len(s) - 1)
  depth = c.integer(1, len(s) - batch)
  t = s[:batch] + c.shape(0, 2, zero=0)
  at = np.stack([c.rng.integers(-s[batch + k], s[batch + k], t) for k in range(depth)], -1).astype(np.int64)
  c.node("GatherND", [c.data(s, c.pick(MOVED)), at], batch_dims=batch, since=12)


def indices(c, s, axis, count):
  """Different indices along the axis for each line."""
  t = [c.integer(1, d) for d in s]
  t[axis] = count
  lines = int(np.prod(t)) // count
  at = np.stack([c.rng.permutation(s[axis])[:count] for _ in range(lines)]).reshape([t[i] for i in range(len(s)) if i != axis % len(s)] + [count])
  return np.moveaxis(at, -1, axis), tuple(t)


@family(80)
def scatter_elements(c):
  s = c.shape(1, 4, zero=0)
  axis = c.axis(len(s))
  reduction = c.pick(["none", "add", "mul", "max", "min"])
  dtype = c.pick([np.float32, np.int64, np.int32, np.float64] + ([np.uint8, object] if reduction == "none" else []))
  at, t = indices(c, s, axis, c.integer(1, s[axis]))
  if reduction != "none":
    at = c.rng.integers(-s[axis], s[axis], t)
  else:
    at = np.where(c.data(t, bool), at, at - s[axis])
  at = at.astype(c.pick([np.int32, np.int64]))
  inputs = [c.data(s, dtype), at, c.data(t, dtype)]
  if reduction == "none" and c.chance(0.3):
    c.node("Scatter", [inputs[0], at % s[axis], inputs[2]], since=9, until=10, axis=axis % len(s))
  else:
    since = 11 if reduction == "none" else 18
    c.node("ScatterElements", inputs, axis=axis, reduction=reduction if since == 18 else None, since=since)


@family(30)
def many_indices(c):
  """More of them than are looked at together, in lines that end anywhere."""
  s = c.pick([(1500,), (3, 700), (700, 3), (2, 40, 30)])
  axis = c.axis(len(s))
  t = list(s)
  t[axis] = c.integer(1, 2 * s[axis])
  at = c.rng.integers(-s[axis], s[axis], t).astype(c.pick([np.int32, np.int64]))
  if c.flag():
    c.node("GatherElements", [c.data(s, c.pick(MOVED)), at], axis=axis, since=11)
  else:
    dtype = c.pick([np.float32, np.int64, np.int32, np.float64])
    c.node("ScatterElements", [c.data(s, dtype), at, c.data(t, dtype)], axis=axis, reduction=c.pick(["add", "max", "min"]), since=18)


@family(60)
def scatter_nd(c):
  s = c.shape(1, 4, zero=0)
  depth = c.integer(1, len(s))
  reduction = c.pick(["none", "add", "mul", "max", "min"])
  dtype = c.pick([np.float32, np.int64, np.int32, np.float64])
  if reduction == "none":
    all_places = np.stack(np.unravel_index(c.rng.permutation(int(np.prod(s[:depth]))), s[:depth]), -1)
    at = all_places[: c.integer(1, len(all_places))]
  else:
    t = c.shape(0, 2, zero=0)
    at = np.stack([c.rng.integers(-s[k], s[k], t) for k in range(depth)], -1)
  at = at.astype(np.int64)
  since = 11 if reduction == "none" else 18
  c.node("ScatterND", [c.data(s, dtype), at, c.data(at.shape[:-1] + s[depth:], dtype)],
         reduction=reduction if since == 18 else None, since=since)


@family(40)
def one_hot(c):
  depth, t = c.integer(1, 6), c.shape(0, 4)
  at = c.rng.integers(-depth - 1, depth + 2, t).astype(c.pick([np.int64, np.int32, np.float32]))
  values = np.array([2, 5], c.pick([np.float32, np.int64, np.int32]))
  c.node("OneHot", [at, np.array(depth if c.flag() else [depth], c.pick([np.int64, np.float32])), values],
         axis=c.integer(-len(t) - 1, len(t)) if c.chance(0.8) else None, since=11)


@family(30)
def compress(c):
  x = c.data(c.shape(1, 4, zero=0), c.pick(MOVED))
  axis = c.axis(x.ndim) if c.flag() else None
  n = x.size if axis is None else x.shape[axis]
  c.node("Compress", [x, c.data((c.integer(1, n),), bool)], axis=axis, since=9 if axis is None or axis >= 0 else 11)


@family(20)
def reverse_sequence(c):
  s = c.shape(2, 4, zero=0)
  time = c.flag()
  lengths = c.rng.integers(1, s[time] + 1, s[1 - time]).astype(np.int64)
  c.node("ReverseSequence", [c.data(s, c.pick(MOVED)), lengths], time_axis=time, batch_axis=1 - time, since=10)


@family(30)
def range_(c):
  dtype = c.pick([np.float32, np.int64, np.int32, np.float64, np.int16])
  c.node("Range", [np.array(v, dtype) for v in (c.integer(-5, 5), c.integer(-9, 9), c.pick([1, 2, -1, 3]))], since=11)


@family(30)
def constant_of_shape(c):
  value = c.pick([(TensorProto.FLOAT, [2.5]), (TensorProto.INT64, [7]), (TensorProto.BOOL, [1]), (TensorProto.FLOAT16, [1.5]), None])
  value = value and helper.make_tensor("", value[0], [1], value[1])
  c.node("ConstantOfShape", [np.array(c.shape(0, 4, zero=0.2), np.int64)], value=value, since=9)


@family(30)
def constant(c):
  x = c.data(c.shape(), c.pick([np.float32, np.int64, object, bool, np.float16]))
  from cases import to_proto
  forms = [{"value": to_proto(x, "")}, {"value_float": 1.5}, {"value_floats": [1.0, -2.5]}, {"value_int": -3},
           {"value_ints": [1, 2, 3]}, {"value_string": "é"}, {"value_strings": ["a", "", "c"]}]
  kw = c.pick(forms)
  c.node("Constant", [], attributes=kw, since=9 if "value" in kw else 12)


@family(20)
def non_zero(c):
  x = c.data(c.shape(0, 4, zero=0.1), c.pick([np.float32, np.int64, bool, np.uint8]))
  # Of a scalar the specification's result is [0, n]; onnxruntime has [1, n].
  c.node("NonZero", [x], since=13, loops=x.ndim > 0)


@family(40)
def trilu(c):
  x = c.data(c.shape(0, 2, zero=0) + (c.integer(0, 5), c.integer(1, 5)), c.pick([np.float32, np.int64, bool, np.float16]))
  k = np.array(c.integer(-6, 6), np.int64) if c.chance(0.8) else None
  c.node("Trilu", [x, k], upper=c.flag() if c.chance(0.8) else None, since=14)


@family(20)
def eye_like(c):
  c.node("EyeLike", [c.data((c.integer(1, 5), c.integer(1, 5)), c.pick([np.float32, np.int32]))], k=c.integer(-4, 4),
         dtype=c.pick([1, 7, 11, None]), since=9)


@family(40)
def depth_to_space(c):
  b = c.integer(1, 3)
  dtype = c.pick([np.float32, np.float64, np.int32, np.uint8, np.float16])
  n, d, h, w = c.integer(1, 2), c.integer(1, 3), c.integer(1, 3), c.integer(1, 3)
  if c.flag():
    c.node("DepthToSpace", [c.data((n, d * b * b, h, w), dtype)], blocksize=b, mode=c.pick(["DCR", "CRD", None]), since=11)
  else:
    c.node("SpaceToDepth", [c.data((n, d, h * b, w * b), dtype)], blocksize=b, since=7)


@family(20)
def narrow_transpose(c):
  """Few rows or few columns beside many, of every size of element."""
  s = c.rng.permutation([c.integer(1, 9), c.integer(17, 150), c.integer(1, 20)])
  c.node("Transpose", [c.data(s, c.pick([np.uint8, np.float16, np.float32, np.int64]))], perm=[int(i) for i in c.rng.permutation(3)], since=13)


@family(20)
def long_top_k(c):
  s = c.pick([(2, 900), (900, 2), (1500,)])
  axis = s.index(max(s))
  x = c.distinct(s, c.pick([np.float32, np.int64, np.float64]))
  c.node("TopK", [x, i64(c.integer(1, 20))], outputs=2, axis=axis, largest=c.flag(), sorted=1, since=11)


@family(60)
def top_k(c):
  s = c.shape(1, 5, zero=0)
  axis = c.axis(len(s))
  x = c.distinct(s, c.pick([np.float32, np.float64, np.int32, np.int64]))
  if c.chance(0.4):
    # Of equal elements the one with the lower index comes first.
    x = np.round(c.data(s, x.dtype.type)).astype(x.dtype)
  k = c.integer(0, s[axis])
  if c.chance(0.15):
    c.node("TopK", [x.astype(np.float32)], outputs=2, since=7, until=9, axis=axis % len(s), k=max(k, 1))
  else:
    c.node("TopK", [x, i64(k)], outputs=2, axis=axis, largest=c.flag(), sorted=1, since=11)


@family(50)
def unique(c):
  s = c.shape(0, 4, zero=0)
  x = c.data(s, c.pick([np.float32, np.int64, np.int8, object, np.float64, np.complex64]))
  if x.dtype.kind == "c":
    x = np.round(x)
  elif x.dtype != object:
    x = (np.round(x) % 3).astype(x.dtype)
  axis = c.axis(len(s)) if s and c.chance(0.6) else None
  outputs = [True] + [c.chance(0.8) for _ in range(3)]
  while not outputs[-1]:
    outputs.pop()
  order = c.flag() if c.chance(0.8) and x.dtype.kind != "c" else None
  # The reference evaluator takes along axis 0 what isn't sorted; it alone has complex numbers and the newest operator sets.
  until = COMMON if order == 0 and axis not in (None, 0) else NEWEST
  c.node("Unique", [x], outputs=outputs, axis=axis, sorted=order, since=11, until=until)


@family(20)
def identity_of_types(c):
  c.node("Identity", [c.data(c.shape(), c.pick(ANY + NARROW))], since=21)


@family(30)
def center_crop_pad(c):
  s = c.shape(1, 4, zero=0)
  axes = c.axes(len(s)) if c.flag() else None
  target = [c.integer(1, 8) for _ in (axes or s)]
  c.node("CenterCropPad", [c.data(s, c.pick(FLOATS + INTS + [bool])), np.array(target, np.int64)], axes=axes, since=18)
