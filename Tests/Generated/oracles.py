"""Plain loops after the specification's text, for operators that both references have only in part."""
import itertools

import numpy as np

FUNCTIONS = {
  "Sigmoid": lambda x, a, b: 1 / (1 + np.exp(-x)), "Tanh": lambda x, a, b: np.tanh(x), "Relu": lambda x, a, b: np.maximum(x, 0),
  "Softsign": lambda x, a, b: x / (1 + np.abs(x)), "Softplus": lambda x, a, b: np.logaddexp(x, 0),
  "Affine": lambda x, a, b: a * x + b, "LeakyRelu": lambda x, a, b: np.where(x < 0, a * x, x),
  "ThresholdedRelu": lambda x, a, b: np.where(x > a, x, 0), "ScaledTanh": lambda x, a, b: a * np.tanh(b * x),
  "HardSigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1), "Elu": lambda x, a, b: np.where(x < 0, a * np.expm1(x), x)}
"""The activations that take alpha, and those that take beta: only they take from the lists."""
ALPHA = ("Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu")
BETA = ("Affine", "ScaledTanh", "HardSigmoid")
DEFAULTS = {"LeakyRelu": (0.01, 0), "ThresholdedRelu": (1, 0), "HardSigmoid": (0.2, 0.5), "Elu": (1, 0), "Affine": (1, 0), "ScaledTanh": (1, 1)}


def functions(names, alphas, betas, clip):
  # Attributes are float32.
  alphas, betas, made = [float(np.float32(v)) for v in alphas or []], [float(np.float32(v)) for v in betas or []], []
  clip = clip and float(np.float32(clip))
  for name in names:
    a, b = DEFAULTS.get(name, (0, 0))
    a = alphas.pop(0) if name in ALPHA and alphas else a
    b = betas.pop(0) if name in BETA and betas else b
    limit = (lambda x: np.clip(x, -clip, clip)) if clip else (lambda x: x)
    made.append(lambda x, f=FUNCTIONS[name], a=a, b=b, limit=limit: f(limit(x), a, b))
  return made


def cell(op, f, x, h, c, w, r, b, p, linear, coupled):
  """One step of one sequence: (h, c)."""
  n = len(h)
  wb, rb = b[: len(b) // 2], b[len(b) // 2:]
  xs, hs = w @ x + wb, r @ h
  if op == "RNN":
    return f[0](xs + hs + rb), c
  if op == "GRU":
    z, q = f[0](xs[:n] + hs[:n] + rb[:n]), f[0](xs[n : 2 * n] + hs[n : 2 * n] + rb[n : 2 * n])
    late = q * (hs[2 * n:] + rb[2 * n:]) if linear else r[2 * n:] @ (q * h) + rb[2 * n:]
    return (1 - z) * f[1](xs[2 * n:] + late) + z * h, c
  i, o, g, d = ((xs + hs + rb)[k * n : (k + 1) * n] for k in range(4))
  i = f[0](i + p[:n] * c)
  forget = 1 - i if coupled else f[0](g + p[2 * n:] * c)
  c = forget * c + i * f[1](d)
  return f[0](o + p[n : 2 * n] * c) * f[2](c), c


def recurrent(op, inputs, attributes):
  """[Y, Y_h, Y_c] of RNN, GRU or LSTM."""
  x, w, r, b, lengths, h0, c0, p = [None if v is None else np.asarray(v, np.float64) for v in (list(inputs) + [None] * 8)[:8]]
  gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[op]
  d, n = r.shape[0], r.shape[2]
  flip = (lambda v: np.swapaxes(v, 0, 1)) if attributes.get("layout") == 1 else (lambda v: v)
  x = flip(x)
  steps, batch = x.shape[:2]
  b = np.zeros((d, 2 * gates * n)) if b is None else b
  p = np.zeros((d, 3 * n)) if p is None else p
  h0, c0 = (np.zeros((d, batch, n)) if v is None else flip(v) for v in (h0, c0))
  default = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}[op]
  names = attributes.get("activations") or default * d
  made = functions(names, attributes.get("activation_alpha"), attributes.get("activation_beta"), attributes.get("clip"))
  y, yh, yc = np.zeros((steps, d, batch, n)), np.zeros((d, batch, n)), np.zeros((d, batch, n))
  for k, s in itertools.product(range(d), range(batch)):
    f = made[k * len(default) : (k + 1) * len(default)]
    h, c = h0[k, s], c0[k, s]
    length = steps if lengths is None else int(lengths[s])
    order = range(length)
    for t in reversed(order) if k == 1 or attributes.get("direction") == "reverse" else order:
      h, c = cell(op, f, x[t, s], h, c, w[k], r[k], b[k], p[k], attributes.get("linear_before_reset"), attributes.get("input_forget"))
      y[t, k, s] = h
    yh[k, s], yc[k, s] = h, c
  if attributes.get("layout") == 1:
    y, yh, yc = np.transpose(y, (2, 0, 1, 3)), flip(yh), flip(yc)
  return [np.ascontiguousarray(v).astype(inputs[0].dtype) for v in (y, yh, yc)]


def windows(size, attributes):
  """For each spatial dimension the list of windows: (first, step, taps, the begin pad, the end pad)."""
  d = len(size)
  kernel = attributes["kernel_shape"]
  strides, dilations = attributes.get("strides") or [1] * d, attributes.get("dilations") or [1] * d
  pads, auto = attributes.get("pads") or [0] * (2 * d), attributes.get("auto_pad") or "NOTSET"
  made = []
  for i in range(d):
    extent = (kernel[i] - 1) * dilations[i] + 1
    begin, end = (0, 0) if auto != "NOTSET" else (pads[i], pads[i + d])
    if auto.startswith("SAME"):
      count = -(-size[i] // strides[i])
      total = max((count - 1) * strides[i] + extent - size[i], 0)
      begin, end = (total // 2, total - total // 2) if auto == "SAME_UPPER" else (total - total // 2, total // 2)
    else:
      room = size[i] + begin + end - extent
      count = room // strides[i] + 1
      if attributes.get("ceil_mode"):
        count = -(-room // strides[i]) + 1
        # A window that would start in the padding after the end is left out.
        if (count - 1) * strides[i] >= size[i] + begin:
          count -= 1
    made.append([[k * strides[i] - begin + j * dilations[i] for j in range(kernel[i])] for k in range(count)] + [(begin, end)])
  return made


def pool(op, x, attributes):
  """[Y] or, for MaxPool, [Y, Indices]."""
  size = x.shape[2:]
  spots = windows(size, attributes)
  limits = [s.pop() for s in spots]
  y = np.zeros((*x.shape[:2], *(len(s) for s in spots)))
  at = np.zeros(y.shape, np.int64)
  weights = np.cumprod([1, *size[:0:-1]])[::-1] if not attributes.get("storage_order") else np.cumprod([1, *size[:-1]])
  p, padded = attributes.get("p") or 2, attributes.get("count_include_pad")
  for place in itertools.product(*(range(len(s)) for s in spots)):
    taps = list(itertools.product(*(s[k] for s, k in zip(spots, place))))
    inside = [t for t in taps if all(0 <= v < n for v, n in zip(t, size))]
    counted = [t for t in taps if all(-b <= v < n + e for v, n, (b, e) in zip(t, size, limits))]
    for n, k in np.ndindex(*x.shape[:2]):
      v = np.array([x[(n, k, *t)] for t in inside], np.float64)
      where = (n, k, *place)
      if op == "MaxPool":
        y[where] = v.max()
        at[where] = (n * x.shape[1] + k) * int(np.prod(size)) + sum(int(w) * i for w, i in zip(weights, inside[int(np.argmax(v))]))
      elif op == "AveragePool":
        y[where] = v.sum() / (len(counted) if padded else len(inside))
      else:
        y[where] = (np.abs(v) ** p).sum() ** (1 / p)
  return [y.astype(x.dtype), at]
