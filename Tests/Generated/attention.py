"""Attention in all its forms, rotary embedding, and the operators of the newest language models."""
import numpy as np
from onnx import TensorProto, helper

from cases import BFLOAT16, family


@family(280)
def attention(c):
  three = c.chance(0.4)
  kv_heads = c.integer(1, 3)
  heads = kv_heads * c.pick([1, 1, 2, 3])
  n, q, kv, d = c.integer(1, 3), c.integer(1, 6), c.integer(1, 7), c.pick([2, 4, 8, 3])
  v = c.pick([d, d, d + 1])
  dtype = c.pick([np.float32] * 5 + [np.float16, np.float64])
  data = lambda h, s, e: c.data((n, s, h * e) if three else (n, h, s, e), dtype, scale=1)
  inputs = [data(heads, q, d), data(kv_heads, kv, d), data(kv_heads, kv, v), None, None, None]
  past = c.integer(0, 4) if c.chance(0.35) else None
  if past is not None:
    inputs[4], inputs[5] = c.data((n, kv_heads, past, d), dtype, scale=1), c.data((n, kv_heads, past, v), dtype, scale=1)
  total, causal = kv + (past or 0), c.pick([None, None, 0, 1])
  if c.chance(0.5):
    # The reference evaluator masks as if there were one query where a causal mask has one row for all.
    rows = q if causal else c.pick([q, q, 1])
    shape = c.pick([(rows, total), (1, 1, rows, total), (n, 1, rows, total), (n, heads, rows, total)])
    inputs[3] = c.data(shape, dtype) if c.flag() else c.rng.random(shape) < 0.8
    if inputs[3].dtype == bool:
      # A row in which everything is masked has no softmax that both references agree on.
      inputs[3][..., 0] = True
  outputs = c.pick([1, 1, 3, 4]) if past is not None else c.pick([[True], [True], [True, False, False, True]])
  softcap = c.pick([None, None, 2.0])
  mode = c.pick([None, 0, 1, 2, 3]) if outputs not in (1, 3, [True]) else None
  if outputs not in (1, 3, [True]) and not mode:
    # The reference evaluator caps the product in place, also where it is asked for as it was before.
    softcap = None
  attributes = {"scale": c.pick([None, 0.3]), "softcap": softcap, "qk_matmul_output_mode": mode,
                "is_causal": causal}
  if three:
    attributes.update(q_num_heads=heads, kv_num_heads=kv_heads)
  c.node("Attention", inputs, outputs=outputs, since=23, until=24, attributes=attributes, constants=(), form=c.pick(["node"] * 4 + ["if"]),
         tolerance=(1e-2, 5e-3) if dtype == np.float16 else (1e-5, 1e-6) if dtype == np.float64 else None)


@family(50)
def attention_lengths(c):
  """Caches that the model keeps: nonpad_kv_seqlen."""
  heads = c.integer(1, 2)
  n, q, kv, d = c.integer(1, 3), c.integer(1, 3), c.integer(3, 8), 4
  x = [c.data((n, heads, s, d), scale=1) for s in (q, kv, kv)]
  lengths = c.rng.integers(q, kv + 1, n).astype(np.int64)
  mask = c.data((q, kv)) if c.flag() else None
  c.node("Attention", [*x, mask, None, None, lengths], since=24, until=24, is_causal=c.pick([None, 1]), form="node", only="reference")


@family(80)
def rotary_embedding(c):
  heads, n, s, d = c.integer(1, 3), c.integer(1, 3), c.integer(1, 5), 2 * c.integer(1, 4)
  part = c.pick([None, None, 2 * c.integer(1, d // 2)])
  rotated = part or d
  three = c.flag()
  dtype = c.pick([np.float32] * 3 + [np.float16])
  x = c.data((n, s, heads * d) if three else (n, heads, s, d), dtype)
  with_ids = c.flag()
  table = (c.integer(s, 9), rotated // 2) if with_ids else (n, s, rotated // 2)
  cos, sin = c.data(table, dtype, scale=0.5), c.data(table, dtype, scale=0.5)
  ids = c.rng.integers(0, table[0], (n, s)).astype(np.int64) if with_ids else None
  c.node("RotaryEmbedding", [x, cos, sin, ids], since=23, num_heads=heads if three or c.chance(0.3) else None,
         rotary_embedding_dim=part, interleaved=c.pick([None, 0, 1]))


@family(40)
def tensor_scatter(c):
  s = list(c.shape(3, 4, zero=0))
  axis = c.pick([-2, None, 1 if len(s) == 3 else 2])
  k = (axis if axis is not None else -2) % len(s)
  s[k] = c.integer(3, 7)
  u = list(s)
  u[k] = c.integer(1, s[k])
  mode = c.pick([None, "linear", "circular"])
  limit = s[k] if mode == "circular" else s[k] - u[k] + 1
  at = c.rng.integers(0, limit, s[0]).astype(np.int64) if c.chance(0.8) else None
  dtype = c.pick([np.float32, np.float16, np.int64])
  c.node("TensorScatter", [c.data(s, dtype), c.data(u, dtype), at], since=24, axis=axis, mode=mode)


@family(20)
def swish(c):
  c.node("Swish", [c.data(c.shape())], since=24, alpha=c.pick([None, 0.5, 2.0]))


MODIFICATIONS = {"Tanh": np.tanh, "Abs": np.abs, "Neg": np.negative, "Identity": lambda x: x}


@family(40)
def flex_attention(c):
  """Groups of query heads, modifications of scores and shares; by the specification's text."""
  kv_heads = c.integer(1, 3)
  heads = kv_heads * c.pick([1, 2, 3])
  n, q, kv, d, v = c.integer(1, 2), c.integer(1, 5), c.integer(1, 6), c.integer(1, 5), c.integer(1, 5)
  dtype = c.pick([np.float32, np.float32, np.float64, np.float16])
  x = [c.data(s, dtype, scale=1) for s in ((n, heads, q, d), (n, kv_heads, kv, d), (n, kv_heads, kv, v))]
  work = TensorProto.DOUBLE if dtype == np.float64 else TensorProto.FLOAT
  attributes = {"scale": c.pick([None, 0.3])}
  mods = {}
  for name in ("score_mod", "prob_mod"):
    mods[name] = c.pick(list(MODIFICATIONS)) if c.flag() else None
    if mods[name]:
      types = [helper.make_tensor_value_info(t, work, [n, heads, q, kv]) for t in ("in", "out")]
      attributes[name] = helper.make_graph([helper.make_node(mods[name], ["in"], ["out"])], name, types[:1], types[1:])
  query, key, value = (e.astype(np.float64) for e in x)
  key, value = (np.repeat(e, heads // kv_heads, axis=1) for e in (key, value))
  scores = query @ key.swapaxes(-1, -2) * (attributes["scale"] or 1 / np.sqrt(d))
  scores = MODIFICATIONS[mods["score_mod"] or "Identity"](scores)
  shares = np.exp(scores - scores.max(-1, keepdims=True))
  shares = MODIFICATIONS[mods["prob_mod"] or "Identity"](shares / shares.sum(-1, keepdims=True))
  c.node("FlexAttention", x, domain="ai.onnx.preview", since=1, until=1, form="node", attributes=attributes, constants=(),
         expect=[(shares @ value).astype(dtype)], tolerance=(1e-2, 5e-3) if dtype == np.float16 else (1e-4, 1e-5))
