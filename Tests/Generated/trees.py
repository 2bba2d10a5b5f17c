"""Tree ensembles of ai.onnx.ml, in the old form and the new one."""
import numpy as np
from onnx import TensorProto, helper

from cases import family
from learning import TRANSFORMS, labels, ml, numbers

MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def grow(c, features, deepest):
  """A tree as a list of nodes: (feature, value, mode, true, false) or None for a leaf; numbers are places in the list."""
  nodes = []
  def visit(depth):
    place = len(nodes)
    nodes.append(None)
    if depth < deepest and (depth == 0 or c.chance(0.7)):
      feature, value = c.integer(0, features - 1), float(np.round(c.data(()) * 2) / 2)
      yes = visit(depth + 1)
      nodes[place] = (feature, value, yes, visit(depth + 1))
    return place
  visit(0)
  return nodes


def old_form(c, features, targets, prefix, everywhere):
  """everywhere: each leaf has a weight for each target."""
  a = {k: [] for k in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids", "missing_value_tracks_true")}
  ends = {f"{prefix}_treeids": [], f"{prefix}_nodeids": [], f"{prefix}_ids": [], f"{prefix}_weights": []}
  one_mode = c.pick(MODES) if c.chance(0.7) else None
  for t in range(c.integer(1, 4)):
    for i, node in enumerate(grow(c, features, c.integer(0, 4))):
      feature, value, yes, no = node or (0, 0.0, 0, 0)
      mode = "LEAF" if node is None else one_mode or c.pick(MODES)
      for key, v in zip(a, (t, i, feature, mode, value, yes, no, c.flag() if node else 0)):
        a[key].append(v)
      if node is None:
        for target in (range(targets) if everywhere else c.permutation(targets)[: c.integer(1, targets)]):
          for key, v in zip(ends, (t, i, target, float(c.data(())))):
            ends[key].append(v)
  return {**{f"nodes_{k}": v for k, v in a.items()}, **ends}


def inputs(c, features):
  x = np.round(numbers(c, (c.integer(1, 6), features)) * 2) / 2
  x = x.astype(c.pick([np.float32, np.float32, np.float64, np.int64]))
  if x.dtype.kind == "f" and c.chance(0.3):
    x[c.rng.random(x.shape) < 0.3] = np.nan
  return x


@family(120)
def regressor(c):
  features, targets = c.integer(1, 4), c.integer(1, 3)
  # onnxruntime drops the base value of a target that no leaf gave.
  with_base = c.flag()
  trees = old_form(c, features, targets, "target", with_base or c.flag())
  ml(c, "TreeEnsembleRegressor", [inputs(c, features)], until=3, n_targets=targets, aggregate_function=c.pick([None, "SUM", "AVERAGE", "MIN", "MAX"]),
     base_values=[float(v) for v in c.data((targets,))] if with_base else None, post_transform=c.pick([None, *TRANSFORMS]), **trees)


@family(120)
def classifier(c):
  # Two classes with scores of their own are left out: onnxruntime's labels for them are 0 and 1 whatever the model says.
  features, classes = c.integer(1, 4), c.pick([1, 3, 4])
  with_base = c.chance(0.3) and classes > 2
  trees = old_form(c, features, classes, "class", True)
  classes = max(classes, 2)
  ml(c, "TreeEnsembleClassifier", [inputs(c, features)], outputs=2, until=3, post_transform=c.pick(TRANSFORMS),
     base_values=[float(v) for v in c.data((classes,))] if with_base else None, **trees,
     **labels(c, classes, "classlabels_int64s"))


@family(60)
def ensemble(c):
  features, targets = c.integer(1, 4), c.integer(1, 3)
  nodes, leaves, roots = [], [], []
  for _ in range(c.integer(1, 3)):
    tree = grow(c, features, c.integer(1, 4))
    base, place = len(nodes), {}
    roots.append(base)
    for i, n in enumerate(tree):
      place[i] = base + sum(m is not None for m in tree[:i]) if n else len(leaves) + sum(m is None for m in tree[:i])
    nodes += [(n[0], n[1], place[n[2]], tree[n[2]] is None, place[n[3]], tree[n[3]] is None) for n in tree if n]
    leaves += [(c.integer(0, targets - 1), float(c.data(()))) for n in tree if n is None]
  dtype = c.pick([np.float32, np.float64])
  kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
  tensor = lambda name, kind, v: helper.make_tensor(name, kind, [len(v)], v)
  mode = c.integer(0, 5)
  # onnxruntime has SOFTMAX and LOGISTIC the other way round.
  x = inputs(c, features).astype(dtype)
  ml(c, "TreeEnsemble", [x], since=5, n_targets=targets, aggregate_function=c.integer(0, 3), post_transform=c.pick([0, 0, 3]),
     tree_roots=roots, nodes_featureids=[n[0] for n in nodes], nodes_splits=tensor("s", kind, [n[1] for n in nodes]),
     nodes_modes=tensor("m", TensorProto.UINT8, [mode if c.chance(0.7) else c.integer(0, 5) for _ in nodes]),
     nodes_truenodeids=[n[2] for n in nodes], nodes_trueleafs=[int(n[3]) for n in nodes],
     nodes_falsenodeids=[n[4] for n in nodes], nodes_falseleafs=[int(n[5]) for n in nodes],
     nodes_missing_value_tracks_true=[c.flag() for _ in nodes] if c.flag() else None,
     leaf_targetids=[t for t, _ in leaves], leaf_weights=tensor("w", kind, [w for _, w in leaves]))
