"""Normalisations, softmax and its family, dropout at inference."""
import numpy as np

from cases import BFLOAT16, FLOATS, family, i64


@family(60)
def batch_normalization(c):
  x = c.data([c.integer(1, 3), c.integer(1, 5), *c.shape(0, 3, zero=0)], c.pick([np.float32, np.float32, np.float64]))
  ch = x.shape[1]
  vector = lambda positive=False: c.data([ch], x.dtype.type, positive=positive)
  inputs = [x, vector(), vector(), vector(), vector(True)]
  if c.chance(0.3):
    c.node("BatchNormalization", inputs, outputs=3, since=15, epsilon=1e-3 if c.flag() else None, training_mode=1,
           momentum=0.8 if c.flag() else None)
  else:
    c.node("BatchNormalization", inputs, since=9, epsilon=1e-3 if c.flag() else None)


@family(40)
def instance_normalization(c):
  x = c.data(c.shape(3, 5, zero=0), c.pick([np.float32, np.float64, np.float16]))
  scale, bias = c.data([x.shape[1]], x.dtype.type), c.data([x.shape[1]], x.dtype.type)
  c.node("InstanceNormalization", [x, scale, bias], epsilon=1e-3 if c.flag() else None, since=7)


@family(70)
def layer_normalization(c):
  s = c.shape(1, 5, zero=0)
  axis = c.axis(len(s)) if c.chance(0.8) else None
  rest = s[(-1 if axis is None else axis) % len(s):]
  dtype = c.pick([np.float32, np.float32, np.float64, np.float16])
  narrow = tuple(c.pick([1, d]) for d in rest) if c.chance(0.2) else rest
  bias = c.data(narrow, dtype) if c.flag() else None
  c.node("LayerNormalization", [c.data(s, dtype), c.data(narrow, dtype), bias], outputs=c.pick([1, 1, 2, 3]) if dtype == np.float32 else 1,
         axis=axis, epsilon=1e-3 if c.flag() else None, since=17)


@family(50)
def rms_normalization(c):
  s = c.shape(1, 5, zero=0)
  axis = c.axis(len(s)) if c.chance(0.8) else None
  dtype = c.pick([np.float32, np.float32, np.float64, np.float16])
  rest = s[(-1 if axis is None else axis) % len(s):]
  c.node("RMSNormalization", [c.data(s, dtype), c.data(rest, dtype)], axis=axis, epsilon=1e-3 if c.flag() else None, since=23)


@family(50)
def group_normalization(c):
  # The first stage may be float32 (stash_type), whatever the type is.
  groups, per = c.integer(1, 3), c.integer(1, 3)
  # Elements that differ: onnxruntime takes the variance from the mean square.
  s = [c.integer(1, 2), groups * per, *c.shape(0, 3, zero=0)]
  x = (c.distinct(s) / 8 + c.data(s) / 99).astype(c.pick([np.float32, np.float32, np.float64]))
  old = c.chance(0.3)
  n = groups if old else groups * per
  c.node("GroupNormalization", [x, c.data([n], x.dtype.type), c.data([n], x.dtype.type)], num_groups=groups,
         epsilon=1e-3 if c.flag() else None, since=18 if old else 21, until=20 if old else 28, tolerance=(1e-3, 1e-4))


def lp_normalized(x, axis, p):
  """The reference evaluator takes sums without absolute values for p = 1."""
  wide, axis = x.astype(np.float64), -1 if axis is None else axis
  norm = np.abs(wide).sum(axis, keepdims=True) if p == 1 else np.sqrt((wide**2).sum(axis, keepdims=True))
  return np.divide(wide, norm, where=norm != 0, out=np.zeros_like(wide)).astype(x.dtype)


@family(40)
def lp_normalization(c):
  x = c.data(c.shape(1, 4, zero=0), c.pick([np.float32, np.float64]))
  if c.chance(0.2):
    x[...] = 0
  # A line of zeros gives zeros, as the specification says since version 22.
  axis, p = c.axis(x.ndim) if c.chance(0.8) else None, c.pick([1, 2, None])
  c.node("LpNormalization", [x], axis=axis, p=p, since=7,
         expect=[lp_normalized(x, axis, p)])


@family(40)
def lrn(c):
  x, size = c.data(c.shape(3, 5, zero=0), c.pick([np.float32, np.float32, np.float64])), c.integer(1, 7)
  alpha, beta, bias = c.pick([None, 0.25]), c.pick([None, 0.5]), c.pick([None, 2.0])
  # onnxruntime refuses even sizes, the reference evaluator normalises as many channels as there are images.
  squares = x.astype(np.float64) ** 2
  sums = np.zeros_like(squares)
  for k in range(x.shape[1]):
    sums[:, k] = squares[:, max(0, k - (size - 1) // 2) : k + size // 2 + 1].sum(1)
  y = x / ((bias or 1) + (alpha or float(np.float32(1e-4))) / size * sums) ** (beta or 0.75)
  c.node("LRN", [x], size=size, alpha=alpha, beta=beta, bias=bias, since=7, expect=[y.astype(x.dtype)])


@family(30)
def mean_variance_normalization(c):
  x = c.data(c.shape(4, 4, zero=0), np.float32)
  axes = c.pick([None, [0, 2, 3], [1, 2, 3], [2, 3], [0, 1]])
  c.node("MeanVarianceNormalization", [x], axes=axes, since=9)


@family(120)
def softmax(c):
  op = c.pick(["Softmax", "Softmax", "LogSoftmax", "Hardmax"])
  s = c.shape(1, 5, largest=c.pick([5, 40]))
  if int(np.prod(s)) > 5000:
    s = s[:2]
  dtype = c.pick(FLOATS + ([BFLOAT16] if op == "Softmax" else []))
  # The reference evaluator takes the logarithm of shares that are 0.
  scale = 1 if op == "LogSoftmax" and dtype == np.float16 else c.pick([1, 10] + [100] * (op == "Softmax"))
  x = c.distinct(s, dtype) if op == "Hardmax" else c.data(s, dtype, scale=scale)
  if c.chance(0.1) and x.size and op == "Softmax" and dtype in FLOATS:
    x.flat[0] = -np.inf
  old = c.chance(0.25) and dtype != BFLOAT16
  axis = c.axis(len(s)) if c.chance(0.8) else None
  if old:
    # Before version 13 everything from the axis on is one row.
    c.node(op, [x], axis=axis, since=11 if axis is not None and axis < 0 else 7, until=12, only="onnxruntime")
  else:
    # The reference evaluator adds one by one in bfloat16.
    c.node(op, [x], axis=axis, since=13, tolerance=(0.04, 1e-3) if dtype == BFLOAT16 else None)


@family(30)
def dropout(c):
  x = c.data(c.shape(), c.pick(FLOATS))
  outputs = c.pick([1, 2])
  if c.chance(0.3):
    c.node("Dropout", [x], outputs=outputs, ratio=0.3 if c.flag() else None, since=10, until=11)
  else:
    ratio = np.array(0.4, np.float32) if c.flag() else None
    training = np.array(False) if c.flag() else None
    if c.chance(0.2):
      ratio, training = np.array(0, np.float32), np.array(True)
    c.node("Dropout", [x, ratio, training], outputs=outputs, seed=3 if c.flag() else None, since=12)
