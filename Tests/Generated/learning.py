"""ai.onnx.ml without trees: linear and support vector models, scalers, encoders, vectorizers, maps."""
import numpy as np

from cases import family

ML = "ai.onnx.ml"


def ml(c, op, inputs, outputs=1, since=1, until=5, **more):
  # The reference evaluator's ai.onnx.ml is a sketch: integers stay integers, transforms and targets are missing or
  # swapped.
  options = {"only": "onnxruntime", **{k: more.pop(k) for k in ("tolerance", "expect") if k in more}}
  if more.get("post_transform") == "LOGISTIC":
    # onnxruntime subtracts from 1 what is near 1.
    options.setdefault("tolerance", (1e-4, 1e-6))
  c.node(op, inputs, outputs=outputs, domain=ML, since=since, until=until, constants=(), attributes=more, form=c.pick(["node"] * 4 + ["if"]),
         **options)


def numbers(c, shape):
  return c.data(shape, c.pick([np.float32, np.float32, np.float64, np.int64, np.int32]))


def reals(c, shape, scale=3.0):
  return [float(v) for v in c.data(shape, scale=scale).ravel()]


def labels(c, n, integers="classlabels_ints"):
  return {"classlabels_strings": [f"c{k}" for k in range(n)]} if c.flag() else {integers: [3 * k + 1 for k in range(n)]}


TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"]


@family(60)
def linear_classifier(c):
  n, f, classes = c.integer(1, 4), c.integer(1, 5), c.integer(2, 4)
  x = numbers(c, (n, f))
  ml(c, "LinearClassifier", [x], outputs=2, coefficients=reals(c, (classes, f)), intercepts=reals(c, (classes,)),
     post_transform=c.pick(TRANSFORMS), multi_class=c.flag(), **labels(c, classes))


@family(40)
def linear_regressor(c):
  n, f, targets = c.integer(1, 4), c.integer(1, 5), c.integer(1, 3)
  ml(c, "LinearRegressor", [c.data((n, f))], coefficients=reals(c, (targets, f)), intercepts=reals(c, (targets,)) if c.flag() else None,
     targets=targets, post_transform=c.pick([None, "NONE"]))


def kernel(c):
  return {"kernel_type": c.pick(["LINEAR", "POLY", "RBF", "SIGMOID"]), "kernel_params": [0.3, 0.5, float(c.integer(1, 3))]}


@family(50)
def svm_regressor(c):
  n, f, v = c.integer(1, 4), c.integer(1, 4), c.integer(1, 5)
  linear = c.chance(0.25)
  k = kernel(c)
  if linear:
    k["kernel_type"] = "LINEAR"
  ml(c, "SVMRegressor", [c.data((n, f), scale=1)], coefficients=reals(c, (f if linear else v,)), support_vectors=None if linear else reals(c, (v, f), 1),
     n_supports=0 if linear else v, rho=reals(c, (1,)), one_class=c.pick([None, 0, 1]), post_transform="NONE", **k)


@family(70)
def svm_classifier(c):
  n, f, classes = c.integer(1, 4), c.integer(1, 4), c.integer(2, 4)
  per = [c.integer(1, 3) for _ in range(classes)]
  v, pairs = sum(per), classes * (classes - 1) // 2
  probabilities = c.chance(0.4)
  ml(c, "SVMClassifier", [c.data((n, f), scale=1)], outputs=2, coefficients=reals(c, (classes - 1, v)), support_vectors=reals(c, (v, f), 1),
     vectors_per_class=per, rho=reals(c, (pairs,), 0.5), prob_a=reals(c, (pairs,), 1) if probabilities else None,
     prob_b=reals(c, (pairs,), 1) if probabilities else None, post_transform=c.pick(["NONE", "SOFTMAX", "LOGISTIC"]) if not probabilities else "NONE",
     tolerance=(1e-3, 1e-4), **kernel(c), **labels(c, classes))


@family(30)
def scaler(c):
  n, f = c.integer(1, 4), c.integer(1, 5)
  k = c.pick([1, f])
  ml(c, "Scaler", [numbers(c, (n, f))], offset=reals(c, (k,)), scale=reals(c, (k,)))


@family(30)
def normalizer(c):
  ml(c, "Normalizer", [numbers(c, (c.integer(1, 4), c.integer(1, 5)))], norm=c.pick(["MAX", "L1", "L2"]))


@family(30)
def binarizer(c):
  ml(c, "Binarizer", [c.data(c.shape(1, 3), c.pick([np.float32, np.float64]))], threshold=c.pick([None, 0.5, -1.0]))


@family(40)
def imputer(c):
  n, f = c.integer(1, 4), c.integer(1, 5)
  if c.flag():
    x = c.data((n, f))
    x[c.data(x.shape, bool)] = np.nan
    ml(c, "Imputer", [x], imputed_value_floats=reals(c, (c.pick([1, f]),)), replaced_value_float=c.pick([float("nan"), float("nan"), 2.0]))
  else:
    x = c.rng.integers(0, 4, (n, f)).astype(np.int64)
    ml(c, "Imputer", [x], imputed_value_int64s=[int(v) for v in c.rng.integers(5, 9, c.pick([1, f]))], replaced_value_int64=2)


@family(20)
def array_feature_extractor(c):
  x = c.data(c.shape(1, 3, zero=0), c.pick([np.float32, np.int64, np.float64, object]))
  ml(c, "ArrayFeatureExtractor", [x, c.rng.integers(0, x.shape[-1], (1, c.integer(1, 4))).astype(np.int64)])


@family(20)
def feature_vectorizer(c):
  n = c.integer(1, 4)
  parts = [c.data((n, c.integer(1, 4)), np.float32) for _ in range(c.integer(1, 3))]
  ml(c, "FeatureVectorizer", parts, inputdimensions=[p.shape[1] for p in parts])


@family(30)
def one_hot_encoder(c):
  if c.flag():
    x = c.rng.integers(0, 5, c.shape(1, 3, zero=0)).astype(c.pick([np.int64, np.float32, np.int32, np.float64]))
    ml(c, "OneHotEncoder", [x], cats_int64s=[0, 1, 2, 3, 4], zeros=c.pick([None, 1]))
  else:
    x = np.array([c.pick(["a", "b", "q"]) for _ in range(4)], object).reshape(2, 2)
    ml(c, "OneHotEncoder", [x], cats_strings=["a", "b", "c"], zeros=1)


@family(60)
def label_encoder(c):
  kinds = {"strings": ["a", "b", "c"], "int64s": [1, 2, 3], "floats": [1.5, 2.5, 3.5]}
  a, b = c.pick(list(kinds)), c.pick(list(kinds))
  some = kinds[a] + ["zz" if a == "strings" else 9]
  x = np.array([c.pick(some) for _ in range(6)], {"strings": object, "int64s": np.int64, "floats": np.float32}[a]).reshape(c.pick([(6,), (2, 3)]))
  default = {f"default_{b[:-1]}": {"strings": "none", "int64s": -5, "floats": -0.5}[b]} if c.flag() else {}
  ml(c, "LabelEncoder", [x], since=2, **{f"keys_{a}": kinds[a], f"values_{b}": [kinds[b][i] for i in c.permutation(3)]}, **default)


@family(20)
def label_encoder_1(c):
  strings = c.flag()
  x = np.array([c.pick(["a", "b", "zz"]) for _ in range(5)], object) if strings else c.rng.integers(0, 4, 5).astype(np.int64)
  ml(c, "LabelEncoder", [x], until=1, classes_strings=["a", "b", "c"], default_string="none", default_int64=-7)


@family(20)
def category_mapper(c):
  strings = c.flag()
  x = np.array([c.pick(["a", "b", "zz"]) for _ in range(6)], object) if strings else c.rng.integers(0, 5, 6).astype(np.int64)
  ml(c, "CategoryMapper", [x.reshape(2, 3)], cats_int64s=[1, 2, 3], cats_strings=["a", "b", "c"], default_string="none", default_int64=-7)


@family(20)
def dict_vectorizer(c):
  if c.flag():
    x = {k: float(c.integer(-5, 5)) for k in ["a", "c", "e"][: c.integer(1, 3)]}
    ml(c, "DictVectorizer", [x], string_vocabulary=["a", "b", "c", "d"])
  else:
    x = {k: float(c.integer(-5, 5)) for k in [1, 3, 5][: c.integer(1, 3)]}
    ml(c, "DictVectorizer", [x], int64_vocabulary=[1, 2, 3, 4])


@family(20)
def zip_map(c):
  classes = c.integer(1, 4)
  ml(c, "ZipMap", [c.data((c.integer(1, 3), classes))], **labels(c, classes, "classlabels_int64s"))


@family(20)
def cast_map(c):
  x = {k: float(c.integer(1, 9)) for k in c.permutation(5)[:3]}
  if c.flag():
    ml(c, "CastMap", [x], cast_to=c.pick(["TO_FLOAT", "TO_INT64", "TO_STRING"]), map_form="DENSE")
  else:
    ml(c, "CastMap", [x], cast_to="TO_FLOAT", map_form="SPARSE", max_map=6)
