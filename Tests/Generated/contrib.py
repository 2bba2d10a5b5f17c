"""Operators of com.microsoft: what onnxruntime's and Optimum's optimisers, quantisers and model builders write."""
import numpy as np

from cases import NARROW, family

BYTES = [np.uint8, np.int8]


def node(c, op, inputs, outputs=1, **rest):
  rest.setdefault("only", "onnxruntime")
  c.node(op, inputs, outputs=outputs, domain="com.microsoft", since=1, until=1, **rest)


def f32(*v):
  return np.array(v, np.float32)


def scalar(x, dtype=np.float32):
  return np.array(x, dtype)


def scale(c, low=0.01, high=0.1):
  return scalar(c.rng.uniform(low, high))


def codes(c, shape, dtype):
  low, high = (0, 256) if dtype == np.uint8 else (-128, 128)
  return c.rng.integers(low, high, shape).astype(dtype)


def zero(c, dtype):
  """A zero point. onnxruntime fails (or ends) for several operators that are given none, though their schemas allow it."""
  return codes(c, (), dtype)


# Activations and normalisation

@family(60)
def biased_activation(c):
  op = c.pick(["Gelu", "QuickGelu", "BiasGelu", "FastGelu"])
  x = c.data(c.shape(1, 4))
  bias = c.data(x.shape[-1:]) if op == "BiasGelu" or op == "FastGelu" and c.flag() else None
  node(c, op, [x, bias], alpha=c.pick([None, 1.0, 0.7]) if op == "QuickGelu" else None)


@family(50)
def skip_normalization(c):
  n, s, h = c.integer(1, 3), c.integer(1, 4), c.integer(1, 20)
  dtype = c.pick([np.float32] * 3 + [np.float16])
  x = c.data((n, s, h), dtype)
  skip = c.data(c.pick([(n, s, h), (n, s, h), (1, s, h), (s, h)]), dtype)
  gamma, beta = c.data((h,), dtype), c.data((h,), dtype) if c.flag() else None
  bias = c.data((h,), dtype) if c.flag() else None
  total = c.chance(0.4)
  simple = c.flag()
  node(c, "SkipSimplifiedLayerNormalization" if simple else "SkipLayerNormalization",
       [x, skip, gamma, bias] if simple else [x, skip, gamma, beta, bias],
       outputs=[True, False, False, True] if total else 1, epsilon=c.pick([None, 1e-5]), form="node" if total else None)


@family(40)
def embed_normalization(c):
  n, s, h, words = c.integer(1, 3), c.integer(1, 6), c.integer(1, 18), c.integer(2, 12)
  ids = c.rng.integers(0, words, (n, s)).astype(np.int32)
  with_segments = c.flag()
  segments = c.rng.integers(0, 2, (n, s)).astype(np.int32) if with_segments else None
  mask = (c.rng.random((n, s)) < 0.7).astype(np.int32) if c.flag() else None
  if c.flag():
    dtype = np.float32
    tables = [c.data((words, h), dtype), c.data((s + 2, h), dtype), c.data((2, h), dtype) if with_segments else None]
    places = c.rng.integers(0, s + 2, c.pick([(n, s), (1, s)])).astype(np.int32) if c.chance(0.3) else None
    node(c, "EmbedLayerNormalization", [ids, segments, *tables, c.data((h,), dtype), c.data((h,), dtype), mask, places],
         outputs=[True, True, c.flag() == 1], epsilon=c.pick([None, 1e-5]), form="node", dynamic=False)
    return
  dtype = c.pick(BYTES)
  keep = lambda x: x if with_segments else None
  tables = [codes(c, (words, h), dtype), codes(c, (s + 2, h), dtype), keep(codes(c, (2, h), dtype))]
  scales = [scale(c), scale(c), keep(scale(c)), scale(c), scale(c)]
  zeros = [codes(c, (), dtype), codes(c, (), dtype), keep(codes(c, (), dtype)), codes(c, (), dtype), codes(c, (), dtype)]
  node(c, "QEmbedLayerNormalization", [ids, segments, *tables, codes(c, (h,), dtype), codes(c, (h,), dtype), mask, *scales, *zeros],
       outputs=2, epsilon=c.pick([None, 1e-5]), form="node", dynamic=False)


# Attention

def int_mask(c, n, q, keys, spans=True):
  """A mask in one of its forms; the first key always counts."""
  form = c.pick(["none", "ends", "packed", "keys", "full"] + (["spans"] if spans else []))
  ends = c.rng.integers(1, keys + 1, n)
  if form == "none":
    return None
  if form == "ends":
    return ends.astype(np.int32)
  if form == "spans":
    return np.concatenate([ends, [c.integer(0, int(e) - 1) for e in ends]]).astype(np.int32)
  if form == "packed":
    return np.concatenate([ends, np.cumsum([0, *ends]), np.cumsum([0, *ends])]).astype(np.int32)
  mask = (c.rng.random((n, keys) if form == "keys" else (n, q, keys)) < 0.7).astype(np.int32)
  mask[..., 0] = 1
  return mask


def addend(c, n, heads, q, keys):
  return c.data((c.pick([1, n]), c.pick([1, heads]), q, keys), scale=1) if c.chance(0.4) else None


@family(120)
def projected_attention(c):
  quantized = c.chance(0.4)
  n, s, width, heads, d = c.integer(1, 3), c.integer(1, 6), c.integer(1, 12), c.integer(1, 3), c.pick([2, 4, 5])
  past = c.integer(0, 4) if c.chance(0.4) else None
  value = d if past is not None or quantized or c.flag() else d + c.integer(1, 2)
  total = s + (past or 0)
  cache = c.data((2, n, heads, past, d), scale=1) if past is not None else None
  columns = heads * (2 * d + value)
  attributes = {"num_heads": heads, "unidirectional": c.pick([None, 0, 1]), "scale": c.pick([None, None, 0.4]),
                "mask_filter_value": c.pick([None, None, -3.0])}
  mask = int_mask(c, n, s, total)
  outputs = 2 if past is not None else 1
  if not quantized:
    if value != d or c.chance(0.2):
      attributes["qkv_hidden_sizes"] = [heads * d, heads * d, heads * value]
    bias = c.data((columns,), scale=0.5)
    node(c, "Attention", [c.data((n, s, width), scale=1), c.data((width, columns), scale=0.5), bias, mask, cache,
                          None if cache is not None else addend(c, n, heads, s, total)], outputs=outputs, attributes=attributes, form="node")
    return
  xt, wt = np.uint8, c.pick(BYTES)
  per_column = c.chance(0.4)
  ws = c.rng.uniform(0.005, 0.02, (columns,)).astype(np.float32) if per_column else scale(c, 0.005, 0.02)
  wz = codes(c, (columns,) if per_column else (), wt)
  node(c, "QAttention", [codes(c, (n, s, width), xt), codes(c, (width, columns), wt), c.data((columns,), scale=0.5), scale(c, 0.005, 0.02),
                         ws, mask, zero(c, xt), wz, cache], outputs=outputs, attributes=attributes, form="node", constants=(1, 2, 3, 4, 6, 7))


@family(160)
def multi_head_attention(c):
  n, q, keys, heads, d = c.integer(1, 3), c.integer(1, 5), c.integer(1, 6), c.integer(1, 3), c.pick([2, 4, 5])
  value = c.pick([d, d, d + 1])
  form = c.pick(["separate", "separate", "past", "room", "cross", "queries", "keys"])
  attributes = {"num_heads": heads, "scale": c.pick([None, None, 0.4]), "mask_filter_value": c.pick([None, None, -3.0])}
  data = lambda *s: c.data(s, scale=1)
  if form == "cross":
    value = d
    inputs = [data(n, q, heads * d), data(n, heads, keys, d), data(n, heads, keys, d)]
    bias = None
  else:
    if form in ("past", "room"):
      keys, value = q, d
    inputs = [data(n, q, heads * d), data(n, keys, heads * d), data(n, keys, heads * value)]
    bias = c.data((heads * (2 * d + value),), scale=0.5) if c.flag() else None
  past = c.integer(0, 4) if form in ("past", "room") else 0
  room = past + keys + c.integer(0, 2)
  total = keys + past
  # onnxruntime lets the last query see every key; that differs where there are more keys than queries.
  if form == "past" and c.chance(0.4) or form == "separate" and keys == q:
    attributes["unidirectional"] = 1
  mask = int_mask(c, n, q, total, spans=False)
  inputs += [bias, mask, addend(c, n, heads, q, total)]
  outputs = 1
  if form == "past":
    value_past = data(n, heads, past, value)
    inputs += [data(n, heads, past, d), value_past]
    outputs = 3
  elif form == "room":
    inputs += [data(n, heads, room, d), data(n, heads, room, value), np.array([past], np.int32)]
    outputs = 3
  elif form == "separate" and c.chance(0.3):
    outputs = 3
  if form in ("queries", "keys"):
    packed_attention(c, form, n, q, keys, heads, d, attributes)
    return
  if outputs == 3 and "unidirectional" not in attributes and c.chance(0.3):
    node(c, "MultiHeadAttention", inputs, outputs=4, attributes=attributes, form="node", types={3: np.float32})
  else:
    node(c, "MultiHeadAttention", inputs, outputs=outputs, attributes=attributes, form="node")


def softmax(x):
  e = np.exp(x - x.max(-1, keepdims=True))
  return e / e.sum(-1, keepdims=True)


def packed_attention(c, form, n, q, keys, heads, d, attributes):
  """Queries, keys and values in one tensor: for GPUs in onnxruntime, so the outputs are computed here."""
  attributes.pop("mask_filter_value")
  factor = attributes["scale"] or 1 / np.sqrt(d)
  if form == "queries":
    x = c.data((n, q, heads, 3, d), scale=1)
    a, k, v = (x[:, :, :, i].transpose(0, 2, 1, 3) for i in range(3))
    inputs = [x]
  else:
    x, y = c.data((n, q, heads * d), scale=1), c.data((n, keys, heads, 2, d), scale=1)
    a = x.reshape(n, q, heads, d).transpose(0, 2, 1, 3)
    k, v = (y[:, :, :, i].transpose(0, 2, 1, 3) for i in range(2))
    inputs = [x, y]
  y = softmax(factor * a @ k.transpose(0, 1, 3, 2)) @ v
  node(c, "MultiHeadAttention", inputs, attributes=attributes, form="node",
       expect=[y.transpose(0, 2, 1, 3).reshape(n, q, heads * d).astype(np.float32)])


@family(60)
def decoder_masked_attention(c):
  beams, heads, d = c.pick([1, 1, 2]), c.integer(1, 3), c.pick([4, 8])
  n, past = beams * c.integer(1, 2), c.integer(1, 4)
  room = past + 1 + c.integer(0, 2)
  data = lambda *s: c.data(s, scale=1)
  attributes = {"num_heads": heads, "scale": c.pick([None, 0.4]), "mask_filter_value": c.pick([None, -3.0])}
  mask = (c.rng.random((n, past + 1)) < 0.7).astype(np.int32) if c.flag() else None
  if mask is not None:
    mask[:, 0] = 1
  bias = c.data((3 * heads * d,), scale=0.5) if c.chance(0.4) else None
  if c.chance(0.3):
    inputs = [data(n, 1, heads * d), data(n, heads, past + 1, d), data(n, heads, past + 1, d), mask]
    node(c, "DecoderMaskedMultiHeadAttention", inputs, attributes=attributes, form="node")
    return
  inputs = [data(n, 1, heads * d) for _ in range(3)] + [mask, data(c.pick([1, n]), heads, 1, past + 1) if beams == 1 and c.flag() else None]
  inputs += [data(n, heads, room, d), data(n, heads, room, d), np.array([past], np.int32)]
  if beams > 1 or bias is not None:
    choice = c.rng.integers(0, beams, (n // beams, beams, room)).astype(np.int32)
    inputs += [np.array([beams], np.int32), choice, bias]
  node(c, "DecoderMaskedMultiHeadAttention", inputs, outputs=3, attributes={**attributes, "past_present_share_buffer": 1}, form="node",
       constants=())


@family(200)
def group_query_attention(c):
  kv = c.integer(1, 3)
  heads, d = kv * c.pick([1, 2, 3]), c.pick([16, 32])
  prompt = c.flag()
  n = c.integer(1, 3)
  s = c.integer(1, 6) if prompt else c.pick([1, 1, 2 if n == 1 else 1])
  dtype = c.pick([np.float32] * 4 + [np.float16])
  bits = c.pick([None] * 4 + [8, 4]) if dtype == np.float32 else None
  past = 0 if prompt else c.integer(1, 5)
  total = s + past
  room = total + c.integer(0, 3) if c.flag() else past
  lengths = [total - 1] * n if n == 1 or c.flag() else [c.integer(0 if prompt else s, total - 1) for _ in range(n)]
  data = lambda *shape: c.data(shape, dtype, scale=1)
  packed = c.chance(0.3)
  inputs = [data(n, s, (heads + 2 * kv) * d), None, None] if packed else [data(n, s, heads * d), data(n, s, kv * d), data(n, s, kv * d)]
  # In a window, rows that fill a shorter prompt up see anything.
  window = c.pick([None, None, 1, 3]) if not prompt or lengths == [total - 1] * n else None
  attributes = {"num_heads": heads, "kv_num_heads": kv, "scale": c.pick([None, 0.4]), "softcap": c.pick([None, None, 2.0]),
                "local_window_size": window, "smooth_softmax": c.pick([None, None, None, 1])}
  if bits:
    kind = c.pick(["PER_TENSOR", "PER_CHANNEL"])
    cache = [c.rng.integers(-100, 100, (n, kv, room, d)).astype(np.int8) if bits == 8
             else c.rng.integers(0, 256, (n, kv, room, d // 2)).astype(np.uint8) for _ in range(2)]
    shape = (1,) if kind == "PER_TENSOR" else (1, kv, 1, d)
    scales = [c.rng.uniform(0.01, 0.03, shape).astype(np.float32) * (8 if bits == 4 else 1) for _ in range(2)]
    attributes.update(kv_cache_bit_width=bits, k_quant_type=kind, v_quant_type=kind)
  else:
    cache, scales = [data(n, kv, room, d) if not prompt or c.flag() else None] * 2, [None, None]
  inputs += [*cache, np.array(lengths, np.int32), scalar(total, np.int32)]
  rotary = [None] * 3
  if c.flag():
    half = d // 2
    rotary = [data(total + 4, half), data(total + 4, half), None]
    if c.chance(0.3):
      ids = np.arange(s)[None] + c.rng.integers(0, 4, (n, 1))
      rotary[2] = np.minimum(ids, total + 3).astype(np.int64)
      if prompt:
        rotary[2][:] = rotary[2][:1]
    attributes.update(do_rotary=1, rotary_interleaved=c.pick([None, 1]))
  bias = data(c.pick([1, n]), c.pick([1, heads]), s, total) if c.chance(0.25) else None
  sink = data(heads) if attributes["smooth_softmax"] is None and c.chance(0.2) else None
  inputs += [*rotary, bias, sink, *scales]
  if attributes["local_window_size"] is None and c.chance(0.1):
    attributes["causal"] = 0
  # What a query doesn't see is not written by onnxruntime.
  mode = c.pick([None, 1, 2]) if not bits and s == 1 and lengths == [total - 1] * n and attributes["local_window_size"] is None else None
  attributes["qk_output"] = mode
  node(c, "GroupQueryAttention", inputs, outputs=4 if mode else 3, attributes=attributes, form="node", constants=c.pick([(), (6,)]))


@family(60)
def group_query_attention_window(c):
  """A cache that drops the oldest rows (onnxruntime doesn't write those behind the rows that it keeps: there are none)."""
  kv = c.integer(1, 2)
  heads, d = kv * c.pick([1, 2]), 32
  window = c.integer(1, 4)
  room = window + c.integer(0, 3)
  prompt = c.chance(0.3)
  n = c.integer(1, 2)
  step = room - window + 1
  total = room + step * c.integer(0, 2)
  s = total if prompt else c.pick([1, 1, c.integer(1, total - 1) if n == 1 and total > 1 else 1])
  prompt = prompt or s == total
  data = lambda *shape: c.data(shape, scale=1)
  bits = c.pick([None, None, 8, 4])
  attributes = {"num_heads": heads, "kv_num_heads": kv, "local_window_size": window, "sliding_window_cache": 1, "softcap": c.pick([None, 2.0])}
  cache, scales = [data(n, kv, room, d), data(n, kv, room, d)], [None, None]
  if bits:
    cache = [c.rng.integers(-100, 100, (n, kv, room, d)).astype(np.int8) if bits == 8
             else c.rng.integers(0, 256, (n, kv, room, d // 2)).astype(np.uint8) for _ in range(2)]
    scales = [c.rng.uniform(0.01, 0.03, (1,)).astype(np.float32) * (8 if bits == 4 else 1) for _ in range(2)]
    attributes.update(kv_cache_bit_width=bits, k_quant_type="PER_TENSOR", v_quant_type="PER_TENSOR")
  rotary = [data(total + 2, d // 2), data(total + 2, d // 2)] if c.flag() else [None, None]
  if rotary[0] is not None:
    attributes["do_rotary"] = 1
  bias = data(c.pick([1, n]), c.pick([1, heads]), s, total) if c.chance(0.3) else None
  node(c, "GroupQueryAttention", [data(n, s, heads * d), data(n, s, kv * d), data(n, s, kv * d), *cache, np.full(n, total - 1, np.int32),
                                  scalar(total, np.int32), *rotary, None, bias, None, *scales], outputs=3, attributes=attributes, form="node")


@family(50)
def rotary_embedding(c):
  heads, n, s, d = c.integer(1, 3), c.integer(1, 3), c.integer(1, 5), 2 * c.integer(1, 4)
  part = c.pick([None, None, 2 * c.integer(1, d // 2)])
  dtype = c.pick([np.float32] * 3 + [np.float16])
  four = c.flag()
  x = c.data((n, heads, s, d) if four else (n, s, heads * d), dtype)
  half, longest = (part or d) // 2, s + c.integer(0, 4)
  tables = [c.data((longest, half), dtype, scale=0.5) for _ in range(2)]
  ids = np.array([c.integer(0, longest - s)], np.int64) if c.flag() else c.rng.integers(0, longest, (n, s)).astype(np.int64)
  node(c, "RotaryEmbedding", [x, ids, *tables], num_heads=heads if part or c.flag() else None, rotary_embedding_dim=part,
       interleaved=c.pick([None, 0, 1]))


# Quantised operators

@family(80)
def quantized_arithmetic(c):
  dtype = c.pick(BYTES)
  full = c.shape(1, 4, largest=20)
  part = lambda: tuple(1 if c.chance(0.3) else d for d in full)[c.integer(0, len(full)) if c.chance(0.3) else 0:]
  a, b = c.pick([(full, full), (full, part()), (part(), full), (part(), part())])
  z = scale(c) if c.flag() else scalar(0.05)
  node(c, c.pick(["QLinearAdd", "QLinearMul"]), [codes(c, a, dtype), scale(c), zero(c, dtype), codes(c, b, dtype), scale(c), zero(c, dtype),
                                                 z, zero(c, dtype)])


@family(60)
def quantized_function(c):
  op = c.pick(["QLinearLeakyRelu", "QLinearSigmoid", "QLinearSoftmax"])
  dtype = c.pick(BYTES)
  shape = [c.integer(2, 9) for _ in range(c.integer(1, 4))]
  attributes = {"alpha": c.pick([None, 0.2])} if op == "QLinearLeakyRelu" else {}
  out, point = scale(c, 0.004, 0.05), zero(c, dtype)
  if op == "QLinearSoftmax":
    attributes = {"axis": c.axis(len(shape)), "opset": c.pick([11, 13])}
    out, point = scalar(1 / 256), scalar(0 if dtype == np.uint8 else -128, dtype)
  node(c, op, [codes(c, shape, dtype), scale(c), zero(c, dtype), out, point], attributes=attributes,
       tolerance=(0, 1) if op == "QLinearSoftmax" else None)


@family(40)
def quantized_selection(c):
  dtype = c.pick(BYTES)
  if c.flag():
    s = list(c.shape(1, 4, zero=0))
    axis = c.axis(len(s))
    parts = []
    for _ in range(c.integer(1, 3)):
      s[axis] = c.integer(1, 4)
      parts += [codes(c, s, dtype), scale(c), codes(c, (), dtype)]
    node(c, "QLinearConcat", [scale(c), codes(c, (), dtype), *parts], axis=axis, form="node",
         constants=[i for i in range(len(parts) + 2) if i % 3 != 2])
    return
  full = c.shape(1, 4)
  part = lambda: tuple(1 if c.chance(0.3) else d for d in full)
  condition, x, y = c.data(part(), bool), codes(c, full, dtype), codes(c, part(), dtype)
  quant = [(scale(c), codes(c, (), dtype)) for _ in range(3)]
  # onnxruntime ends for some shapes, so the outputs are computed here.
  wide = [(v.astype(np.float32) - np.float32(z)) * s for v, (s, z) in zip((x, y), quant)]
  info = np.iinfo(dtype)
  z = np.clip(np.rint(np.where(condition, *wide) / quant[2][0]) + quant[2][1], info.min, info.max).astype(dtype)
  node(c, "QLinearWhere", [condition, x, *quant[0], y, *quant[1], *quant[2]], expect=[z])


@family(70)
def quantized_pool(c):
  dtype = c.pick(BYTES)
  op = c.pick(["QLinearAveragePool", "QLinearGlobalAveragePool", "NhwcMaxPool"])
  rank = 2 if op != "QLinearAveragePool" else c.integer(1, 2)
  last = 1 if op == "NhwcMaxPool" else c.flag()
  space = [c.integer(3, 9) for _ in range(rank)]
  n, channels = c.integer(1, 3), c.pick([c.integer(1, 9), c.integer(10, 150)])
  x = codes(c, (n, *space, channels) if last else (n, channels, *space), dtype)
  quant = [scale(c), zero(c, dtype), scale(c), zero(c, dtype)]
  if op == "QLinearGlobalAveragePool":
    node(c, op, [x, *quant], channels_last=last)
    return
  kernel = [c.integer(1, 3) for _ in range(rank)]
  pads = [c.integer(0, min(1, k - 1)) for k in kernel * 2]
  attributes = {"kernel_shape": kernel, "strides": c.pick([None, [c.integer(1, 2) for _ in kernel]]), "ceil_mode": c.pick([None, 0, 1])}
  attributes.update(c.pick([{"pads": pads}, {}, {"auto_pad": c.pick(["SAME_UPPER", "SAME_LOWER", "VALID"])}]))
  if op == "NhwcMaxPool":
    node(c, op, [x], attributes={**attributes, "dilations": c.pick([None, None, [1] * rank])})
    return
  node(c, op, [x, *quant], attributes={**attributes, "count_include_pad": c.pick([None, 0, 1]), "channels_last": last}, tolerance=(0, 1))


@family(50)
def quantized_convolution(c):
  xt, wt = np.uint8, c.pick(BYTES)
  if c.chance(0.4):
    xt = wt = np.int8
  group = c.pick([1, 1, 2])
  n, ci, co = c.integer(1, 2), group * c.integer(1, 3), group * c.integer(1, 4)
  space, kernel = [c.integer(3, 8) for _ in range(2)], [c.integer(1, 3) for _ in range(2)]
  per_channel = wt == np.int8 and c.flag()
  ws = c.rng.uniform(0.01, 0.03, (co,)).astype(np.float32) if per_channel else scale(c, 0.01, 0.03)
  wz = np.zeros(co if per_channel else (), wt) if wt == np.int8 else codes(c, (), wt)
  last = c.chance(0.7)
  x = codes(c, (n, *space, ci) if last else (n, ci, *space), xt)
  bias = c.rng.integers(-999, 999, (co,)).astype(np.int32) if c.flag() else None
  node(c, "QLinearConv", [x, scale(c), codes(c, (), xt), codes(c, (co, ci // group, *kernel), wt), ws, wz, scale(c, 0.5, 2), codes(c, (), xt), bias],
       group=group, channels_last=int(last), strides=c.pick([None, [1, 2]]), pads=c.pick([None, [1, 0, 0, 1]]), constants=(1, 2, 3, 4, 5, 6, 7, 8),
       tolerance=(0, 1))


@family(80)
def quantized_product(c):
  m, k, n = c.integer(1, 8), c.integer(1, 40), c.integer(1, 20)
  at, bt = c.pick([(np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)])
  batch = c.pick([(), (2,), (2, 3)])
  columns = c.chance(0.4)
  bs = c.rng.uniform(0.01, 0.03, (n,)).astype(np.float32) if columns else scale(c, 0.01, 0.03)
  bz = codes(c, (n,) if columns else (), bt) if c.chance(0.7) else None
  op = c.pick(["DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QGemm"])
  bias = c.data((n,)) if c.flag() else None
  if op == "DynamicQuantizeMatMul":
    node(c, op, [c.data((*batch, m, k)), codes(c, (k, n), bt), bs, bz, bias])
  elif op == "MatMulIntegerToFloat":
    node(c, op, [codes(c, (*batch, m, k), at), codes(c, (k, n), bt), scale(c), bs, zero(c, at), bz, bias])
  else:
    ta, tb = c.flag(), c.flag()
    addend = c.rng.integers(-999, 999, c.pick([(n,), (m, n), (1, n)])).astype(np.int32) if c.flag() else None
    out = [scale(c, 0.5, 2), codes(c, (), at)] if c.flag() else [None, None]
    bz = codes(c, bs.shape, bt)
    node(c, op, [codes(c, (k, m) if ta else (m, k), at), scale(c), codes(c, (), at), codes(c, (n, k) if tb else (k, n), bt), bs, bz, addend, *out],
         transA=ta, transB=tb, alpha=c.pick([None, 0.5]), tolerance=(0, 1) if out[0] is not None else None)


@family(40)
def quantize_linear(c):
  dtype = c.pick([np.uint8, np.int8, np.uint16, np.int16])
  shape = c.shape(1, 3)
  axis = c.axis(len(shape)) if c.flag() else None
  count = () if axis is None else (shape[axis],)
  s = np.asarray(c.rng.uniform(0.01, 0.1, count)).astype(np.float32)
  info = np.iinfo(dtype)
  point = np.asarray(c.rng.integers(info.min, info.max + 1, count)).astype(dtype)
  if c.flag():
    node(c, "QuantizeLinear", [c.data(shape), s, point], axis=axis)
  else:
    node(c, "DequantizeLinear", [c.rng.integers(info.min, info.max + 1, shape).astype(dtype), s, point], axis=axis)


@family(90)
def product_with_bits(c):
  bits, block = c.pick([4, 4, 8, 2]), c.pick([16, 32, 64, 128])
  m, k, n = c.pick([1, 1, 2, 3, 5, 17, 40]), c.integer(1, 200), c.integer(1, 40)
  if bits == 2:
    k = max(block, k // block * block)
  blocks = (k + block - 1) // block
  dtype = c.pick([np.float32] * 4 + [np.float16])
  b = c.rng.integers(0, 256, (n, blocks, block * bits // 8)).astype(np.uint8)
  scales = c.rng.uniform(0.005, 0.02, (n, blocks)).astype(dtype)
  kind = c.pick(["none", "packed", "float"]) if dtype == np.float32 else c.pick(["none", "packed"])
  points = None
  if kind == "packed":
    points = c.rng.integers(0, 256, (n, (blocks * bits + 7) // 8)).astype(np.uint8)
  elif kind == "float":
    points = c.rng.uniform(0, 2**bits - 1, (n, blocks)).astype(dtype)
  bias = c.data((n,), dtype) if c.chance(0.3) else None
  a = c.data((*c.pick([(), (2,)]), m, k), dtype, scale=1)
  # Accuracy level 1: onnxruntime doesn't make the input 8 bits either.
  # onnxruntime leaves zero points out where columns name their blocks.
  groups = None
  if dtype == np.float32 and bits == 4 and points is None and c.chance(0.4):
    groups = c.rng.integers(0, blocks, (k,)).astype(np.int32)
  node(c, "MatMulNBits", [a, b, scales, points, groups, bias], K=k, N=n, bits=bits, block_size=block, accuracy_level=1,
       constants=c.pick([(1, 2, 3, 4, 5), (1, 2, 3, 4, 5), ()]), form=c.pick(["node"] * 4 + ["if"]), dynamic=False)


@family(50)
def rounded_product_with_bits(c):
  """Accuracy level 4: each block of the input is rounded to 8 bits; computed here, as onnxruntime does it for some forms only."""
  bits, block = c.pick([4, 4, 8]), c.pick([16, 32, 64, 128])
  m, k, n = c.pick([1, 1, 3, 4, 6, 20]), c.integer(1, 300), c.integer(1, 40)
  blocks = (k + block - 1) // block
  q = c.rng.integers(0, 2**bits, (n, blocks * block))
  b = (q if bits == 8 else q[:, ::2] | q[:, 1::2] << 4).astype(np.uint8).reshape(n, blocks, block * bits // 8)
  scales = c.rng.uniform(0.005, 0.02, (n, blocks)).astype(np.float32)
  points = c.rng.uniform(0, 2**bits - 1, (n, blocks)).astype(np.float32) if c.flag() else None
  bias = c.data((n,), np.float32) if c.chance(0.3) else None
  a = c.data((m, k), np.float32, scale=1)
  x = np.zeros((m, blocks, block))
  x.reshape(m, -1)[:, :k] = a
  step = (np.abs(x).max(-1, keepdims=True) / 127).astype(np.float32)
  factor = np.divide(np.float32(1), step, out=np.zeros_like(step), where=step > 0)
  x = x.astype(np.float32) * factor
  # What lies in the middle between two numbers may go either way.
  either = (np.abs(x - np.floor(x) - 0.5) < 1e-3).sum((1, 2)).max() if x.size else 0
  # Blocks of 8 bytes are multiplied as they are.
  x = (x if bits * block < 128 else np.rint(x)) * step.astype(float)
  w = (q.reshape(n, blocks, block) - (2 ** (bits - 1) if points is None else points[..., None])) * scales[..., None].astype(float)
  y = (x.reshape(m, -1) @ w.reshape(n, -1).T + (0 if bias is None else bias)).astype(np.float32)
  slack = either * step.max() * np.abs(w).max() + 1e-4 if step.size else 0
  node(c, "MatMulNBits", [a, b, scales, points, None, bias], K=k, N=n, bits=bits, block_size=block, accuracy_level=4,
       constants=c.pick([(1, 2, 3, 5), ()]), expect=[y], tolerance=(1e-4, slack), dynamic=False)


BNB4 = [f32(0, 1 / 192, 2 / 3, 1, 1 / 3, 1 / 2, 1 / 6, 1 / 4, -0.0, -1 / 192, -2 / 3, -1, -1 / 3, -1 / 2, -1 / 6, -1 / 4),
        f32(-1, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.09105004, 0, 0.0795803, 0.1609302, 0.2461123, 0.33791524,
            0.44070983, 0.562617, 0.72295684, 1)]
"""What the codes of the two kinds stand for."""


@family(30)
def product_with_bnb4(c):
  m, k, n, block = c.integer(1, 5), c.integer(1, 80), c.integer(1, 20), c.pick([16, 32, 64])
  b = c.rng.integers(0, 256, ((n * k + 1) // 2,)).astype(np.uint8)
  absmax = c.rng.uniform(0.1, 1, ((n * k + block - 1) // block,)).astype(np.float32)
  transposed = c.pick([None, 1, 0])
  x, kind = c.data((m, n if transposed == 0 else k), scale=1), c.flag()
  expect = {}
  if transposed == 0:
    # onnxruntime doesn't write all of the result, so it is computed here.
    codes = np.stack([b >> 4, b & 15], -1).ravel()[: n * k]
    expect = {"expect": [x @ (BNB4[kind][codes] * np.repeat(absmax, block)[: n * k]).reshape(n, k)]}
  node(c, "MatMulBnb4", [x, b, absmax], K=k, N=n, block_size=block, quant_type=kind, transB=transposed, constants=(1, 2), **expect)


@family(40)
def gather_narrow_blocks(c):
  """Of tensors with elements of 4 bits, along any axis."""
  dtype, block = c.pick(NARROW), 16
  shape = [c.integer(1, 5) for _ in range(c.integer(2, 3))]
  along = c.integer(0, len(shape) - 1)
  gather = c.pick([a for a in range(len(shape)) if a != along])
  shape[along] = block * c.integer(1, 2) + c.pick([0, 0, 3])
  scales = [-(-d // block) if a == along else d for a, d in enumerate(shape)]
  points = c.data(scales, dtype) if c.flag() else None
  indices = c.rng.integers(0, shape[gather], c.shape(0, 2, zero=0)).astype(c.pick([np.int32, np.int64]))
  node(c, "GatherBlockQuantized", [c.data(shape, dtype), indices, c.rng.uniform(0.01, 0.1, scales).astype(np.float32), points], block_size=block,
       gather_axis=gather, quantize_axis=along, constants=(0, 2, 3), form="node")


@family(60)
def gather_blocks(c):
  bits, block = c.pick([4, 4, 8, 2]), c.pick([16, 32])
  rows, width = c.integer(1, 9), block * c.integer(1, 3)
  blocks = width // block
  dtype = c.pick([np.float32, np.float32, np.float16])
  scales = c.rng.uniform(0.01, 0.1, (rows, blocks)).astype(dtype)
  data = c.rng.integers(0, 256, (rows, width * bits // 8)).astype(np.uint8)
  points = c.rng.integers(0, 256, (rows, (blocks * bits + 7) // 8)).astype(np.uint8) if c.flag() else None
  indices = c.rng.integers(-rows, rows, c.shape(0, 2)).astype(c.pick([np.int32, np.int64]))
  node(c, "GatherBlockQuantized", [data, indices, scales, points], bits=bits, block_size=block, gather_axis=0, quantize_axis=1,
       constants=(0, 2, 3), form="node")


# Products and convolutions with what follows them

@family(60)
def fused_product(c):
  dtype = c.pick([np.float32, np.float32, np.float64])
  m, k, n = c.integer(1, 7), c.integer(1, 9), c.integer(1, 7)
  if c.flag():
    ta, tb = c.flag(), c.flag()
    batch = c.pick([(), (2,), (2, 3)])
    ba, bb = (c.flag(), c.flag()) if len(batch) == 1 else (0, 0)
    def shape(rows, columns, transposed, batched):
      s = (columns, rows) if transposed else (rows, columns)
      return (s[0], *batch, s[1]) if batched else (*batch, *s)
    node(c, "FusedMatMul", [c.data(shape(m, k, ta, ba), dtype), c.data(shape(k, n, tb, bb), dtype)], transA=ta, transB=tb, transBatchA=ba,
         transBatchB=bb, alpha=c.pick([None, 0.5]))
    return
  activation = c.pick(["Relu", "LeakyRelu", "Sigmoid", "Tanh", "HardSigmoid", "Softsign", "Elu", "Softplus", "ThresholdedRelu"])
  ta, tb = c.flag(), c.flag()
  node(c, "FusedGemm", [c.data((k, m) if ta else (m, k)), c.data((n, k) if tb else (k, n)), c.data(c.pick([(n,), (m, n), (1,), (m, 1)])) if c.flag() else None],
       transA=ta, transB=tb, alpha=c.pick([None, 0.5]), beta=c.pick([None, 2.0]), activation=activation,
       activation_alpha=c.pick([0.2, 0.4]), activation_beta=0.3)


@family(50)
def fused_convolution(c):
  group = c.pick([1, 1, 2])
  n, ci, co = c.integer(1, 2), group * c.integer(1, 3), group * c.integer(1, 3)
  x, w = c.data((n, ci, c.integer(3, 7), c.integer(3, 7))), c.data((co, ci // group, c.integer(1, 3), c.integer(1, 3)))
  bias = c.data((co,)) if c.flag() else None
  activation, parameters = c.pick([(None, None), ("Relu", None), ("Sigmoid", None), ("Tanh", None), ("LeakyRelu", [0.2]), ("Clip", [-1.0, 2.0]),
                                   ("HardSigmoid", [0.3, 0.4])])
  z = None
  if c.chance(0.3):
    z = c.data((n, co, x.shape[2] - w.shape[2] + 1, x.shape[3] - w.shape[3] + 1))
  node(c, "FusedConv", [x, w, bias, z], group=group, activation=activation, activation_params=parameters)


# Others

@family(20)
def triangle(c):
  x = c.data(c.shape(2, 4), c.pick([np.float32, np.float64, np.int64]))
  node(c, "Trilu", [x, scalar(c.integer(-4, 4), np.int64) if c.flag() else None], upper=c.flag())


@family(20)
def inverse(c):
  n = c.integer(1, 6)
  x = c.data((*c.shape(0, 2), n, n), c.pick([np.float32, np.float64])) + 4 * np.eye(n)
  x = x.astype(np.float32 if c.flag() else np.float64)
  node(c, "Inverse", [x], tolerance=(1e-3, 1e-3))


@family(20)
def distances(c):
  dtype = c.pick([np.float32, np.float64])
  k = c.integer(1, 9)
  node(c, "CDist", [c.data((c.integer(1, 9), k), dtype), c.data((c.integer(1, 9), k), dtype)], metric=c.pick(["euclidean", "sqeuclidean"]))


@family(30)
def crop_and_resize(c):
  n, boxes = c.integer(1, 3), c.integer(1, 5)
  x = c.data((n, c.integer(1, 3), c.integer(2, 7), c.integer(2, 7)))
  rois = c.rng.uniform(-0.1, 1.1, (boxes, 4)).astype(np.float32)
  rois = np.sort(rois.reshape(boxes, 2, 2), 1).reshape(boxes, 4)
  size = np.array([c.integer(1, 5), c.integer(1, 5)], np.int32)
  node(c, "CropAndResize", [x, rois, c.rng.integers(0, n, boxes).astype(np.int32), size], mode=c.pick([None, "nearest"]),
       extrapolation_value=c.pick([None, 2.0]), form="node")


@family(60)
def mixture_of_experts(c):
  rows, experts = c.integer(1, 9), c.integer(1, 5)
  activation = c.pick(["relu", "gelu", "silu", "identity", "swiglu"])
  fused = activation == "swiglu"
  attributes = {"k": c.integer(1, min(3, experts)), "activation_type": activation, "normalize_routing_weights": c.pick([None, 0, 1])}
  if attributes["k"] == 2:
    attributes["use_sparse_mixer"] = c.pick([None, None, 1])
  if fused:
    attributes.update(swiglu_fusion=1, activation_alpha=c.pick([None, 1.702]), activation_beta=c.pick([None, 1.0]),
                      swiglu_limit=c.pick([None, 1.5]))
  bits = c.pick([None, 4, 8])
  if bits is None:
    hidden, inner = c.integer(1, 12), c.integer(1, 12)
    outer = 2 * inner if fused else inner
    biases = [c.data((experts, outer)), c.data((experts, hidden))] if c.flag() else [None, None]
    node(c, "MoE", [c.data((rows, hidden), scale=1), c.data((rows, experts), scale=1), c.data((experts, outer, hidden), scale=0.5), biases[0],
                    c.data((experts, hidden, inner), scale=0.5), biases[1]], attributes=attributes, form="node")
    return
  # onnxruntime makes the input 8 bits where weights of 8 bits are in blocks.
  block = c.pick([None, 16, 32]) if bits == 4 else None
  hidden, inner = 32 * c.integer(1, 3), 32 * c.integer(1, 2)
  outer = 2 * inner if fused else inner
  def weights(n, k):
    codes = c.rng.integers(0, 256, (experts, n, k * bits // 8)).astype(np.uint8)
    scales = c.rng.uniform(0.002, 0.01, (experts, n, k // block) if block else (experts, n)).astype(np.float32) * (8 if bits == 4 else 1)
    return codes, scales
  (w1, s1), (w2, s2) = weights(outer, hidden), weights(hidden, inner)
  biases = [c.data((experts, outer)), c.data((experts, hidden))] if c.flag() else [None, None]
  node(c, "QMoE", [c.data((rows, hidden), scale=1), c.data((rows, experts), scale=1), w1, s1, biases[0], w2, s2, biases[1]],
       attributes={**attributes, "expert_weight_bits": bits, "block_size": block}, form="node", constants=c.pick([(2, 3, 5, 6), ()]))


@family(60)
def quantized_lstm(c):
  steps, n, width, hidden = c.integer(1, 5), c.integer(1, 3), c.integer(1, 9), c.integer(1, 8)
  directions = c.pick([1, 1, 2])
  dtype = c.pick(BYTES)
  columns = c.flag()
  def quantised(rows):
    shape = (directions, 4 * hidden) if columns else (directions,)
    z = np.zeros(shape, dtype) if dtype == np.int8 else np.full(shape, 128, dtype)
    return codes(c, (directions, rows, 4 * hidden), dtype), c.rng.uniform(0.002, 0.01, shape).astype(np.float32), z
  (w, ws, wz), (r, rs, rz) = quantised(width), quantised(hidden)
  bias = c.data((directions, 8 * hidden), scale=0.5) if c.flag() else None
  lengths = c.rng.integers(1, steps + 1, n).astype(np.int32) if c.chance(0.3) else None
  states = [c.data((directions, n, hidden), scale=0.5) if c.flag() else None for _ in range(2)]
  peepholes = c.data((directions, 3 * hidden), scale=0.3) if c.chance(0.3) else None
  direction = "bidirectional" if directions == 2 else c.pick([None, "forward", "reverse"])
  node(c, "DynamicQuantizeLSTM", [c.data((steps, n, width), scale=1), w, r, bias, lengths, *states, peepholes, ws, wz, rs, rz], outputs=3,
       direction=direction, hidden_size=hidden, form="node", constants=(1, 2, 8, 9, 10, 11), clip=c.pick([None, None, 2.0]),
       tolerance=(1e-2, 1e-2))


@family(40)
def tokenizer(c):
  text = lambda: "".join(c.pick(["a", "b", "é", "xyz", " ", ",", ";;", "1", "22"]) for _ in range(c.integer(0, 7)))
  shape = c.shape(1, 2, zero=0, largest=4)
  x = np.array([text() for _ in range(int(np.prod(shape)))], object).reshape(shape)
  rule = c.pick([{"separators": c.pick([[" "], [",", ";"], [" ", "[0-9]+"], [";|;;"]])}, {"tokenexp": c.pick(["[a-z]+", "a|ab", "[^ ]+", "[0-9]{2}"])},
                 c.pick([{"tokenexp": "."}, {"separators": [""]}])])
  least = 1 if rule in ({"tokenexp": "."}, {"separators": [""]}) else c.pick([1, 1, 2])
  node(c, "Tokenizer", [x], mark=c.flag(), mincharnum=least, pad_value="#", attributes=rule, form="node")
