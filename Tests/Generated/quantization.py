"""QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear in all granularities and element types."""
import ml_dtypes
import numpy as np
from onnx import helper

from cases import BFLOAT16, FLOAT6, FLOAT8, NARROW, family

TYPES = [np.uint8, np.int8, np.uint16, np.int16, *NARROW]


def granularity(c, s):
  """(attributes, shape of the scale)"""
  axis = c.axis(len(s)) if s else 0
  mode = c.pick(["tensor", "axis", "block"]) if s else "tensor"
  if mode == "tensor":
    return {}, (), 10
  if mode == "axis":
    return {"axis": axis}, (s[axis],), 13
  block = c.integer(1, s[axis])
  return {"axis": axis, "block_size": block}, tuple(-(-d // block) if k == axis % len(s) else d for k, d in enumerate(s)), 21


def limits(dtype):
  info = ml_dtypes.iinfo(dtype) if dtype in NARROW else np.iinfo(dtype)
  return int(info.min), int(info.max)


@family(180)
def quantize(c):
  s = c.shape(0, 4, zero=0)
  attributes, t, since = granularity(c, s)
  dtype = c.pick(TYPES + FLOAT8)
  is_float = dtype in FLOAT8
  xtype = c.pick([np.float32] * 3 + [np.float16])
  scale = c.pick([(c.rng.random(t) + 0.05), 2.0 ** c.rng.integers(-3, 2, t)])
  low, high = (0, 0) if is_float else limits(dtype)
  zero = np.asarray(c.rng.integers(max(low, -5), min(high, 5) + 1, t)).astype(dtype)
  # Halves are rounded to even.
  x = np.round(c.data(s, np.float32) * 20) / 2 if c.flag() else c.data(s, np.float32) * 20
  since = max(since, 21 if dtype in NARROW + [np.uint16, np.int16] else 19 if is_float or xtype == np.float16 else 10)
  inputs = [x.astype(xtype), np.asarray(scale).astype(xtype), zero]
  if c.chance(0.2) and dtype == np.uint8:
    inputs = inputs[:2]
  elif c.chance(0.2) and not is_float and since >= 21:
    inputs = inputs[:2]
    attributes["output_dtype"] = int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
  c.node("QuantizeLinear", inputs, since=since, attributes=attributes, saturate=c.flag() if is_float and c.flag() else None,
         # A division in float16 rounds to float16; onnxruntime divides in float.
         trust=None if is_float and xtype == np.float16 else "onnxruntime")


@family(150)
def dequantize(c):
  s = c.shape(0, 4, zero=0)
  attributes, t, since = granularity(c, s)
  dtype = c.pick(TYPES + FLOAT8 + [np.int32])
  low, high = (-8, 9) if dtype in FLOAT8 else (-1000, 1000) if dtype == np.int32 else limits(dtype)
  x = np.asarray(c.rng.integers(low, high + 1, s)).astype(dtype)
  stype = c.pick([np.float32] * 3 + [np.float16])
  zero = np.asarray(c.rng.integers(max(low, -5), min(high, 5) + 1, t)).astype(dtype)
  if dtype in (np.int32, *FLOAT8):
    zero = np.zeros(t, dtype)
  since = max(since, 21 if dtype in NARROW + [np.uint16, np.int16] else 19 if dtype in FLOAT8 or stype == np.float16 else 10)
  c.node("DequantizeLinear", [x, np.asarray(c.rng.random(t) + 0.05).astype(stype), zero if c.chance(0.7) else None], since=since,
         attributes=attributes)


@family(30)
def dynamic_quantize(c):
  x = c.data(c.shape(1, 4, zero=0), scale=c.pick([0.1, 3, 100])) + np.float32(c.pick([0, 5, -5, 50]))
  if c.chance(0.1):
    x[...] = 0
  c.node("DynamicQuantizeLinear", [x.astype(np.float32)], outputs=3, since=11, tolerance=(1e-5, 1))


@family(40)
def six_bits(c):
  """The types of opset 28: casts both ways, quantization, zero points that are added."""
  s, dtype = c.shape(0, 3, zero=0), c.pick(FLOAT6)
  x = c.data(s, scale=c.pick([0.5, 3.0, 20.0]))
  to = int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
  form = c.pick(["from", "to", "quantize", "dequantize"])
  if form == "to":
    c.node("Cast", [x.astype(c.pick([np.float32, np.float16, np.float64, BFLOAT16]))], to=to, since=28, form="node", types={0: dtype})
  elif form == "from":
    c.node("Cast", [x.astype(dtype)], to=c.pick([1, 10, 11, 7]), since=28, form="node")
  elif form == "quantize":
    attributes, t, _ = granularity(c, s)
    scale = np.asarray(2.0 ** c.rng.integers(-2, 3, t)).astype(np.float32)
    zero = np.asarray(c.rng.integers(0, 3, t)).astype(dtype) if c.flag() else None
    attributes["output_dtype"] = None if zero is not None else to
    c.node("QuantizeLinear", [x, scale, zero], since=28, form="node", attributes=attributes, types={0: dtype})
  else:
    attributes, t, _ = granularity(c, s)
    scale = np.asarray(c.rng.random(t) + 0.05).astype(c.pick([np.float32, np.float16]))
    c.node("DequantizeLinear", [x.astype(dtype), scale], since=28, form="node", attributes=attributes)
