"""Hostile copies of cases: the same model with other inputs, initializers or attributes, as nobody would write them. What
they give doesn't matter; each must end in a result or an error, in bounded time and memory."""
import glob
import os
import random
import shutil
import subprocess

import numpy
import onnx
from onnx import numpy_helper

INTEGERS = [-1, 0, 1, 2, 3, 5, 129, 255, 4097, 2**31 - 1, -(2**31), 2**62, 2**63 - 1, -(2**63)]
FLOATS = [0.0, -1.0, 1e30, -1e30, 1e-40, float("nan"), float("inf")]
STRINGS = [b"", b"a", b"\xff", b"SAME_UPPER", b"cubic", b"reflect", b"add", b"bidirectional", b"...ij,jk->", b"("]
# No honest case takes this long or this much.
SECONDS, BYTES = 900, 16 << 30


def reshaped(draw, array):
  """The same elements in another shape, or fewer of them."""
  choices = [array.reshape(-1), array[None], numpy.zeros((0,) + array.shape[1:], array.dtype)]
  if array.size:
    choices.append(array.reshape(-1)[:1].reshape(()))
    choices.append(array.reshape(-1)[: draw.randint(1, array.size)])
  if array.ndim > 1:
    axis = draw.randrange(array.ndim)
    choices += [array.swapaxes(0, axis), array.take(range(draw.randint(0, array.shape[axis])), axis)]
  return draw.choice(choices)


def filled(draw, array):
  """The same shape with other elements: one value for all of them, or for some."""
  if array.dtype.kind not in "iuf" or not array.size:
    return array
  values = INTEGERS if array.dtype.kind in "iu" else FLOATS
  wide = numpy.array([draw.choice(values)]).astype(array.dtype)[0]
  return numpy.where(numpy.random.RandomState(draw.randrange(2**32)).rand(*array.shape) < draw.choice([0.2, 2]), wide, array)


def changed(draw, proto):
  """A hostile form of a TensorProto; the tensor itself where there is none."""
  try:
    array = numpy_helper.to_array(proto)
    whole = array.dtype.kind in "iu"
    array = (filled if whole and draw.random() < 0.5 else reshaped)(draw, array)
    return numpy_helper.from_array(numpy.ascontiguousarray(array).reshape(array.shape), proto.name)
  except (TypeError, ValueError, AttributeError):
    return proto


def change_attributes(draw, graph):
  for node in graph.node:
    for a in node.attribute:
      if a.type == a.GRAPH:
        change_attributes(draw, a.g)
      elif draw.random() < 0.4:
        if a.type == a.INT:
          a.i = draw.choice(INTEGERS)
        elif a.type == a.FLOAT:
          a.f = draw.choice(FLOATS)
        elif a.type == a.STRING:
          a.s = draw.choice(STRINGS)
        elif a.type == a.INTS:
          kept = [v if draw.random() < 0.5 else draw.choice(INTEGERS) for v in a.ints]
          a.ints[:] = kept[: draw.randint(0, len(kept))] if draw.random() < 0.3 else kept
        elif a.type == a.FLOATS:
          a.floats[:] = [v if draw.random() < 0.5 else draw.choice(FLOATS) for v in a.floats]
        elif a.type == a.TENSOR:
          a.t.CopyFrom(changed(draw, a.t))


def mutate(folder, to, draw):
  """A changed copy of the case in `folder` as `to`."""
  model = onnx.load(os.path.join(folder, "model.onnx"))
  for value in model.graph.input:
    if value.type.HasField("tensor_type"):
      value.type.tensor_type.ClearField("shape")
  for value in (*model.graph.output, *model.graph.value_info):
    value.type.Clear()
  inputs = sorted(glob.glob(os.path.join(folder, "test_data_set_0", "input_*.pb")))
  shutil.copytree(folder, to)
  if draw.random() < 0.3 or not inputs:
    change_attributes(draw, model.graph)
  else:
    # What isn't a tensor (a sequence, a map) doesn't parse as one, or gives a tensor without a type.
    chosen = draw.choice(inputs)
    tensor = onnx.TensorProto()
    with open(chosen, "rb") as file:
      data = file.read()
    try:
      tensor.ParseFromString(data)
      data = changed(draw, tensor).SerializeToString()
    except Exception:
      pass
    with open(os.path.join(to, "test_data_set_0", os.path.basename(chosen)), "wb") as file:
      file.write(data)
    for initializer in model.graph.initializer:
      if draw.random() < 0.3:
        initializer.CopyFrom(changed(draw, initializer))
  onnx.save(model, os.path.join(to, "model.onnx"))


def run(tool, folder, target, seed, jobs):
  """Makes a hostile copy of each case below `folder` in `target` and runs them: how many there were, and what crashed or
  took too long."""
  shutil.rmtree(target, ignore_errors=True)
  count = 0
  for model in sorted(glob.glob(os.path.join(folder, "*", "*", "model.onnx"))):
    case = os.path.dirname(model)
    label = os.path.relpath(case, folder)
    mutate(case, os.path.join(target, label), random.Random(f"{seed} {label}"))
    count += 1
  command = ["prlimit", f"--as={BYTES}", tool, "test", target, "--timeout", "10", "--jobs", str(jobs)]
  try:
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=SECONDS).stdout
  except subprocess.TimeoutExpired:
    return count, [f"no end after {SECONDS} seconds"]
  return count, [line for line in told.splitlines() if "crashed with" in line or "the worker ended" in line]
