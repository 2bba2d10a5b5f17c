import Graphs
import Tensors

/// An encoder and a decoder, as T5 and Whisper:
///
///     encoder: input, encoder_attention_mask (not Whisper), decoder_input_ids
///              -> logits, encoder_hidden_states, states of self-attention, states of cross-attention
///     encoder: input, encoder_attention_mask -> states of cross-attention
///     decoder: input_ids, encoder_attention_mask (not Whisper), encoder_hidden_states (optional), states of
///     self-attention,
///              states of cross-attention -> logits, states of self-attention
///
/// The first form of encoder makes the decoder's first step too. States are [rows, heads, length, size], a key and a
/// value for each layer.
struct EncoderDecoder: Sendable {
  private let encoder: Subprogram
  private let decoder: Subprogram
  private let layers: Int
  private let hasFirstStep: Bool
  private let takesMask: Bool
  private let takesHidden: Bool
  /// Whether the decoder is given whole sequences, not their last tokens.
  private let takesSequences: Bool

  init(_ c: KernelContext, hasMask: Bool) throws {
    let encoderGraph = try c.graph("encoder"), graph = try c.graph("decoder")
    let names = Generation.names(graph, graph.inputs), outputs = Generation.names(encoderGraph, encoderGraph.outputs)
    try Generation.checkCache(names)
    layers = (graph.outputs.count - 1) / 2
    let others = names.prefix { !$0.hasPrefix("past_") }
    takesMask = others.contains("encoder_attention_mask")
    takesHidden = others.contains("encoder_hidden_states")
    let due = ["input_ids"] + (takesMask ? ["encoder_attention_mask"] : [])
      + (takesHidden ? ["encoder_hidden_states"] : [])
    try checkModel(
      layers > 0 && graph.outputs.count == 1 + 2 * layers && Array(others) == due
        && names.count == due.count + 4 * layers && (hasMask || !takesMask),
      "the decoder takes \(names) and has \(graph.outputs.count) outputs: \(due) and 4 states for each layer are due, "
        + "logits and 2 states")
    hasFirstStep = outputs.first == "logits"
    let inputs = (hasMask ? 2 : 1) + (hasFirstStep ? 1 : 0), results = hasFirstStep ? 2 + 4 * layers : 2 * layers
    try checkModel(
      encoderGraph.inputs.count == inputs && outputs.count == results && (hasFirstStep || !takesHidden),
      "the encoder has \(encoderGraph.inputs.count) inputs, \(outputs.count) outputs; \(inputs) and \(results) are due")
    if case .tensor(_, let shape?)? = graph[graph.inputs[0]].type, shape.count == 2 {
      takesSequences = shape[1] != .known(1)
    } else {
      takesSequences = true
    }
    encoder = try c.subprogram("encoder")
    decoder = try c.subprogram("decoder")
  }

  /// - Parameter input: the encoder's [batch, ...]; `mask` with it where it takes one.
  /// - Parameter prompts: what the decoder starts with, for each sequence of the batch.
  func start(_ input: Tensor, mask: Tensor?, prompts: [[Int32]], beams: Int) -> any GenerationModel {
    Run(model: self, input: input, mask: mask, prompts: prompts, beams: beams)
  }

  private final class Run: GenerationModel {
    let model: EncoderDecoder
    let input: Tensor
    let mask: Tensor?
    let prompts: [[Int32]]
    let beams: Int
    /// What doesn't change from step to step: mask, hidden states, and states of cross-attention, of all rows.
    var fixed: (before: [Tensor], cross: [Tensor]) = ([], [])
    /// States of self-attention: with a row for each sequence (`areShared`) or for each beam.
    var states: [Tensor] = []
    var areShared = false

    func begin(_ r: RunContext) throws -> Tensor {
      let first = try model.hasFirstStep ? [Generation.tensor(prompts, r)] : []
      let results = try Generation.run(
        model.encoder, [input] + [mask].compactMap { $0 } + first,
        outputs: model.hasFirstStep ? 2 + 4 * model.layers : 2 * model.layers, r)
      let rows = prompts.indices.flatMap { Array(repeating: $0, count: beams) }
      func repeated(_ t: Tensor) throws -> Tensor { try Generation.taken(t, axis: 0, rows, r) }
      fixed.cross = try results.suffix(2 * model.layers).map(repeated)
      fixed.before = try (model.takesMask ? [mask].compactMap { $0 } : []).map(repeated)
      if model.takesHidden { fixed.before.append(try repeated(results[1])) }
      if model.hasFirstStep {
        states = Array(results[2..<2 + 2 * model.layers])
        areShared = true
        return results[0]
      }
      states = try fixed.cross.map { cross in
        try checkShape(cross.rank == 4, "a state of cross-attention has the shape \(cross.shape)")
        return try r.temporary(cross.type, [rows.count, cross.shape[1], 0, cross.shape[3]])
      }
      return try step(rows.map { prompts[$0] }, r)
    }

    func advance(_ rows: [[Int32]], origins: [Int], _ r: RunContext) throws -> Tensor {
      let from = areShared ? origins.map { $0 / beams } : origins
      states = try states.map { try Generation.taken($0, axis: 0, from, r) }
      areShared = false
      return try step(rows, r)
    }

    init(model: EncoderDecoder, input: Tensor, mask: Tensor?, prompts: [[Int32]], beams: Int) {
      (self.model, self.input, self.mask, self.prompts, self.beams) = (model, input, mask, prompts, beams)
    }

    private func step(_ rows: [[Int32]], _ r: RunContext) throws -> Tensor {
      let ids = try Generation.tensor(model.takesSequences ? rows : rows.map { Array($0.suffix(1)) }, r)
      let inputs = [ids] + fixed.before + states + fixed.cross
      states = []
      let outputs = try Generation.run(model.decoder, inputs, outputs: 1 + 2 * model.layers, r)
      states = Array(outputs.dropFirst())
      return outputs[0]
    }
  }
}
