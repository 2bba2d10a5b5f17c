"""RNN, GRU and LSTM."""
import numpy as np

from cases import family

ACTIVATIONS = ["Tanh", "Sigmoid", "Relu", "Softsign", "Softplus", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu"]


def recurrent(c, op, gates, functions, **more):
  direction = c.pick(["forward", "reverse", "bidirectional", None])
  d = 2 if direction == "bidirectional" else 1
  t, n, i, h = c.integer(1, 6), c.integer(1, 4), c.integer(1, 5), c.integer(1, c.pick([4, 20]))
  dtype = c.pick([np.float32] * 6 + [np.float64])
  layout = c.pick([None, 0, 1])
  swap = lambda x: np.ascontiguousarray(np.swapaxes(x, 0, 1)) if layout == 1 else x
  data = lambda *s: c.data(s, dtype, scale=0.7)
  x, w, r = swap(data(t, n, i)), data(d, gates * h, i), data(d, gates * h, h)
  b = data(d, 2 * gates * h) if c.chance(0.7) else None
  lengths = c.rng.integers(1, t + 1, n).astype(np.int32) if c.chance(0.4) else None
  h0 = swap(data(d, n, h)) if c.flag() else None
  attributes = {"hidden_size": h, "direction": direction, "layout": layout, "clip": 0.8 if c.chance(0.25) else None, **more}
  if c.chance(0.3):
    chosen = [c.pick(ACTIVATIONS) for _ in range(functions)] * d
    attributes["activations"] = chosen
    if any(a in ("Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu") for a in chosen):
      attributes["activation_alpha"] = [0.3 + 0.1 * k for k in range(len(chosen))]
      attributes["activation_beta"] = [0.6] * len(chosen)
  outputs = c.pick([[True, True], [True], [False, True]])
  inputs = [x, w, r, b, lengths, h0]
  if op == "LSTM":
    inputs += [swap(data(d, n, h)) if c.flag() else None, data(d, 3 * h) if c.chance(0.4) else None]
    outputs = c.pick([[True, True, True], [True], [False, True, True], [True, False, True]])
  # onnxruntime has neither layout 1 nor activations with parameters as the specification has them; the reference evaluator has
  # neither lengths nor clipping nor other activations.
  easy = attributes.get("activations") is None and attributes["clip"] is None and lengths is None
  since = 14 if layout is not None else 7
  if layout == 1:
    return flipped(c, op, inputs, outputs, attributes, since) if not easy or direction in ("reverse", "bidirectional") else c.node(
      op, inputs, outputs=outputs, since=since, attributes=attributes, only="reference")
  c.node(op, inputs, outputs=outputs, since=since, attributes=attributes, only="onnxruntime")


def flipped(c, op, inputs, outputs, attributes, since):
  """Layout 1 is layout 0 with the first two axes of everything that has a batch exchanged."""
  from onnx import helper
  import onnx
  import references
  from cases import element_type
  swap = lambda x: None if x is None else np.ascontiguousarray(np.swapaxes(x, 0, 1))
  plain = list(inputs)
  for k in (0, 5, 6):
    if k < len(plain):
      plain[k] = swap(plain[k])
  names = ["" if x is None else f"x{k}" for k, x in enumerate(plain)]
  results = [f"y{k}" if w else "" for k, w in enumerate(outputs)]
  node = helper.make_node(op, names, results, **{k: v for k, v in attributes.items() if v is not None and k != "layout"})
  given = [(n, x) for n, x in zip(names, plain) if n]
  graph = helper.make_graph([node], "plain", [helper.make_tensor_value_info(n, element_type(x), x.shape) for n, x in given],
                            [onnx.ValueInfoProto(name=r) for r in results if r])
  model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
  ys = dict(zip([r for r in results if r], references.ort(model, [n for n, _ in given], [x for _, x in given])))
  turned = [np.transpose(y, (2, 0, 1, 3)) if name == "y0" else np.swapaxes(y, 0, 1) for name, y in ys.items()]
  c.node(op, inputs, outputs=outputs, since=since, attributes=attributes, expect=[np.ascontiguousarray(y) for y in turned])


@family(110)
def rnn(c):
  recurrent(c, "RNN", 1, 1)


@family(130)
def gru(c):
  recurrent(c, "GRU", 3, 2, linear_before_reset=c.pick([None, 0, 1]))


@family(150)
def lstm(c):
  recurrent(c, "LSTM", 4, 3, input_forget=c.pick([None, None, 0, 1]))
