import Graphs
import Tensors

/// A decoder alone, as GPT-2: input_ids, position_ids, attention_mask, past_0... -> logits, present_0..., with states
/// [2, rows, heads, length, size]. The first run may have a graph of its own (`init_decoder`).
struct DecoderOnly: Sendable {
  private let decoder: Subprogram
  private let first: Subprogram
  private let layers: Int
  /// Of the states.
  private let type: ElementType
  private let heads: Int
  private let size: Int

  init(_ c: KernelContext) throws {
    let graph = try c.graph("decoder"), names = Generation.names(graph, graph.inputs)
    try Generation.checkCache(names)
    layers = graph.outputs.count - 1
    try checkModel(
      layers > 0 && graph.inputs.count == 3 + layers
        && Array(names[..<3]) == ["input_ids", "position_ids", "attention_mask"],
      "the decoder takes \(names), not input_ids, position_ids, attention_mask and \(layers) states")
    guard case .tensor(let type, let shape?)? = graph[graph.inputs[3]].type, shape.count == 5,
      shape[0].merged(.known(2)) != nil, let heads = shape[2].value, let size = shape[4].value, heads > 0, size > 0
    else {
      throw SwiftletError(
        .invalidModel, "'\(names[3])' must be declared as [2, batch, heads, length, size], heads and size as numbers")
    }
    (self.type, self.heads, self.size) = (type, heads, size)
    decoder = try c.subprogram("decoder")
    guard c.has("init_decoder") else {
      first = decoder
      return
    }
    let other = try c.graph("init_decoder")
    try checkModel(
      Generation.names(other, other.inputs) == names && other.outputs.count == graph.outputs.count,
      "init_decoder and decoder must have the same inputs and outputs")
    first = try c.subprogram("init_decoder")
  }

  /// - Parameter rows: the prompts, for each beam.
  /// - Parameter mask: which of their tokens count [batch, length]; otherwise those that aren't `padding`.
  func start(_ rows: [[Int32]], mask: [[Int32]]?, padding: Int) -> any GenerationModel {
    let counted = rows.map { row in row.map { Int($0) == padding ? Int32(0) : 1 } }
    let beams = rows.count / max(1, mask?.count ?? rows.count)
    return Run(
      model: self, prompts: rows, masks: mask.map { mask in rows.indices.map { mask[$0 / max(beams, 1)] } } ?? counted,
      counted: counted)
  }

  private final class Run: GenerationModel {
    let model: DecoderOnly
    let prompts: [[Int32]]
    var masks: [[Int32]]
    let counted: [[Int32]]
    /// The next position of each row; all beams of a sequence have the same.
    var positions: [Int32] = []
    var states: [Tensor] = []

    func begin(_ r: RunContext) throws -> Tensor {
      let places = counted.map { row in
        var next: Int32 = 0
        return row.map { counts -> Int32 in
          defer { next += counts }
          return counts * next
        }
      }
      positions = counted.map { $0.reduce(0, +) }
      let past = try r.temporary(model.type, [2, prompts.count, model.heads, 0, model.size])
      return try run(model.first, Generation.tensor(prompts, r), places, Array(repeating: past, count: model.layers), r)
    }

    func advance(_ rows: [[Int32]], origins: [Int], _ r: RunContext) throws -> Tensor {
      let last = try Generation.tensor(rows.map { Array($0.suffix(1)) }, r)
      for i in masks.indices { masks[i].append(1) }
      let places = positions.map { [$0] }
      for i in positions.indices { positions[i] += 1 }
      let past = try states.map { try Generation.taken($0, axis: 1, origins, r) }
      states = []
      return try run(model.decoder, last, places, past, r)
    }

    init(model: DecoderOnly, prompts: [[Int32]], masks: [[Int32]], counted: [[Int32]]) {
      (self.model, self.prompts, self.masks, self.counted) = (model, prompts, masks, counted)
    }

    private func run(
      _ program: Subprogram, _ ids: Tensor, _ places: [[Int32]], _ past: [Tensor], _ r: RunContext
    ) throws -> Tensor {
      let inputs = try [ids, Generation.tensor(places, r), Generation.tensor(masks, r)] + past
      let outputs = try Generation.run(program, inputs, outputs: 1 + model.layers, r)
      states = Array(outputs.dropFirst())
      return outputs[0]
    }
  }
}
