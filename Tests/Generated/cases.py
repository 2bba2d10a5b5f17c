"""Generated test cases: what an area's file (tensor.py, pooling.py, ...) stands on.

An area is a file with functions marked `@family(count)`; each call makes one case:

    from cases import family

    @family(60)
    def transpose(c):
      x = c.data(c.shape())
      c.node("Transpose", [x], perm=c.permutation(x.ndim), since=13)

`c` (a `Case`) has the draws (`pick`, `chance`, `integer`, `shape`, `data`, `axis`, `axes`) and takes the model by exactly one call
of `node` or `model`. Draws depend on the seed, the family's name and the case's number only, so that any part of the cases can
be made alone. `node` itself draws what every operator has to stand: constant or fed inputs, fixed or symbolic dimensions,
an operator set, and whether the node stands in the main graph, in If, in Loop or in a model-local function.

Expected outputs come from ONNX's reference evaluator and from onnxruntime: a case is kept where both agree, or where only
one of them can run it. Where they disagree the specification's text decides, and the family says why: `trust=` names the
one that is right, or `expect=` gives the outputs.
"""
import inspect
import os
import warnings
import zlib

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import references

warnings.simplefilter("ignore")

FLOATS = [np.float32, np.float64, np.float16]
SIGNED = [np.int32, np.int64, np.int8, np.int16]
UNSIGNED = [np.uint8, np.uint16, np.uint32, np.uint64]
INTS = SIGNED + UNSIGNED
BFLOAT16 = ml_dtypes.bfloat16
FLOAT8 = [ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3fnuz, ml_dtypes.float8_e5m2, ml_dtypes.float8_e5m2fnuz]
FLOAT6 = [ml_dtypes.float6_e2m3fn, ml_dtypes.float6_e3m2fn]
NARROW = [ml_dtypes.int4, ml_dtypes.uint4]
ANY = FLOATS + INTS + [bool, object]

NEWEST = onnx.defs.onnx_opset_version()
"""The newest operator set that onnxruntime 1.31 knows; newer ones are drawn less often, since one reference is left."""
COMMON = 26

families = {}
"""By area: the families in the order of their definition, as (name, count, function)."""


def family(count):
  """Marks a function that makes one case; `count`: how many of them at scale 1."""
  def mark(function):
    area = os.path.basename(inspect.getfile(function))[:-3]
    families.setdefault(area, []).append((function.__name__.strip("_"), count, function))
    return function
  return mark


def i64(*v):
  return np.array(v, np.int64)


def element_type(x):
  return TensorProto.STRING if x.dtype.kind in "OUS" else helper.np_dtype_to_tensor_dtype(x.dtype)


def to_proto(x, name):
  if x.dtype.kind not in "OUS":
    return numpy_helper.from_array(x, name)
  texts = [s if isinstance(s, bytes) else str(s).encode() for s in x.ravel().tolist()]
  return helper.make_tensor(name, TensorProto.STRING, x.shape, texts)


def value_info(name, x, shape=None):
  """The declaration of a value like `x`: an array, a list of arrays (a sequence), or a dictionary or list of them."""
  return onnx.ValueInfoProto(name=name, type=value_type(x, shape))


def value_type(x, shape=None):
  if isinstance(x, dict):
    keys, values = map_arrays(x)
    return helper.make_map_type_proto(element_type(keys), helper.make_tensor_type_proto(element_type(values), []))
  if isinstance(x, list):
    inner = value_type(x[0]) if x else helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    return helper.make_sequence_type_proto(inner)
  return helper.make_tensor_type_proto(element_type(x), shape)


def map_arrays(x):
  """Keys and values of a map; numbers are float."""
  keys, values = np.asarray(list(x)), np.asarray(list(x.values()))
  return keys, values.astype(np.float32) if values.dtype == np.float64 else values


def map_proto(x):
  keys, values = map_arrays(x)
  message = onnx.MapProto(key_type=element_type(keys), values=onnx.SequenceProto(
    elem_type=onnx.SequenceProto.TENSOR, tensor_values=[to_proto(v, "") for v in values]))
  if keys.dtype.kind == "U":
    message.string_keys.extend(k.encode() for k in keys.tolist())
  else:
    message.keys.extend(keys.tolist())
  return message


def operators_of(nodes):
  """The operators of nodes and their subgraphs, without those that calls of local functions stand for."""
  found = {(n.domain, n.op_type) for n in nodes if n.domain != "case.local"}
  graphs = [a.g for n in nodes for a in n.attribute if a.type == onnx.AttributeProto.GRAPH]
  return found.union(*(operators_of(g.node) for g in graphs))


def write_value(x, path):
  if isinstance(x, dict):
    message = map_proto(x)
  elif isinstance(x, list) and x and isinstance(x[0], dict):
    message = onnx.SequenceProto(elem_type=onnx.SequenceProto.MAP, map_values=[map_proto(d) for d in x])
  elif isinstance(x, list):
    message = onnx.SequenceProto(elem_type=onnx.SequenceProto.TENSOR, tensor_values=[to_proto(e, "") for e in x])
  else:
    message = to_proto(x, "")
  with open(path, "wb") as file:
    file.write(message.SerializeToString())


class Case:
  """One case: its draws, and the folder that it is written to."""

  def __init__(self, area, name, number, seed, folder):
    self.rng = np.random.default_rng([seed, zlib.crc32(f"{area}.{name}".encode()), number])
    self.label = f"{name}_{number:04d}"
    self.area, self.folder = area, folder
    self.outcome, self.why, self.row, self.operators = "nothing", [], "", set()

  # Draws

  def pick(self, items):
    return items[int(self.rng.integers(len(items)))]

  def chance(self, p):
    return bool(self.rng.random() < p)

  def integer(self, low, high):
    """From low to high, both included."""
    return int(self.rng.integers(low, high + 1))

  def flag(self):
    return self.integer(0, 1)

  def permutation(self, n):
    return [int(p) for p in self.rng.permutation(n)]

  def shape(self, low=0, high=4, zero=0.05, largest=5):
    """Of rank low to high, with a dimension of size 0 once in a while."""
    s = [self.integer(1, largest) for _ in range(self.integer(low, high))]
    if s and self.chance(zero):
      s[self.integer(0, len(s) - 1)] = 0
    return tuple(s)

  def data(self, shape, dtype=np.float32, positive=False, scale=3.0):
    shape = tuple(shape)
    if dtype == bool:
      return self.rng.random(shape) < 0.5
    if dtype == object:
      texts = [self.pick(["a", "b", "xyz", "", "é"]) for _ in range(int(np.prod(shape)))]
      return np.array(texts, object).reshape(shape)
    kind = np.dtype(dtype).kind
    if kind == "c":
      return (self.rng.standard_normal(shape) + 1j * self.rng.standard_normal(shape)).astype(dtype)
    if kind in "iu" and dtype not in NARROW:
      return np.asarray(self.rng.integers(1 if positive else 0 if kind == "u" else -7, 9, shape)).astype(dtype)
    if dtype in NARROW:
      return np.asarray(self.rng.integers(0 if dtype == ml_dtypes.uint4 else -8, 8, shape)).astype(dtype)
    x = self.rng.random(shape) * scale + 0.1 if positive else self.rng.standard_normal(shape) * scale
    return np.asarray(x).astype(np.float64 if dtype == np.float64 else np.float32).astype(dtype)

  def distinct(self, shape, dtype=np.float32):
    """Numbers that are all different, in any order: nothing depends on how ties are settled."""
    n = int(np.prod(shape))
    return (self.rng.permutation(n) - n // 2).reshape(shape).astype(dtype)

  def axis(self, rank):
    """An axis of a tensor of this rank, counted from either end."""
    a = self.integer(0, rank - 1)
    return a - rank if self.chance(0.4) else a

  def axes(self, rank, low=1):
    if rank < low or rank == 0:
      return []
    some = self.rng.permutation(rank)[: self.integer(low, rank)]
    return [int(a) - rank if self.chance(0.4) else int(a) for a in some]

  def opset(self, since, to=NEWEST):
    if since >= COMMON or to > COMMON and self.chance(0.1):
      return self.integer(max(since, COMMON + 1) if to > COMMON else since, to)
    return self.integer(since, min(to, COMMON))

  # Models

  def node(self, op, inputs, outputs=1, *, since=13, until=NEWEST, domain="", constants=None, dynamic=None, form=None, loops=True,
           attributes=None, types=None, **rest):
    """A model of one node.

    inputs: arrays, None for one that is left out; also lists (sequences) and dictionaries (maps).
    outputs: how many, or a list with False for each that is left out.
    since, until: the operator sets of its domain from which one is drawn.
    constants: the numbers of the inputs that become initializers; drawn unless it is given, never input 0 by itself.
    dynamic: whether dimensions are symbols. form: "node", "if", "function" or "loop" (which only onnxruntime runs rightly; not
    drawn unless `loops`). Both drawn unless they are given.
    attributes: as keywords too; those that are None are left out. trust, expect, tolerance: see `model`.
    types: by number the element types of outputs whose types don't follow from the inputs; for the form "node".
    """
    options = {k: rest.pop(k) for k in ("trust", "expect", "tolerance", "only", "random") if k in rest}
    attributes = {k: v for k, v in {**(attributes or {}), **rest}.items() if v is not None}
    if constants is None:
      constants = [i for i in range(1, len(inputs)) if self.chance(0.4)]
    constants = [i for i in constants if isinstance(inputs[i], np.ndarray)]
    dynamic = self.chance(0.4) if dynamic is None else dynamic
    form = form or self.pick(["node"] * 14 + ["if"] * 2 + ["function"] * 3 + ["loop"] * loops)
    version = self.opset(since, until)
    while inputs and inputs[-1] is None:
      inputs = inputs[:-1]
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    wanted = [True] * outputs if isinstance(outputs, int) else outputs
    results = [f"y{i}" if w else "" for i, w in enumerate(wanted)]
    kept = [r for r in results if r]
    node = helper.make_node(op, names, results, domain=domain, **attributes)
    given = [(f"x{i}", x) for i, x in enumerate(inputs) if x is not None and i not in constants]
    declared = [value_info(n, x, self.dimensions(n, x, dynamic)) for n, x in given]
    imports = [helper.make_opsetid("", version if domain == "" else self.opset(17, COMMON))]
    imports += [helper.make_opsetid(domain, version)] if domain else []
    nodes, functions = [node], []
    if form == "function":
      nodes, functions = [self.call(node, names, kept, imports, functions)], functions
      imports = imports + [helper.make_opsetid("case.local", 1)]
    elif form == "if":
      nodes, condition = self.branches(node, kept)
      declared, given = declared + [value_info("condition", condition, ())], given + [("condition", condition)]
    elif form == "loop":
      nodes = [self.loop(node, kept)]
    initializers = [to_proto(inputs[i], f"x{i}") for i in constants]
    if form == "loop":
      initializers += [to_proto(np.array(2, np.int64), "trips"), to_proto(np.array(True), "always")]
    graph = helper.make_graph(nodes, "case", declared, [onnx.ValueInfoProto(name=o) for o in kept], initializers)
    for i, dtype in (types or {}).items():
      graph.output[i].CopyFrom(helper.make_tensor_value_info(f"y{i}", helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), None))
    model = helper.make_model(graph, opset_imports=imports, functions=functions, ir_version=10)
    self.label += f"_{op}" if form == "node" else f"_{op}_{form}"
    if form == "loop":
      # The reference evaluator joins what the iterations give along its first axis; a new axis is due.
      options["only"] = "onnxruntime"
      if "expect" in options:
        options["expect"] = [np.stack([y, y]) for y in options["expect"]]
    self.model(model, [x for _, x in given], **options)

  def dimensions(self, name, x, dynamic):
    if not isinstance(x, np.ndarray):
      return None
    return [f"{name}_{k}" for k in range(x.ndim)] if dynamic else x.shape

  def call(self, node, names, outputs, imports, functions):
    """The call of a function that holds the node and takes some of its attributes from the caller."""
    parameters = []
    inner = onnx.NodeProto()
    inner.CopyFrom(node)
    for a in inner.attribute:
      if a.type not in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.TENSOR) and self.chance(0.3):
        parameters.append(onnx.AttributeProto())
        parameters[-1].CopyFrom(a)
        name, kind = a.name, a.type
        a.Clear()
        a.name, a.type, a.ref_attr_name = name, kind, name
    taken = [n for n in names if n]
    functions.append(helper.make_function("case.local", "Fn", taken, outputs, [inner], imports, [p.name for p in parameters]))
    caller = helper.make_node("Fn", taken, outputs, domain="case.local")
    caller.attribute.extend(parameters)
    return caller

  def branches(self, node, outputs):
    """An If with the node in both branches."""
    def branch(name):
      inner = onnx.NodeProto()
      inner.CopyFrom(node)
      inner.output[:] = [o and name + o for o in node.output]
      return helper.make_graph([inner], name, [], [onnx.ValueInfoProto(name=name + o) for o in outputs])
    made = helper.make_node("If", ["condition"], outputs, then_branch=branch("then"), else_branch=branch("else"))
    return [made], np.array(self.chance(0.5))

  def loop(self, node, outputs):
    """A Loop of two iterations that collects the node's results."""
    inner = onnx.NodeProto()
    inner.CopyFrom(node)
    inner.output[:] = [o and "body" + o for o in node.output]
    body = helper.make_graph(
      [helper.make_node("Identity", ["go"], ["again"]), inner], "body",
      [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("go", TensorProto.BOOL, [])],
      [helper.make_tensor_value_info("again", TensorProto.BOOL, [])] + [onnx.ValueInfoProto(name="body" + o) for o in outputs])
    return helper.make_node("Loop", ["trips", "always"], outputs, body=body)

  def model(self, model, inputs, trust=None, expect=None, tolerance=None, only=None, random=False):
    """A whole model; `inputs` by the order of the graph's inputs.

    trust: "reference" or "onnxruntime", which is right where both run and differ. expect: the outputs by the specification, where
    both are wrong or none runs. only: the one reference to ask. random: only type, shape and
    distribution are compared. tolerance: (relative, absolute) instead of what fits the element types.
    """
    self.operators = operators_of([*model.graph.node, *(n for f in model.functions for n in f.node)])
    outputs, self.why = references.evaluate(model, inputs, trust, expect, tolerance, only)
    self.outcome = "kept" if outputs is not None else "differ" if not self.why else "unrunnable"
    if outputs is None:
      return
    for o, y in zip(model.graph.output, outputs):
      o.CopyFrom(value_info(o.name, y))
    case = self.label
    data = os.path.join(self.folder, self.area, case, "test_data_set_0")
    os.makedirs(data, exist_ok=True)
    onnx.save(model, os.path.join(self.folder, self.area, case, "model.onnx"))
    for kind, values in (("input", inputs), ("output", outputs)):
      for i, x in enumerate(values):
        write_value(x, os.path.join(data, f"{kind}_{i}.pb"))
    relative, absolute = tolerance or references.tolerance(outputs)
    self.row = f"{self.area},{case},{relative:g},{absolute:g},{int(random)}"
