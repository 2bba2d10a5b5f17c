"""If, Loop, Scan (version 8 too), nesting and captures."""
import numpy as np
import onnx
from onnx import TensorProto, helper

from cases import family, to_proto, value_info

F, I, B = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
node, info = helper.make_node, helper.make_tensor_value_info


def model(c, nodes, inputs, outputs, opset, constants=(), functions=()):
  """inputs: {name: array}; those named in `constants` become initializers."""
  graph = helper.make_graph(
    nodes, "case", [value_info(n, x, c.dimensions(n, x, c.chance(0.4))) for n, x in inputs.items() if n not in constants],
    [onnx.ValueInfoProto(name=o) for o in outputs], [to_proto(x, n) for n, x in inputs.items() if n in constants])
  return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], functions=functions, ir_version=10)


def finish(c, nodes, inputs, outputs, opset, constants=(), **options):
  c.model(model(c, nodes, inputs, outputs, opset, constants), [x for n, x in inputs.items() if n not in constants], **options)


@family(60)
def loop(c):
  """Sums, collects, and stops early when its condition says so."""
  s = c.shape(0, 3)
  limit = c.integer(0, 30)
  body = helper.make_graph(
    [node("Add", ["s", "outer"], ["s2"]), node("Cast", ["i"], ["t"], to=F), node("Mul", ["s2", "t"], ["scan"]),
     node("ReduceSum", ["s2"], ["total"], keepdims=0), node("Less", ["total", "limit"], ["c2"])], "body",
    [info("i", I, []), info("c", B, []), info("s", F, s)],
    [info("c2", B, []), info("s2", F, s), info("scan", F, s)], [helper.make_tensor("limit", F, [], [float(limit)])])
  trips = c.chance(0.85)
  go = c.chance(0.7)
  inputs = {"x": c.data(s), "outer": c.data(s, positive=True)}
  if trips:
    inputs["m"] = np.array(c.integer(0, 6), np.int64)
  elif np.prod(s) == 0:
    inputs["m"], trips = np.array(3, np.int64), True
  if go:
    inputs["go"] = np.array(c.chance(0.9))
  constants = [n for n in ("m", "go") if n in inputs and c.chance(0.4)]
  finish(c, [node("Loop", ["m" if trips else "", "go" if go else "", "x"], ["y", "z"], body=body)], inputs, ["y", "z"],
         c.integer(13, 21), constants, only="onnxruntime")


@family(40)
def loop_growing(c):
  """A carried value whose shape changes from one iteration to the next."""
  body = helper.make_graph(
    [node("Concat", ["s", "x"], ["s2"], axis=0), node("Identity", ["c"], ["c2"]), node("Shape", ["s2"], ["n"])], "body",
    [info("i", I, []), info("c", B, []), info("s", F, None)], [info("c2", B, []), info("s2", F, None), info("n", I, [1])])
  inputs = {"m": np.array(c.integer(0, 5), np.int64), "go": np.array(True), "x": c.data((c.integer(0, 3),)), "start": c.data((c.integer(0, 2),))}
  finish(c, [node("Loop", ["m", "go", "start"], ["y", "n"], body=body)], inputs, ["y", "n"], c.integer(13, 21), only="onnxruntime")


@family(40)
def nested(c):
  """Loops in loops and Ifs in loops; the innermost takes values from all around it."""
  s = c.shape(0, 2, zero=0)
  op1, op2 = c.pick(["Add", "Mul", "Max"]), c.pick(["Sub", "Add", "Min"])
  inner = helper.make_graph(
    [node(op1, ["t", "x"], ["t1"]), node("Cast", ["i"], ["fi"], to=F), node(op2, ["t1", "fi"], ["t2"]), node("Identity", ["d"], ["d2"])], "inner",
    [info("j", I, []), info("d", B, []), info("t", F, s)], [info("d2", B, []), info("t2", F, s)])
  then = helper.make_graph([node("Loop", ["k", "go", "s"], ["u"], body=inner)], "then", [], [info("u", F, s)])
  other = helper.make_graph([node("Add", ["s", "x"], ["w"])], "else", [], [info("w", F, s)])
  outer = helper.make_graph(
    [node("Mod", ["i", "two"], ["r"]), node("Cast", ["r"], ["odd"], to=B), node("If", ["odd"], ["s2"], then_branch=then, else_branch=other),
     node("Identity", ["c"], ["c2"])], "outer",
    [info("i", I, []), info("c", B, []), info("s", F, s)], [info("c2", B, []), info("s2", F, s)])
  inputs = {"m": np.array(c.integer(0, 4), np.int64), "k": np.array(c.integer(0, 3), np.int64), "go": np.array(True), "two": np.array(2, np.int64),
            "x": c.data(s, scale=1)}
  constants = [n for n in ("m", "k", "go", "two") if c.chance(0.5)]
  finish(c, [node("Loop", ["m", "go", "x"], ["y"], body=outer)], inputs, ["y"], c.integer(13, 21), constants)


@family(40)
def branches(c):
  """Branches of different shapes, with outputs that are captures or constants themselves."""
  s = c.shape(0, 3)
  a, b = c.data(s), c.data(c.shape(len(s), len(s)))
  op = c.pick(["Neg", "Exp", "Identity", "Abs"])
  then = helper.make_graph([node(op, ["a"], ["p"]), node("Shape", ["a"], ["q"])], "then", [], [info("p", F, None), info("q", I, None)])
  other = helper.make_graph([node("Identity", ["b"], ["r"]), node("Constant", [], ["t"], value=to_proto(np.array([7], np.int64), ""))], "else", [],
                            [info("r", F, None), info("t", I, None)])
  inputs = {"p0": np.array(c.chance(0.5)), "a": a, "b": b}
  finish(c, [node("If", ["p0"], ["y", "n"], then_branch=then, else_branch=other)], inputs, ["y", "n"], c.integer(11, 24),
         [n for n in inputs if c.chance(0.2)])


@family(70)
def scan(c):
  """Several states and sequences, any axis, both directions."""
  s = c.shape(0, 2, zero=0)
  n, k = c.integer(1, 5), c.integer(1, 2)
  outs = c.integer(1, 2)
  in_axes = [c.integer(0, len(s)) for _ in range(k)]
  out_axes = [c.integer(-len(s) - 1, len(s)) for _ in range(outs)]
  xs = [np.ascontiguousarray(np.moveaxis(c.data((n, *s), scale=1), 0, a)) for a in in_axes]
  nodes = [node("Add", ["h", "e0"], ["h2"]), node("Mul", ["h2", f"e{k - 1}"], ["o0"]), node("Sub", ["h2", "x0sum"], ["o1"])]
  nodes.insert(0, node("ReduceMax", ["outer"], ["x0sum"], keepdims=0))
  body = helper.make_graph(nodes, "body", [info("h", F, s)] + [info(f"e{i}", F, s) for i in range(k)],
                           [info("h2", F, s)] + [info(f"o{i}", F, s) for i in range(outs)])
  inputs = {"h0": c.data(s), **{f"x{i}": x for i, x in enumerate(xs)}, "outer": c.data((3,))}
  attributes = {"num_scan_inputs": k}
  if any(in_axes) or c.flag():
    attributes["scan_input_axes"] = [a - len(s) - 1 if c.chance(0.3) else a for a in in_axes]
  if c.chance(0.6):
    attributes["scan_output_axes"] = out_axes
  if c.chance(0.5):
    attributes["scan_input_directions"] = [c.flag() for _ in range(k)]
  if c.chance(0.5):
    attributes["scan_output_directions"] = [c.flag() for _ in range(outs)]
  finish(c, [node("Scan", ["h0"] + [f"x{i}" for i in range(k)], ["y"] + [f"z{i}" for i in range(outs)], body=body, **attributes)],
         inputs, ["y"] + [f"z{i}" for i in range(outs)], c.integer(11, 17), only="onnxruntime")


@family(30)
def scan_8(c):
  """Version 8: a batch of sequences of different lengths."""
  s = c.shape(1, 2, zero=0)
  batch, n = c.integer(1, 3), c.integer(1, 5)
  body = helper.make_graph([node("Add", ["h", "e"], ["h2"]), node("Neg", ["h2"], ["o"])], "body", [info("h", F, s), info("e", F, s)],
                           [info("h2", F, s), info("o", F, s)])
  inputs = {"h0": c.data((batch, *s)), "x": c.data((batch, n, *s))}
  names = ["", "h0", "x"]
  if c.flag():
    inputs["lengths"], names[0] = c.rng.integers(1, n + 1, batch).astype(np.int64), "lengths"
  attributes = {"directions": [c.flag()]} if c.flag() else {}
  finish(c, [node("Scan", names, ["y", "z"], body=body, num_scan_inputs=1, **attributes)], inputs, ["y", "z"], 8, only="onnxruntime")


@family(30)
def functions(c):
  """Functions that call functions, with default attributes and an If inside."""
  s = c.shape(0, 3)
  slope = helper.make_attribute("slope", 0.25)
  leaky = helper.make_node("LeakyRelu", ["a"], ["b"])
  leaky.attribute.append(onnx.AttributeProto(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="slope"))
  imports = [helper.make_opsetid("", 17), helper.make_opsetid("case.local", 1)]
  inner = helper.make_function("case.local", "Inner", ["a"], ["b"], [leaky], imports, [], [slope])
  then = helper.make_graph([node("Inner", ["p"], ["t"], domain="case.local", **({"slope": 0.5} if c.flag() else {}))], "then", [], [info("t", F, None)])
  other = helper.make_graph([node("Neg", ["p"], ["u"])], "else", [], [info("u", F, None)])
  outer = helper.make_function("case.local", "Outer", ["p", "q"], ["r"], [node("If", ["q"], ["v"], then_branch=then, else_branch=other),
                                                                           node("Inner", ["v"], ["r"], domain="case.local")], imports)
  inputs = {"x": c.data(s), "flag": np.array(c.chance(0.5))}
  m = model(c, [node("Outer", ["x", "flag"], ["y"], domain="case.local")], inputs, ["y"], 17, functions=[inner, outer])
  m.opset_import.append(helper.make_opsetid("case.local", 1))
  c.model(m, list(inputs.values()))
