"""RNN, GRU and LSTM."""
import numpy as np

import oracles
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
    # Gates that aren't bounded let a cell grow without end.
    bounded = ["Tanh", "Sigmoid", "Softsign", "HardSigmoid", "ScaledTanh"]
    chosen = [c.pick(bounded if k == 0 else ACTIVATIONS) for k in range(functions)] * d
    attributes["activations"] = chosen
    if any(a in ("Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu") for a in chosen):
      attributes["activation_alpha"] = [0.3 + 0.1 * k for k in range(len(chosen))]
      attributes["activation_beta"] = [0.6] * len(chosen)
  outputs = c.pick([[True, True], [True], [False, True]])
  inputs = [x, w, r, b, lengths, h0]
  if op == "LSTM":
    inputs += [swap(data(d, n, h)) if c.flag() else None, data(d, 3 * h) if c.chance(0.4) else None]
    outputs = c.pick([[True, True, True], [True], [False, True, True], [True, False, True]])
  # onnxruntime has neither layout 1 nor double, and clips gates only; the reference evaluator has neither lengths nor clipping
  # nor most activations.
  plain = layout != 1 and dtype == np.float32 and attributes["clip"] is None and attributes.get("activations") is None and not (
    direction == "bidirectional" and lengths is not None)
  expect = [y for y, wanted in zip(oracles.recurrent(op, inputs, attributes), outputs) if wanted]
  more = {"only": "onnxruntime"} if plain else {"expect": expect}
  c.node(op, inputs, outputs=outputs, since=14 if layout is not None else 7, attributes=attributes, **more)


@family(110)
def rnn(c):
  recurrent(c, "RNN", 1, 1)


@family(130)
def gru(c):
  recurrent(c, "GRU", 3, 2, linear_before_reset=c.pick([None, 0, 1]))


@family(150)
def lstm(c):
  recurrent(c, "LSTM", 4, 3, input_forget=c.pick([None, None, 0, 1]))
