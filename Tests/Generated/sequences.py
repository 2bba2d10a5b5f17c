"""Sequences and optionals."""
import numpy as np
from onnx import TensorProto, helper

from cases import family
from control import finish, info, node

DTYPES = [np.float32, np.int64, np.float64, object, bool]


def parts(c, n, dtype, same=False):
  s = c.shape(1, 3)
  return [c.data(s if same else c.shape(1, 3), dtype) for _ in range(n)]


@family(50)
def edit(c):
  """Insert, erase, read, count."""
  dtype = c.pick(DTYPES)
  n = c.integer(1, 4)
  xs = parts(c, n, dtype)
  inputs = {f"x{i}": x for i, x in enumerate(xs)}
  nodes = [node("SequenceConstruct", list(inputs), ["s0"])]
  last, count = "s0", n
  for k in range(c.integer(0, 3)):
    at = c.integer(-count, count - 1) if count else 0
    inputs[f"p{k}"] = np.array(at, c.pick([np.int32, np.int64]))
    if c.flag() or count < 2:
      inputs[f"v{k}"] = parts(c, 1, dtype)[0]
      place = [f"p{k}"] if c.chance(0.8) else []
      nodes.append(node("SequenceInsert", [last, f"v{k}", *place], [f"t{k}"]))
      count += 1
      if not place:
        del inputs[f"p{k}"]
    else:
      nodes.append(node("SequenceErase", [last, f"p{k}"], [f"t{k}"]))
      count -= 1
    last = f"t{k}"
  inputs["at"] = np.array(c.integer(-count, count - 1), np.int64)
  nodes += [node("SequenceAt", [last, "at"], ["y"]), node("SequenceLength", [last], ["n"])]
  outputs = ["y", "n"] + ([last] if c.flag() else [])
  finish(c, nodes, inputs, outputs, c.integer(11, 24), [n for n in inputs if c.chance(0.2)])


@family(40)
def join(c):
  dtype = c.pick([np.float32, np.int64, np.float64, object])
  new_axis = c.flag()
  xs = parts(c, c.integer(1, 4), dtype, same=True)
  axis = c.integer(-xs[0].ndim - new_axis, xs[0].ndim - 1 + new_axis)
  inputs = {f"x{i}": x for i, x in enumerate(xs)}
  nodes = [node("SequenceConstruct", list(inputs), ["s"]), node("ConcatFromSequence", ["s"], ["y"], axis=axis, new_axis=new_axis)]
  finish(c, nodes, inputs, ["y"], c.integer(11, 24))


@family(50)
def split(c):
  dtype = c.pick([np.float32, np.int64, object])
  x = c.data(c.shape(1, 3, zero=0), dtype)
  axis = c.axis(x.ndim)
  inputs, names = {"x": x}, ["x"]
  keep = None
  mode = c.integer(0, 2)
  if mode == 0:
    keep = c.pick([None, 0, 1])
  elif mode == 1:
    inputs["cut"] = np.array(c.integer(1, x.shape[axis]), np.int64)
  else:
    cuts, rest = [], x.shape[axis]
    while rest:
      cuts.append(c.integer(1, rest))
      rest -= cuts[-1]
    inputs["cut"] = np.array(cuts, np.int64)
  nodes = [node("SplitToSequence", ["x"] + (["cut"] if mode else []), ["s"], axis=axis, **({"keepdims": keep} if keep is not None else {}))]
  inputs["at"] = np.array(0, np.int64)
  nodes += [node("SequenceLength", ["s"], ["n"]), node("SequenceAt", ["s", "at"], ["y"])]
  finish(c, nodes, inputs, ["n", "y", "s"], c.integer(11, 24), trust="onnxruntime")


@family(30)
def sequence_map(c):
  xs = parts(c, c.integer(1, 4), np.float32)
  inputs = {f"x{i}": x for i, x in enumerate(xs)}
  body = helper.make_graph([node("Mul", ["e", "factor"], ["m"]), node("Shape", ["e"], ["k"])], "body", [info("e", 1, None), info("factor", 1, None)],
                           [info("m", 1, None), info("k", 7, None)])
  nodes = [node("SequenceConstruct", list(inputs), ["s"]), node("SequenceMap", ["s", "f"], ["y", "z"], body=body)]
  finish(c, nodes, {**inputs, "f": np.array(2.5, np.float32)}, ["y", "z"], c.integer(17, 22))


@family(20)
def empty(c):
  dtype = c.pick([None, 1, 7, 11])
  kind = {None: np.float32, 1: np.float32, 7: np.int64, 11: np.float64}[dtype]
  x = c.data(c.shape(0, 3), kind)
  nodes = [node("SequenceEmpty", [], ["s"], **({"dtype": dtype} if dtype else {})), node("SequenceInsert", ["s", "x"], ["t"]),
           node("SequenceLength", ["s"], ["a"]), node("SequenceLength", ["t"], ["b"]), node("SequenceAt", ["t", "zero"], ["y"])]
  finish(c, nodes, {"x": x, "zero": np.array(0, np.int64)}, ["a", "b", "y"], c.integer(11, 24), trust="onnxruntime")


@family(30)
def in_loop(c):
  """A sequence that a loop carries."""
  body = helper.make_graph(
    [node("SequenceInsert", ["s", "x"], ["s2"]), node("Identity", ["c"], ["c2"])], "body",
    [info("i", 7, []), info("c", 9, []), helper.make_tensor_sequence_value_info("s", 1, None)],
    [info("c2", 9, []), helper.make_tensor_sequence_value_info("s2", 1, None)])
  nodes = [node("SequenceConstruct", ["x"], ["s0"]), node("Loop", ["m", "go", "s0"], ["y"], body=body), node("SequenceLength", ["y"], ["n"])]
  inputs = {"m": np.array(c.integer(0, 4), np.int64), "go": np.array(True), "x": c.data(c.shape())}
  finish(c, nodes, inputs, ["y", "n"], c.integer(13, 22), only="onnxruntime")


@family(40)
def optionals(c):
  x = c.data(c.shape(), c.pick([np.float32, np.int64]))
  kind = helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(x.dtype), None)
  if c.chance(0.3):
    nodes = [node("Optional", [], ["o"], type=kind), node("OptionalHasElement", ["o"], ["h"])]
    return finish(c, nodes, {"x": x}, ["h"], c.integer(18, 24), expect=[np.array(False)])
  nodes = [node("Optional", ["x"], ["o"]), node("OptionalHasElement", ["o"], ["h"]), node("OptionalGetElement", ["o"], ["y"])]
  finish(c, nodes, {"x": x}, ["h", "y"], c.integer(15, 24), trust="onnxruntime")
