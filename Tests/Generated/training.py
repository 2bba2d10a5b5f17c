"""Losses and optimizers."""
import numpy as np

from cases import family

TRAINING = "ai.onnx.preview.training"


@family(60)
def losses(c):
  n, classes = c.integer(1, 4), c.integer(1, 5)
  rest = c.shape(0, 2, zero=0)
  dtype = c.pick([np.float32, np.float64])
  x = c.data([n, classes, *rest], dtype)
  ignored = c.pick([None, 0, -1, 2])
  target = c.rng.integers(0, classes, [n, *rest]).astype(c.pick([np.int32, np.int64]))
  if ignored == -1:
    target[c.data(target.shape, bool)] = -1
  # The reference evaluator ignores -1 only where there are weights.
  weight = c.data([classes], dtype, positive=True) if c.flag() or ignored == -1 else None
  reduction = c.pick(["none", "mean", "sum", None])
  if c.flag():
    c.node("NegativeLogLikelihoodLoss", [x, target, weight], reduction=reduction, ignore_index=ignored, since=12 if ignored != -1 else 13)
  else:
    c.node("SoftmaxCrossEntropyLoss", [x, target, weight], outputs=c.pick([1, 2]), reduction=reduction, ignore_index=ignored,
           since=12 if ignored != -1 else 13)


def adam(rate, step, groups, kw):
  r, a, b = float(rate), kw["alpha"], kw["beta"]
  made = [[], [], []]
  for x, g, v, h in zip(*groups):
    g = (kw["norm_coefficient"] or 0) * x + g
    v, h = a * v + (1 - a) * g, b * h + (1 - b) * g * g
    rate = r * np.sqrt(1 - b ** int(step)) / (1 - a ** int(step)) if step > 0 else r
    x = (1 - (kw["norm_coefficient_post"] or 0)) * (x - rate * v / (np.sqrt(h) + kw["epsilon"]))
    for values, y in zip(made, (x, v, h)):
      values.append(y.astype(np.float32))
  return made[0] + made[1] + made[2]


@family(45)
def optimizers(c):
  op = c.pick(["Adagrad", "Momentum", "Adam"])
  rate, step = np.array(0.1, np.float32), np.array(c.integer(0, 5), np.int64)
  many = c.integer(1, 2)
  shapes = [c.shape(1, 3, zero=0) for _ in range(many)]
  group = lambda positive=False: [c.data(s, positive=positive) for s in shapes]
  if op == "Adagrad":
    inputs = [rate, step, *group(), *group(), *group(True)]
    kw = {"decay_factor": c.pick([None, 0.1]), "epsilon": 1e-3, "norm_coefficient": c.pick([None, 0.01])}
  elif op == "Momentum":
    inputs = [rate, step, *group(), *group(), *group()]
    kw = {"alpha": 0.9, "beta": 0.8, "mode": c.pick(["standard", "nesterov"]), "norm_coefficient": 0.01}
  else:
    inputs = [rate, step, *group(), *group(), *group(), *group(True)]
    kw = {"alpha": 0.9, "beta": 0.99, "epsilon": 1e-3, "norm_coefficient": c.pick([None, 0.01]), "norm_coefficient_post": c.pick([None, 0.02])}
  # The reference evaluator's Adam turns float32 into double.
  expect = {"expect": adam(rate, step, [inputs[2 + k * many : 2 + (k + 1) * many] for k in range(4)], kw)} if op == "Adam" else {}
  c.node(op, inputs, outputs=many * (3 if op == "Adam" else 2), domain=TRAINING, since=1, until=1, constants=(), attributes=kw, form="node", **expect)
