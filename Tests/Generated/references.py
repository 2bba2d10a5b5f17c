"""What a model's outputs should be: ONNX's reference evaluator and onnxruntime, and when they agree."""
import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

onnxruntime.set_default_logger_severity(4)

STEP = {"float16": 4e-3, "bfloat16": 2**-6, "float32": 1e-4, "float64": 1e-7, "complex64": 1e-4, "complex128": 1e-7}
"""The relative tolerance for each element type; others are compared exactly."""


def evaluate(model, inputs, trust, expect, tolerance, only):
  """(outputs, reasons): outputs is None where the references differ (no reasons) or none of them runs the model."""
  if expect is not None:
    return [normal(y) for y in expect], []
  why, found = [], {}
  names = [v.name for v in model.graph.input]
  for name, run in (("reference", reference), ("onnxruntime", ort)):
    if only not in (None, name):
      continue
    try:
      with np.errstate(all="ignore"):
        found[name] = [normal(y) for y in run(model, names, inputs)]
    except Exception as error:
      why.append(f"{name}: {error}")
  if len(found) == 2 and trust is None:
    a, b = found.values()
    same = len(a) == len(b) and all(agree(x, y, tolerance or globals()["tolerance"](a)) for x, y in zip(a, b))
    return (found["onnxruntime"] if same else None), []
  return found.get(trust, found.get("onnxruntime", found.get("reference"))), why


def normal(y):
  if isinstance(y, dict) or y is None:
    return y
  if isinstance(y, (list, tuple)):
    return [normal(e) for e in y]
  y = np.asarray(y)
  return y.astype(object) if y.dtype.kind in "US" else y


def reference(model, names, inputs):
  return ReferenceEvaluator(model).run(None, dict(zip(names, inputs)))


def is_common(x):
  """Whether NumPy itself has the element type."""
  return not isinstance(x, np.ndarray) or x.dtype.kind in "biufcOUS" and x.dtype.name in np.sctypeDict or x.dtype == object


def ort(model, names, inputs):
  options = onnxruntime.SessionOptions()
  options.log_severity_level = 4
  options.intra_op_num_threads = 1
  options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
  start = lambda m: onnxruntime.InferenceSession(m.SerializeToString(), options, providers=["CPUExecutionProvider"])
  plain = all(is_common(x) for x in inputs)
  if plain:
    session = start(model)
    if all("float8" not in o.type and "bfloat16" not in o.type and "int4" not in o.type for o in session.get_outputs()):
      return session.run(None, dict(zip(names, inputs)))
  return ort_converted(model, names, inputs, start)


# onnxruntime's Python interface has no arrays of the element types that NumPy lacks.
CONVERTED = {TensorProto.BFLOAT16: (TensorProto.FLOAT, ml_dtypes.bfloat16), TensorProto.UINT4: (TensorProto.UINT8, ml_dtypes.uint4),
             TensorProto.INT4: (TensorProto.INT8, ml_dtypes.int4),
             TensorProto.FLOAT8E4M3FN: (TensorProto.FLOAT, ml_dtypes.float8_e4m3fn),
             TensorProto.FLOAT8E4M3FNUZ: (TensorProto.FLOAT, ml_dtypes.float8_e4m3fnuz),
             TensorProto.FLOAT8E5M2: (TensorProto.FLOAT, ml_dtypes.float8_e5m2),
             TensorProto.FLOAT8E5M2FNUZ: (TensorProto.FLOAT, ml_dtypes.float8_e5m2fnuz)}


def ort_converted(model, names, inputs, start):
  """Feeds such inputs as initializers and casts such outputs to what NumPy has."""
  m = onnx.ModelProto()
  m.CopyFrom(model)
  feeds = {}
  for name, x in zip(names, inputs):
    if is_common(x):
      feeds[name] = x
    else:
      m.graph.initializer.append(numpy_helper.from_array(x, name))
      m.graph.input.remove(next(v for v in m.graph.input if v.name == name))
  types = [o.type.tensor_type.elem_type for o in onnx.shape_inference.infer_shapes(m).graph.output]
  outputs = list(m.graph.output)
  del m.graph.output[:]
  for o, t in zip(outputs, types):
    if t in CONVERTED:
      m.graph.node.append(helper.make_node("Cast", [o.name], [o.name + "_wide"], to=CONVERTED[t][0]))
      m.graph.output.append(onnx.ValueInfoProto(name=o.name + "_wide"))
    else:
      m.graph.output.append(o)
  results = start(m).run(None, feeds)
  return [y.astype(CONVERTED[t][1]) if t in CONVERTED else y for y, t in zip(results, types)]


def arrays(value):
  """The tensors in a value."""
  if isinstance(value, dict):
    return [np.asarray(list(value.values()))]
  if isinstance(value, list):
    return [a for e in value for a in arrays(e)]
  return [] if value is None else [value]


def tolerance(outputs):
  """(relative, absolute) for what `swiftlet test` compares with these outputs."""
  relative, absolute = 0.0, 0.0
  for y in (a for o in outputs for a in arrays(o)):
    step = STEP.get(y.dtype.name, 0.0)
    if step:
      with np.errstate(all="ignore"):
        size = np.abs(y.astype(np.complex128 if y.dtype.kind == "c" else np.float64))
      size = size[np.isfinite(size)]
      relative = max(relative, step)
      absolute = max(absolute, 0.1 * step * max(float(size.max(initial=0)), 1e-3))
  return relative, absolute


def agree(a, b, limits):
  if isinstance(a, dict):
    return isinstance(b, dict) and list(a) == list(b) and np.allclose(list(a.values()), list(b.values()), *limits)
  if isinstance(a, list):
    return isinstance(b, list) and len(a) == len(b) and all(agree(x, y, limits) for x, y in zip(a, b))
  if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray) or a.shape != b.shape:
    return False
  if a.dtype == object or b.dtype == object:
    return [str(s) for s in a.ravel()] == [str(s) for s in b.ravel()]
  if a.dtype != b.dtype:
    return False
  if a.dtype.name not in STEP:
    return np.array_equal(a.astype(np.float32), b.astype(np.float32), equal_nan=True) if a.dtype.kind == "V" else np.array_equal(a, b)
  wide = np.complex128 if a.dtype.kind == "c" else np.float64
  return np.allclose(a.astype(wide), b.astype(wide), *limits, equal_nan=True)
