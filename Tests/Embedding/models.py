#!/usr/bin/env python3
"""Writes models.h and models.c: the small models of these tests as bytes. Run by hand; the result is kept."""
import os

import numpy as np
from onnx import TensorProto as T, checker, helper as h, numpy_helper as nh

OPSETS = [h.make_opsetid("", 18)]
models = {}


def model(name, nodes, inputs, outputs, initializers=(), opsets=OPSETS, check=True, **more):
  graph = h.make_graph(nodes, name, inputs, outputs, initializer=list(initializers), doc_string="graph of " + name)
  m = h.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="models.py", **more)
  if check:
    checker.check_model(m, full_check=True)
  models[name] = m
  return m


def tensor(name, kind, shape):
  return h.make_tensor_value_info(name, kind, shape)


def constant(name, values, kind):
  return nh.from_array(np.array(values, dtype=kind), name)


# z = x + y
model("add", [h.make_node("Add", ["x", "y"], ["z"], name="sum")],
      [tensor("x", T.FLOAT, [2, 3]), tensor("y", T.FLOAT, [2, 3])], [tensor("z", T.FLOAT, [2, 3])])

# hidden = x W, y = max(hidden, 0); W keeps the first three of four columns, the third one negated.
mlp = model("mlp", [h.make_node("MatMul", ["x", "W"], ["hidden"], name="product"),
                    h.make_node("Relu", ["hidden"], ["y"], name="rectifier")],
            [tensor("x", T.FLOAT, ["batch", 4])],
            [tensor("y", T.FLOAT, ["batch", 3]), tensor("hidden", T.FLOAT, ["batch", 3])],
            [constant("W", [[1, 0, 0], [0, 1, 0], [0, 0, -1], [0, 0, 0]], np.float32)],
            producer_version="7", domain="test.swiftlet", doc_string="doc of mlp", model_version=42)
h.set_model_props(mlp, {"author": "nobody", "empty": "", "author2": "grüße"})

# y = 2 x or x / 2, as `double` says.
branch = lambda op: h.make_graph([h.make_node(op, ["x", "two"], [op])], op, [], [tensor(op, T.FLOAT, [None])])
model("branch", [h.make_node("If", ["double"], ["y"], name="choice", then_branch=branch("Mul"),
                             else_branch=branch("Div"))],
      [tensor("double", T.BOOL, []), tensor("x", T.FLOAT, ["n"])], [tensor("y", T.FLOAT, ["n"])],
      [constant("two", 2, np.float32)])

# A loop that doesn't end.
body = h.make_graph([h.make_node("Identity", ["go"], ["go_out"]), h.make_node("Add", ["v", "one"], ["v_out"])], "body",
                    [tensor("i", T.INT64, []), tensor("go", T.BOOL, []), tensor("v", T.FLOAT, ["n"])],
                    [tensor("go_out", T.BOOL, []), tensor("v_out", T.FLOAT, ["n"])])
model("endless", [h.make_node("Loop", ["", "yes", "x"], ["y"], name="forever", body=body)],
      [tensor("x", T.FLOAT, ["n"])], [tensor("y", T.FLOAT, ["n"])],
      [constant("yes", True, np.bool_), constant("one", 1, np.float32)])

# s = [a, b]; element `i` of a sequence; whether an optional has something.
sequence = h.make_tensor_sequence_value_info
model("make_sequence", [h.make_node("SequenceConstruct", ["a", "b"], ["s"])],
      [tensor("a", T.FLOAT, ["n"]), tensor("b", T.FLOAT, ["m"])], [sequence("s", T.FLOAT, None)])
model("take_element", [h.make_node("SequenceAt", ["s", "i"], ["y"], name="at")],
      [sequence("s", T.FLOAT, ["n"]), tensor("i", T.INT64, [])], [tensor("y", T.FLOAT, ["n"])])
optional = h.make_optional_type_proto(h.make_tensor_type_proto(T.FLOAT, [2]))
model("has_element", [h.make_node("OptionalHasElement", ["o"], ["y"])], [h.make_value_info("o", optional)],
      [tensor("y", T.BOOL, [])])

# Maps in and out.
ML = [h.make_opsetid("", 18), h.make_opsetid("ai.onnx.ml", 3)]
mapping = h.make_map_type_proto(T.STRING, h.make_tensor_type_proto(T.FLOAT, []))
model("take_map", [h.make_node("DictVectorizer", ["m"], ["y"], domain="ai.onnx.ml", string_vocabulary=["a", "b", "c"])],
      [h.make_value_info("m", mapping)], [tensor("y", T.FLOAT, [1, 3])], opsets=ML, check=False)
model("make_map", [h.make_node("ZipMap", ["x"], ["z"], domain="ai.onnx.ml", classlabels_strings=["cat", "dog"])],
      [tensor("x", T.FLOAT, ["n", 2])], [h.make_value_info("z", h.make_sequence_type_proto(mapping))], opsets=ML,
      check=False)

# Strings, half floats, four-bit integers.
model("strings", [h.make_node("Identity", ["x"], ["y"])], [tensor("x", T.STRING, ["n"])],
      [tensor("y", T.STRING, ["n"])])
model("halves", [h.make_node("Add", ["x", "x"], ["y"])], [tensor("x", T.FLOAT16, ["n"])],
      [tensor("y", T.FLOAT16, ["n"])])
model("nibbles", [h.make_node("Cast", ["x"], ["y"], to=T.INT8)], [tensor("x", T.INT4, ["n"])],
      [tensor("y", T.INT8, ["n"])], opsets=[h.make_opsetid("", 21)])

# y = x + b, where b is an initializer that is also an input.
model("overridable", [h.make_node("Add", ["x", "b"], ["y"])], [tensor("b", T.FLOAT, [2]), tensor("x", T.FLOAT, [2])],
      [tensor("y", T.FLOAT, [2])], [constant("b", [10, 20], np.float32)])

# Things that go wrong, at load and at run.
model("unsupported", [h.make_node("NoSuchThing", ["x"], ["t"], name="first"),
                      h.make_node("Other", ["t"], ["y"], name="second", domain="example.org")],
      [tensor("x", T.FLOAT, [2])], [tensor("y", T.FLOAT, [2])],
      opsets=OPSETS + [h.make_opsetid("example.org", 1)], check=False)
model("invalid", [h.make_node("Relu", ["nowhere"], ["y"], name="lost")], [tensor("x", T.FLOAT, [2])],
      [tensor("y", T.FLOAT, [2])], check=False)
model("gather", [h.make_node("Gather", ["data", "i"], ["y"], name="lookup")], [tensor("i", T.INT64, ["n"])],
      [tensor("y", T.FLOAT, ["n"])], [constant("data", [5, 6, 7], np.float32)])
model("huge", [h.make_node("ConstantOfShape", ["shape"], ["y"], name="fill")], [tensor("shape", T.INT64, [1])],
      [tensor("y", T.FLOAT, ["n"])])
model("nonzero", [h.make_node("NonZero", ["x"], ["y"])], [tensor("x", T.FLOAT, ["n"])],
      [tensor("y", T.INT64, [1, "m"])])

# y = x + w, where w is in the file weights.bin: [100, 200].
external = model("external", [h.make_node("Add", ["x", "w"], ["y"])], [tensor("x", T.FLOAT, [2])],
                 [tensor("y", T.FLOAT, [2])], [constant("w", [100, 200], np.float32)])
w = external.graph.initializer[0]
w.ClearField("raw_data")
w.data_location = T.EXTERNAL
for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", "8")):
  entry = w.external_data.add()
  entry.key, entry.value = key, value


def write(name, lines):
  with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), "w") as f:
    f.write("\n".join(lines) + "\n")


def main():
  made = "/* Made by models.py, which says what each model does. */"
  declarations, definitions = [made, "#ifndef MODELS_H", "#define MODELS_H"], [made, '#include "models.h"']
  for name, m in models.items():
    data = m.SerializeToString()
    declaration = f"const unsigned char model_{name}[{len(data)}]"
    declarations.append(f"extern {declaration};")
    definitions += ["", declaration + " = {"]
    definitions += ["  " + ", ".join(map(str, data[at:at + 23])) + "," for at in range(0, len(data), 23)]
    definitions.append("};")
  write("models.h", declarations + ["#endif"])
  write("models.c", definitions)


main()
