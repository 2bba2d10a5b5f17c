"""Random operators: element type, shape and distribution, against NumPy's generators."""
import numpy as np
from onnx import helper

from cases import family


def like(x, kind, default):
  return x.astype(helper.tensor_dtype_to_np_dtype(kind)) if kind else x.astype(default)


@family(60)
def random(c):
  op = c.pick(["RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike"])
  shape = [c.integer(10, 40), c.integer(20, 60)]
  dtype, default = c.pick([None, 1, 10, 11]), np.float32
  if "Normal" in op:
    kind = {"mean": c.pick([None, 2.0]), "scale": c.pick([None, 3.0])}
    expect = c.rng.standard_normal(shape) * (kind["scale"] or 1) + (kind["mean"] or 0)
  else:
    kind = {"low": c.pick([None, -2.0]), "high": c.pick([None, 3.0])}
    low, high = kind["low"] or 0, kind["high"] or 1
    expect = c.rng.random(shape) * (high - low) + low
  kind.update(seed=c.pick([None, 1.0, 7.5]), dtype=dtype)
  inputs = []
  if op.endswith("Like"):
    default = c.pick([np.float32, np.float64])
    inputs = [c.data(shape, default)]
  else:
    kind["shape"] = shape
  c.node(op, inputs, since=1, attributes=kind, random=True, form=c.pick(["node", "node", "if", "function"]), expect=[like(expect, dtype, default)])


@family(30)
def bernoulli(c):
  p = c.pick([0.2, 0.5, 0.9])
  x = np.full([c.integer(20, 40), c.integer(20, 40)], p, c.pick([np.float32, np.float64]))
  dtype = c.pick([None, 1, 6, 9])
  c.node("Bernoulli", [x], since=15, seed=c.pick([None, 2.0]), dtype=dtype, random=True, form="node",
         expect=[like(c.rng.random(x.shape) < p, dtype, x.dtype)])


@family(20)
def multinomial(c):
  rows, dtype = c.integer(1, 3), c.pick([None, 6, 7])
  # The first class never comes, so that no value is zero.
  x = np.log(np.tile(np.array([0, 0.2, 0.3, 0.5], np.float32), (rows, 1)))
  c.node("Multinomial", [x], since=7, sample_size=2000, seed=c.pick([None, 2.0]), dtype=dtype, random=True, form="node",
         expect=[like(c.rng.choice([1, 2, 3], (rows, 2000), p=[0.2, 0.3, 0.5]), dtype, np.int32)])


@family(20)
def dropout_training(c):
  x, p = np.ones([c.integer(20, 40), c.integer(20, 40)], np.float32), c.pick([0.25, 0.5])
  mask = c.rng.random(x.shape) >= p
  c.node("Dropout", [x, np.array(p, np.float32), np.array(True)], outputs=2, since=12, seed=c.pick([None, 4]), random=True, form="node",
         expect=[(mask / np.float32(1 - p)).astype(np.float32), mask])
