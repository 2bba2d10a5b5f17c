"""Generation inside a model (com.microsoft): greedy search, beam search, sampling, of tiny decoders and encoder-decoders."""
import numpy as np
from onnx import TensorProto, helper

import references
from cases import family, to_proto

F, I32 = TensorProto.FLOAT, TensorProto.INT32
SCORES = (1e-4, 1e-4)
"""The tolerance for sums of logarithms, which may be near 0."""
info = helper.make_tensor_value_info


class Builder:
  """A graph in the making: nodes, and weights that are drawn as they are needed."""

  def __init__(self, c, prefix):
    self.c, self.prefix, self.nodes, self.weights = c, prefix, [], {}

  def weight(self, name, x):
    name = self.prefix + name
    self.weights[name] = x
    return name

  def draw(self, name, *shape, scale=1.0):
    return self.weight(name, self.c.data(shape, scale=scale))

  def add(self, op, inputs, outputs=1, domain="", **attributes):
    names = outputs if isinstance(outputs, list) else [f"{self.prefix}v{len(self.nodes)}_{i}" for i in range(outputs)]
    self.nodes.append(helper.make_node(op, inputs, names, domain=domain, **attributes))
    return names[0] if len(names) == 1 else names


class Sizes:
  def __init__(self, c):
    self.vocabulary, self.heads, self.size, self.layers = c.integer(20, 40), c.integer(1, 2), c.pick([4, 8]), c.integer(1, 2)
    self.hidden = self.heads * self.size


def gpt_decoder(c, s, weights, prefix=""):
  """input_ids, position_ids, attention_mask, past_0... -> logits, present_0..."""
  b = Builder(c, prefix)
  b.weights = weights
  if not weights:
    b.draw("tokens", s.vocabulary, s.hidden), b.draw("places", 40, s.hidden, scale=0.3), b.draw("out", s.hidden, s.vocabulary)
    for i in range(s.layers):
      b.draw(f"w{i}", s.hidden, 3 * s.hidden, scale=0.4), b.draw(f"b{i}", 3 * s.hidden, scale=0.1)
  b.prefix = prefix
  x = b.add("Add", [b.add("Gather", ["tokens", "input_ids"]), b.add("Gather", ["places", "position_ids"])])
  for i in range(s.layers):
    y, _ = b.add("Attention", [x, f"w{i}", f"b{i}", "attention_mask", f"past_{i}"], [f"{prefix}a{i}", f"present_{i}"], "com.microsoft",
                 num_heads=s.heads, unidirectional=1)
    x = b.add("Add", [x, y])
  b.add("MatMul", [x, "out"], ["logits"])
  state = lambda name, rows: [info(f"{name}_{i}", F, [2, "batch", s.heads, rows, s.size]) for i in range(s.layers)]
  inputs = [info("input_ids", I32, ["batch", "sequence"]), info("position_ids", I32, ["batch", "sequence"]),
            info("attention_mask", I32, ["batch", "total"])] + state("past", "past")
  return b.nodes, inputs, [info("logits", F, ["batch", "sequence", s.vocabulary])] + state("present", "total")


def heads_of(b, s, x):
  """[batch, rows, hidden] -> [batch, heads, rows, size]"""
  shape = b.weight(f"split{len(b.nodes)}", np.array([0, 0, s.heads, s.size], np.int64))
  return b.add("Transpose", [b.add("Reshape", [x, shape])], perm=[0, 2, 1, 3])


def decoder_layers(b, s, ids, mask, past, cross, present):
  """Self- and cross-attention of all layers; the weights are those of every part of the model."""
  x = b.add("Gather", ["tokens", ids])
  for i in range(s.layers):
    q, k, v = (b.add("MatMul", [x, f"self_{n}{i}"]) for n in "qkv")
    inputs = [q, k, v, "", "", ""] + ([f"past_key_self_{i}", f"past_value_self_{i}"] if past else [])
    y, *_ = b.add("MultiHeadAttention", inputs, [f"{b.prefix}s{i}", *present(i)], "com.microsoft", num_heads=s.heads, unidirectional=1)
    x = b.add("Add", [x, y])
    q = b.add("MatMul", [x, f"cross_q{i}"])
    y = b.add("MultiHeadAttention", [q, *cross(i), "", mask], domain="com.microsoft", num_heads=s.heads)
    x = b.add("Add", [x, y])
  return b.add("MatMul", [x, "out"], ["logits"])


def encoder_decoder(c, s, whisper, alone, whole):
  """The graphs of an encoder (with the decoder's first step, unless it stands `alone`) and of a decoder, and their weights.

  whole: the decoder takes whole sequences, not the last tokens."""
  b = Builder(c, "")
  b.draw("tokens", s.vocabulary, s.hidden), b.draw("out", s.hidden, s.vocabulary)
  for i in range(s.layers):
    for n in ("self_q", "self_k", "self_v", "cross_q", "cross_k", "cross_v"):
      b.draw(f"{n}{i}", s.hidden, s.hidden, scale=0.5)
  features = 3
  if whisper:
    b.draw("features", features, s.hidden)
  weights = b.weights
  states = lambda name, kind, rows: [info(f"{name}_{n}_{kind}_{i}", F, ["batch", s.heads, rows, s.size]) for i in range(s.layers)
                                     for n in ("key", "value")]
  mask = "" if whisper else "encoder_attention_mask"

  e = Builder(c, "e_")
  e.weights = weights
  if whisper:
    x = e.add("MatMul", [e.add("Transpose", ["encoder_input_ids"], perm=[0, 2, 1]), "features"], ["encoder_hidden_states"])
    inputs = [info("encoder_input_ids", F, ["batch", features, "frames"])]
  else:
    x = e.add("Gather", ["tokens", "encoder_input_ids"], ["encoder_hidden_states"])
    inputs = [info("encoder_input_ids", I32, ["batch", "frames"]), info("encoder_attention_mask", I32, ["batch", "frames"])]
  for i in range(s.layers):
    for n in ("key", "value"):
      e.add("Identity", [heads_of(e, s, e.add("MatMul", [x, f"cross_{n[0]}{i}"]))], [f"present_{n}_cross_{i}"])
  outputs = states("present", "cross", "frames")
  if not alone:
    decoder_layers(e, s, "decoder_input_ids", mask, False, lambda i: (f"present_key_cross_{i}", f"present_value_cross_{i}"),
                   lambda i: [f"present_key_self_{i}", f"present_value_self_{i}"])
    inputs.append(info("decoder_input_ids", I32, ["batch", "first"]))
    outputs = [info("logits", F, ["batch", "first", s.vocabulary]), info("encoder_hidden_states", F, ["batch", "frames", s.hidden])] \
      + states("present", "self", "first") + outputs
  encoder = helper.make_graph(e.nodes, "encoder", inputs, outputs)

  d = Builder(c, "d_")
  d.weights = weights
  decoder_layers(d, s, "input_ids", mask, not whole, lambda i: (f"past_key_cross_{i}", f"past_value_cross_{i}"),
                 lambda i: [f"present_key_self_{i}", f"present_value_self_{i}"])
  inputs = [info("input_ids", I32, ["batch", "sequence" if whole else 1])]
  inputs += [] if whisper else [info("encoder_attention_mask", I32, ["batch", "frames"])]
  if not alone and (whisper or c.flag()):
    inputs.append(info("encoder_hidden_states", F, ["batch", "frames", s.hidden]))
  inputs += states("past", "self", "past") + states("past", "cross", "frames")
  decoder = helper.make_graph(d.nodes, "decoder", inputs, [info("logits", F, ["batch", "rows", s.vocabulary])] + states("present", "self", "total"))
  return encoder, decoder, weights


def finish(c, op, graphs, weights, inputs, outputs, attributes, inner=None, ends=False, **options):
  """One node with its subgraphs. inputs: {name: array or None}, by the operator's order.

  ends: onnxruntime doesn't write what is behind the last token when all sequences end early; padding is due.
  inner: whether the weights stand in the subgraphs, or in the main graph, from where these take them; drawn unless it is given."""
  inner, protos = c.flag() if inner is None else inner, [to_proto(x, n) for n, x in weights.items()]
  if inner:
    for i, g in enumerate(graphs.values()):
      used = {name for n in g.node for name in n.input}
      g.initializer.extend(p for p in protos if p.name in used)
      if i:
        rename(g, i)
  given = {n: x for n, x in inputs.items() if x is not None}
  names = [n if n in given else "" for n in inputs]
  while not names[-1]:
    names.pop()
  constants = [n for n in given if n not in ("input_ids", "input_features") and c.chance(0.3)]
  node = helper.make_node(op, names, outputs, domain="com.microsoft", **attributes, **graphs)
  declared = [info(n, helper.np_dtype_to_tensor_dtype(x.dtype), c.dimensions(n, x, c.chance(0.3))) for n, x in given.items() if n not in constants]
  graph = helper.make_graph([node], "case", declared, [info(o, I32 if o == "sequences" else F, None) for o in outputs if o],
                            [to_proto(given[n], n) for n in constants] + ([] if inner else protos))
  model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=10)
  c.label += f"_{op}"
  fed = {n: x for n, x in given.items() if n not in constants}
  if ends:
    y, = references.ort(model, list(fed), list(fed.values()))
    pad, prompt = attributes["pad_token_id"], given["input_ids"].shape[1]
    for j in range(prompt, y.shape[1]):
      if (y[:, j] == pad).all():
        y[:, j:] = pad
    options["expect"] = [y]
  c.model(model, list(fed.values()), only="onnxruntime", **options)


def rename(graph, number):
  """Other names for a graph's initializers."""
  for p in graph.initializer:
    for n in graph.node:
      n.input[:] = [f"{x}_{number}" if x == p.name else x for x in n.input]
    p.name = f"{p.name}_{number}"


def prompts(c, s, n, length, pad):
  """Tokens with padding in front of shorter ones."""
  ids = c.rng.integers(0, s.vocabulary, (n, length)).astype(np.int32)
  for row in ids:
    row[: c.integer(0, length - 1) if c.chance(0.4) else 0] = pad
  return ids


def vocabulary_mask(c, shape, keep):
  mask = (c.rng.random(shape) < 0.8).astype(np.int32)
  mask[..., keep] = 1
  return mask


def scalar(x):
  return np.array([x], np.float32 if isinstance(x, float) else np.int32)


def gpt_case(c, same_pad=False):
  """same_pad: sequences are padded with the token that ends them, as GPT-2 has it."""
  s, weights = Sizes(c), {}
  n, length = c.integer(1, 3), c.integer(1, 5)
  pad, eos = c.integer(0, s.vocabulary - 1), c.integer(0, s.vocabulary - 1)
  pad = eos if same_pad else pad
  limit = length + c.integer(1, 8)
  graphs = {"decoder": helper.make_graph(*reorder(gpt_decoder(c, s, weights), "decoder"))}
  if c.chance(0.3):
    graphs["init_decoder"] = helper.make_graph(*reorder(gpt_decoder(c, s, weights, "first_"), "init_decoder"))
  attributes = {"eos_token_id": eos, "pad_token_id": pad, "no_repeat_ngram_size": c.pick([0, 0, 1, 2, 3])}
  optional = {"vocab_mask": vocabulary_mask(c, (s.vocabulary,), eos) if c.chance(0.3) else None,
              "prefix_vocab_mask": vocabulary_mask(c, (n, s.vocabulary), eos) if c.chance(0.3) else None,
              "attention_mask": (c.rng.random((n, length)) < 0.8).astype(np.int32) if c.chance(0.2) else None}
  return s, weights, graphs, attributes, prompts(c, s, n, length, pad), limit, optional


def reorder(parts, name):
  nodes, inputs, outputs = parts
  return nodes, name, inputs, outputs


def penalty(c):
  return scalar(c.pick([1.3, 0.8])) if c.chance(0.4) else None


@family(120)
def greedy_search(c):
  s, weights, graphs, attributes, ids, limit, optional = gpt_case(c, same_pad=True)
  least = scalar(c.integer(0, limit)) if c.flag() else None
  inputs = {"input_ids": ids, "max_length": scalar(limit), "min_length": least, "repetition_penalty": penalty(c), **optional}
  finish(c, "GreedySearch", graphs, weights, inputs, ["sequences"], attributes, ends=True)


@family(60)
def sampling(c):
  s, weights, graphs, attributes, ids, limit, optional = gpt_case(c, same_pad=True)
  attributes.update(temperature=c.pick([1.0, 0.7, 1.5]), top_p=c.pick([0.0, 0.3, 0.9]), custom=c.flag(), min_tokens_to_keep=c.pick([1, 1, 3]))
  if c.flag():
    attributes["filter_value"] = -100.0
  # onnxruntime takes the penalties of all tokens off the first one's score, so there is none here.
  presence = (c.rng.random((len(ids), s.vocabulary)) < 0.2).astype(np.int32) if c.chance(0.3) else None
  inputs = {"input_ids": ids, "max_length": scalar(limit), "min_length": scalar(c.integer(0, limit)) if c.flag() else None,
            "repetition_penalty": penalty(c), **optional, "presence_mask": presence, "seed": scalar(c.integer(0, 99)) if c.flag() else None}
  finish(c, "Sampling", graphs, weights, inputs, ["sequences"], attributes, ends=True)


def beams(c, limit):
  """Inputs 1 to 6. onnxruntime asks for min_length, which its schema has as optional."""
  n = c.pick([1, 2, 3, 4])
  return {"max_length": scalar(limit), "min_length": scalar(c.integer(0, limit - 1) if c.flag() else 0), "num_beams": scalar(n),
          "num_return_sequences": scalar(c.integer(1, n)), "length_penalty": scalar(c.pick([1.0, 0.5, 2.0, -1.0, 0.0])),
          "repetition_penalty": penalty(c)}


def stops_early(c, batch):
  """Without it onnxruntime looks at scores of another sequence of the batch to see whether one can become better."""
  return 1 if batch > 1 else c.flag()


def beam_outputs(c, s, attributes, optional):
  """Which outputs are asked for. The scores behind an early end are not written by onnxruntime: with them no sequence ends."""
  if not c.chance(0.3):
    return ["sequences", "sequences_scores"][: c.integer(1, 2)]
  optional["vocab_mask"] = np.ones(s.vocabulary, np.int32)
  optional["vocab_mask"][attributes["eos_token_id"]] = 0
  return ["sequences", "sequences_scores", "scores"]


@family(160)
def beam_search_decoder(c):
  s, weights, graphs, attributes, ids, limit, optional = gpt_case(c)
  attributes["early_stopping"] = stops_early(c, len(ids))
  outputs = beam_outputs(c, s, attributes, optional)
  finish(c, "BeamSearch", graphs, weights, {"input_ids": ids, **beams(c, limit), **optional}, outputs, attributes, tolerance=SCORES)


@family(160)
def beam_search_encoder(c):
  s = Sizes(c)
  n, length = c.integer(1, 3), c.integer(1, 5)
  alone = c.flag()
  encoder, decoder, weights = encoder_decoder(c, s, False, alone, c.chance(0.2))
  pad, eos = c.integer(0, s.vocabulary - 1), c.integer(0, s.vocabulary - 1)
  limit = c.integer(3, 9)
  attributes = {"eos_token_id": eos, "pad_token_id": pad, "no_repeat_ngram_size": c.pick([0, 0, 1, 2]), "early_stopping": stops_early(c, n),
                "decoder_start_token_id": c.integer(0, s.vocabulary - 1), "model_type": 1}
  optional = {"vocab_mask": vocabulary_mask(c, (s.vocabulary,), eos) if c.chance(0.3) else None,
              "prefix_vocab_mask": vocabulary_mask(c, (n, s.vocabulary), eos) if c.chance(0.3) else None,
              "attention_mask": (c.rng.random((n, length)) < 0.8).astype(np.int32) if c.chance(0.2) else None}
  outputs = beam_outputs(c, s, attributes, optional)
  finish(c, "BeamSearch", {"decoder": decoder, "encoder": encoder}, weights,
         {"input_ids": prompts(c, s, n, length, pad), **beams(c, limit), **optional}, outputs, attributes, tolerance=SCORES)


@family(120)
def beam_search_whisper(c):
  s = Sizes(c)
  timestamps = c.chance(0.4)
  n, frames, first = c.integer(1, 3), c.integer(1, 5), c.integer(1, 3)
  encoder, decoder, weights = encoder_decoder(c, s, True, False, False)
  eos, limit = c.integer(0, s.vocabulary - 1), first + c.integer(2, 8)
  attributes = {"eos_token_id": eos, "pad_token_id": c.integer(0, s.vocabulary - 1), "no_repeat_ngram_size": c.pick([0, 0, 1, 2]),
                "early_stopping": stops_early(c, n), "decoder_start_token_id": c.integer(0, s.vocabulary - 1), "model_type": 2}
  if timestamps:
    begin = s.vocabulary - c.integer(4, 12)
    attributes.update(eos_token_id=begin - 8, translate_token_id=begin - 5, transcribe_token_id=begin - 4, start_of_lm_token_id=begin - 3,
                      no_speech_token_id=begin - 2, no_timestamps_token_id=begin - 1, beginning_timestamp_token_id=begin)
  optional = {"vocab_mask": vocabulary_mask(c, (s.vocabulary,), eos) if c.chance(0.3) else None,
              "prefix_vocab_mask": vocabulary_mask(c, (n, s.vocabulary), eos) if c.chance(0.3) else None, "attention_mask": None,
              "decoder_input_ids": c.rng.integers(0, s.vocabulary, (n, first)).astype(np.int32) if first > 1 or c.flag() else None,
              "logits_processor": scalar(1) if timestamps else None, "cross_qk_layer_head": None, "extra_decoding_ids": None,
              "temperature": scalar(c.pick([0.5, 2.0])) if c.chance(0.3) else None}
  outputs = ["sequences"] if timestamps else beam_outputs(c, s, attributes, optional)
  features = c.data((n, 3, frames), scale=1)
  # onnxruntime mixes up what encoder and decoder take from the main graph.
  finish(c, "WhisperBeamSearch", {"decoder": decoder, "encoder": encoder}, weights,
         {"input_features": features, **beams(c, limit), **optional}, outputs, attributes, inner=True, tolerance=SCORES)
