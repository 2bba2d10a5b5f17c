"""Element-wise operators, casts, reductions."""
import ml_dtypes
import numpy as np
from onnx import helper

from cases import ANY, BFLOAT16, FLOAT8, FLOATS, INTS, NARROW, SIGNED, UNSIGNED, family

SPECIAL = [np.nan, np.inf, -np.inf, -0.0, 0.0]


def operands(c, rank=5):
  """Three shapes that broadcast."""
  full = c.shape(0, rank)
  def part():
    s = tuple(1 if c.chance(0.3) else d for d in full)
    return s[c.integer(0, len(s)):] if c.chance(0.4) else s
  parts = [full, part(), part()]
  return [parts[i] for i in c.permutation(3)]


def sprinkle(c, x, values=SPECIAL, p=0.4):
  """Puts special values into x."""
  if x.size and c.chance(p):
    for _ in range(c.integer(1, 3)):
      x.flat[c.integer(0, x.size - 1)] = c.pick(values)
  return x


@family(200)
def arithmetic(c):
  a, b, _ = operands(c)
  op = c.pick(["Add", "Sub", "Mul", "Div"])
  dtype = c.pick(FLOATS + INTS + [BFLOAT16])
  y = c.data(b, dtype, positive=op == "Div" and dtype in INTS)
  if op == "Div" and dtype in SIGNED:
    y = y * np.where(c.data(b, bool), 1, -1).astype(dtype)
  x = c.data(a, dtype)
  if dtype in FLOATS:
    x = sprinkle(c, x, p=0.2)
  if op in ("Add", "Mul") and dtype in INTS and x.size:
    # An overflow wraps around.
    x.flat[0] = np.iinfo(dtype).max - 1
  # The reference evaluator divides integers as floor does, the specification says that it truncates.
  c.node(op, [x, y], since=14 if dtype in (np.int8, np.uint8, np.int16, np.uint16) else 7 if dtype != BFLOAT16 else 13,
         trust="onnxruntime" if op == "Div" else None)


@family(60)
def compare(c):
  a, b, _ = operands(c)
  op = c.pick(["Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"])
  dtype = c.pick(FLOATS + INTS + ([bool, object] if op == "Equal" else []))
  x, y = c.data(a, dtype), c.data(b, dtype)
  if dtype in FLOATS:
    x, y = sprinkle(c, np.round(x)), sprinkle(c, np.round(y))
  c.node(op, [x, y], since=19 if dtype == object else 16 if "Or" in op else 13 if op == "Equal" else 9)


@family(60)
def power(c):
  a, b, _ = operands(c)
  dtype = c.pick([np.float32, np.float64, np.float16, np.int32, np.int64])
  other = c.pick([np.float32, np.int32, np.int64, np.float64, np.uint8, np.int16, dtype])
  y = np.round(c.data(b, other, positive=True)).astype(other) if dtype in INTS else c.data(b, other, positive=True)
  x = c.data(a, dtype, positive=np.dtype(other).kind == "f")
  c.node("Pow", [x, np.minimum(y, 4).astype(other)], since=13)


@family(60)
def modulo(c):
  a, b, _ = operands(c)
  dtype = c.pick(FLOATS + INTS)
  y = c.data(b, dtype, positive=True)
  if dtype not in UNSIGNED and c.chance(0.5):
    y = -y
  fmod = 1 if dtype in FLOATS else c.flag()
  c.node("Mod", [c.data(a, dtype), y], since=10, fmod=fmod or None)


@family(80)
def logic(c):
  a, b, _ = operands(c)
  op = c.pick(["And", "Or", "Xor", "Not", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot", "BitShift"])
  if op in ("And", "Or", "Xor", "Not"):
    x = [c.data(a, bool), c.data(b, bool)][: 1 if op == "Not" else 2]
    c.node(op, x, since=7)
  elif op == "BitShift":
    dtype = c.pick(UNSIGNED)
    x = [c.data(a, dtype), c.data(b, dtype) % (np.iinfo(dtype).bits)]
    c.node(op, x, since=11, direction=c.pick(["LEFT", "RIGHT"]))
  else:
    dtype = c.pick(INTS)
    c.node(op, [c.data(a, dtype), c.data(b, dtype)][: 1 if op == "BitwiseNot" else 2], since=18)


@family(100)
def variadic(c):
  op = c.pick(["Min", "Max", "Sum", "Mean"])
  dtype = c.pick(FLOATS + [BFLOAT16] + (INTS if op in ("Min", "Max") else []))
  # The reference evaluator rounds every sum to bfloat16; with one sign that doesn't show.
  x = [c.data(s, dtype, positive=dtype == BFLOAT16) for s in operands(c)[: c.integer(1, 3)]]
  if dtype in FLOATS:
    x = [sprinkle(c, e, [np.nan, np.inf, -np.inf], 0.2) for e in x]
  c.node(op, x, since=13 if dtype == BFLOAT16 else 12 if op in ("Min", "Max") else 8)


@family(40)
def where(c):
  a, b, d = operands(c)
  dtype = c.pick(ANY + [np.complex64])
  c.node("Where", [c.data(a, bool), c.data(b, dtype), c.data(d, dtype)], since=9)


UNARY = {"Abs": 13, "Neg": 13, "Ceil": 13, "Floor": 13, "Round": 11, "Sqrt": 13, "Reciprocal": 13, "Exp": 13, "Log": 13, "Erf": 13,
         "Sign": 9, "Sin": 7, "Cos": 7, "Tan": 7, "Asin": 7, "Acos": 7, "Atan": 7, "Sinh": 9, "Cosh": 9, "Asinh": 9, "Acosh": 9,
         "Atanh": 9, "Tanh": 6, "Sigmoid": 6, "Relu": 14, "Softplus": 7, "Softsign": 7, "HardSwish": 14, "Mish": 18,
         "LeakyRelu": 16, "Elu": 7, "Celu": 12, "Selu": 7, "ThresholdedRelu": 10, "HardSigmoid": 7, "Shrink": 9, "Gelu": 20,
         "IsNaN": 13, "IsInf": 10, "Identity": 14, "Swish": 24}


@family(320)
def unary(c):
  op = c.pick(list(UNARY))
  types = {"Abs": INTS, "Neg": SIGNED, "Sign": INTS, "Identity": ANY, "Relu": SIGNED, "Shrink": INTS}.get(op, [])
  dtype = c.pick(FLOATS + (types if types and c.chance(0.6) else []))
  x = c.data(c.shape(0, 6), dtype, scale=c.pick([1.0, 3.0, 20.0]))
  if dtype in FLOATS:
    if op in ("Asin", "Acos", "Atanh"):
      x = np.tanh(x).astype(dtype)
    if op in ("Sqrt", "Log", "Acosh"):
      x = (np.abs(x) + 1).astype(dtype)
    if op == "Round" and c.chance(0.5):
      x = (np.round(x * 2) / 2).astype(dtype)
    x = sprinkle(c, x, p=1 if op in ("IsNaN", "IsInf") else 0.3)
  kw = {}
  if op in ("LeakyRelu", "Elu", "Celu", "ThresholdedRelu", "HardSigmoid", "Swish") and c.chance(0.7):
    kw["alpha"] = float(c.rng.random() + 0.1)
  if op == "HardSigmoid" and c.chance(0.5):
    kw["beta"] = 0.3
  if op == "Selu" and c.chance(0.5):
    kw = {"alpha": 1.2, "gamma": 0.7}
  if op == "Shrink":
    kw = {"bias": 1.0, "lambd": 1.5}
  if op == "Gelu":
    kw["approximate"] = c.pick(["none", "tanh"])
  if op == "IsInf" and c.chance(0.7):
    kw = {"detect_negative": c.flag(), "detect_positive": c.flag()}
  since = {"IsInf": 20 if dtype == np.float16 else 10, "Neg": 13, "Abs": 13}.get(op, UNARY[op])
  # The references have HardSwish's 1/6 in float32.
  tolerance = (1e-6, 1e-6) if op == "HardSwish" and dtype == np.float64 else None
  c.node(op, [x], since=since, tolerance=tolerance, **kw)


@family(20)
def gelu_and_erf(c):
  """Gelu of all floats, Erf of integers in the version that has them."""
  if c.flag():
    c.node("Gelu", [c.data(c.shape(0, 6), c.pick(FLOATS + [BFLOAT16]))], since=20, approximate=c.pick(["none", "tanh", None]))
  else:
    c.node("Erf", [c.data(c.shape(0, 4), c.pick(INTS), scale=9)], since=9, until=12, only="reference")


@family(60)
def clip(c):
  dtype = c.pick(FLOATS + INTS)
  x = c.data(c.shape(), dtype)
  low, high = np.array(1 if dtype in UNSIGNED else -1, dtype), np.array(3, dtype)
  if c.chance(0.2):
    c.node("Clip", [x.astype(np.float32)], since=7, until=10, min=-1.0 if c.flag() else None, max=1.5 if c.flag() else None)
    return
  if c.chance(0.1):
    low, high = high, low
  x = sprinkle(c, x) if dtype in FLOATS else x
  c.node("Clip", [x, low if c.chance(0.7) else None, high if c.chance(0.7) else None], since=12 if dtype in INTS else 11)


@family(120)
def cast(c):
  types = FLOATS + INTS + [bool, BFLOAT16, *FLOAT8, *NARROW, object]
  a, b = c.pick(types), c.pick(types)
  if a == object and b == bool:
    # The reference evaluator takes every text for true.
    b = np.float32
  narrow = FLOAT8 + NARROW + [BFLOAT16]
  x = c.data(c.shape(), a if a != object else np.float32)
  if b in UNSIGNED or b in NARROW:
    x = np.abs(x.astype(np.float32)).astype(x.dtype)
  if a == object and b in NARROW:
    # What a fraction becomes is undefined.
    x = np.round(x)
  if a == object:
    x = np.array([str(np.float32(v)) for v in np.round(x.ravel(), 2)], object).reshape(x.shape)
  if b == object and a in (np.float16, BFLOAT16, *FLOAT8, np.float32, np.float64):
    # How many digits a number's text has is up to the implementation.
    x = np.round(x.astype(np.float32)).astype(a) if a not in FLOAT8 else x
    return
  saturate = c.flag() if b in FLOAT8 and c.chance(0.5) else None
  to = int(helper.np_dtype_to_tensor_dtype(np.dtype(b))) if b != object else 8
  since = 21 if a in NARROW or b in NARROW else 19 if a in narrow or b in narrow else 9
  if c.chance(0.8):
    c.node("Cast", [x], to=to, since=since, attributes={"saturate": saturate}, form=None)
  else:
    like = c.data((1,), b) if b != object else np.array(["a"], object)
    c.node("CastLike", [x, like], since=max(since, 15), saturate=saturate)


@family(20)
def bit_cast(c):
  groups = [[np.int32, np.uint32, np.float32], [np.int64, np.uint64, np.float64], [np.int16, np.uint16, np.float16, BFLOAT16],
            [np.int8, np.uint8]]
  types = c.pick(groups)
  a, b = c.pick(types), c.pick(types)
  x = c.data(c.shape(), a)
  c.node("BitCast", [x], to=int(helper.np_dtype_to_tensor_dtype(np.dtype(b))), since=26, expect=[x.view(b)])


REDUCTIONS = ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"]


@family(280)
def reduce(c):
  op = "Reduce" + c.pick(REDUCTIONS)
  dtype = c.pick(FLOATS + [np.int32, np.int64])
  if op in ("ReduceLogSum", "ReduceLogSumExp", "ReduceMean", "ReduceL2"):
    dtype = c.pick(FLOATS)
  if op in ("ReduceMax", "ReduceMin"):
    dtype = c.pick(FLOATS + [np.int8, np.uint8, np.int32, np.int64])
  # Products of integers don't overflow: onnxruntime saturates them.
  s = c.shape(0, 6) if op != "ReduceProd" or dtype in FLOATS else c.shape(0, 3, largest=2)
  x = c.data(s, dtype, positive=op == "ReduceLogSum", scale=1.5 if op == "ReduceProd" else 3.0)
  if dtype in FLOATS:
    # The reference evaluator reduces as NumPy does; so a NaN among the elements is the result of Max and Min.
    x = sprinkle(c, x, [np.nan, np.inf, -np.inf], 0.15)
  axes = c.axes(len(s))
  trust = "reference" if op in ("ReduceMax", "ReduceMin") and dtype in FLOATS else None
  if c.chance(0.3):
    since = 12 if dtype in (np.int8, np.uint8) else 11
    c.node(op, [x], since=since, until=12 if op == "ReduceSum" else 17, axes=axes or None, keepdims=c.flag(), trust=trust)
    return
  given = np.array(axes, np.int64) if c.chance(0.75) else None
  # The reference evaluator has int64 for the squares of no sum.
  noop = c.flag() if (given is None or not axes) and (op != "ReduceSumSquare" or dtype in FLOATS) else None
  # Of nothing onnxruntime keeps dimensions of 0.
  c.node(op, [x, given], since=13 if op == "ReduceSum" else 18, keepdims=c.flag(), noop_with_empty_axes=noop, trust=trust,
         loops=x.size > 0)


@family(60)
def arg(c):
  s = c.shape(1, 5, zero=0)
  dtype = c.pick([np.float32, np.float64, np.int32, np.int64, np.uint8, np.int8, np.float16])
  x = np.round(c.data(s, dtype)).astype(dtype)
  last = c.flag()
  c.node(c.pick(["ArgMax", "ArgMin"]), [x], axis=c.axis(len(s)) if c.chance(0.9) else None, keepdims=c.flag(),
         select_last_index=last or None, since=12 if last else 11)


@family(40)
def long_rows(c):
  """Reductions and cumulations of more elements than are joined at once."""
  s = c.pick([(3, 2500), (2500, 3), (20, 130), (9000,)])
  axis = s.index(max(s))
  x = c.data(s, c.pick([np.float32, np.float64]), positive=True)
  op = c.pick(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "CumSum"])
  if op == "CumSum":
    c.node(op, [x, np.array(axis, np.int64)], exclusive=c.flag(), reverse=c.flag(), since=11)
  else:
    c.node(op, [x, np.array([axis], np.int64)], keepdims=c.flag(), since=18)


@family(40)
def cumulative(c):
  s = c.shape(1, 5)
  op = c.pick(["CumSum", "CumProd"])
  x = c.data(s, c.pick([np.float32, np.float64, np.int32, np.int64]), scale=1.0 if op == "CumProd" else 3.0)
  c.node(op, [x, np.array(c.axis(len(s)), c.pick([np.int32, np.int64]))], exclusive=c.flag(), reverse=c.flag(),
         since=11 if op == "CumSum" else 26)


@family(30)
def prelu(c):
  s = c.shape(1, 5)
  slope = tuple(c.pick([1, d]) for d in s[c.integer(0, len(s) - 1):])
  dtype = c.pick(FLOATS)
  c.node("PRelu", [c.data(s, dtype), c.data(slope, dtype)], since=9)
