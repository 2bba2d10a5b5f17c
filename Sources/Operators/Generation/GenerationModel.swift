import Graphs
import Kernels
import Tensors

/// What a search asks for the scores of next tokens. It keeps the state that belongs to the sequences by itself; a row
/// is a sequence, or one beam of a sequence.
protocol GenerationModel: AnyObject {
  /// Scores of the tokens behind the prompt: [rows, steps, vocabulary], the last step counting; or the same with a row
  /// for each sequence, whose beams are still alike.
  func begin(_ r: RunContext) throws -> Tensor
  /// Scores behind the last token of each row; row i goes on where row `origins[i]` stood before.
  func advance(_ rows: [[Int32]], origins: [Int], _ r: RunContext) throws -> Tensor
}

/// What searches and the models that they ask share.
enum Generation {
  /// The bounds that onnxruntime has.
  static let longest = 4096
  static let mostBeams = 128

  /// The scalar input max_length as a dimension.
  static func length(_ c: InferenceContext) throws -> Dimension {
    guard let n = try c.constantInts(1)?.first else { return .unknown }
    guard n > 0, n <= longest else { throw SwiftletError(.runtime, "max_length is \(n), of 1 to \(longest)") }
    return .known(n)
  }

  /// Runs a subgraph whose outputs are all tensors.
  static func run(_ program: Subprogram, _ inputs: [Tensor], outputs: Int, _ r: RunContext) throws -> [Tensor] {
    try r.checkCancelled()
    let results = try program.run(inputs.map { .tensor($0) }, in: r)
    guard results.count == outputs else { throw SwiftletError(.internal, "outputs of a subgraph") }
    return try results.map {
      guard case .tensor(let t) = $0 else {
        throw SwiftletError(.type, "a subgraph's output must be a tensor, not \($0.type)")
      }
      return t
    }
  }

  /// Entries of `x` along `axis` by number, repeated or in another order; `x` itself where nothing changes.
  static func taken(_ x: Tensor, axis: Int, _ numbers: [Int], _ r: RunContext) throws -> Tensor {
    guard axis < x.rank, numbers.allSatisfy({ $0 >= 0 && $0 < x.shape[axis] }) else {
      throw SwiftletError(.shape, "a state of the shape \(x.shape) for \(numbers.count) rows")
    }
    if numbers.elementsEqual(0..<x.shape[axis]) { return x }
    guard let size = x.type.size else { throw SwiftletError(.type, "a state of the type \(x.type.name)") }
    var shape = x.shape
    shape[axis] = numbers.count
    let out = try r.temporary(x.type, shape)
    try Gather.apply(
      x.data, x.shape, axis: axis, indices: numbers.map { Int64($0) }, to: out.data, elementSize: size, pool: r.pool)
    return out
  }

  /// Rows of tokens as a tensor [rows, length].
  static func tensor(_ rows: [[Int32]], _ r: RunContext) throws -> Tensor {
    let length = rows.first?.count ?? 0, out = try r.temporary(.int32, [rows.count, length])
    let to = out.pointer(Int32.self)
    for (i, row) in rows.enumerated() {
      for (j, token) in row.enumerated() { to[i * length + j] = token }
    }
    return out
  }

  /// The rows of an int32 tensor [rows, length].
  static func rows(_ t: Tensor) throws -> [[Int32]] {
    try checkShape(t.rank == 2 && t.type == .int32, "tokens are \(t.type.name)\(t.shape), not int32 [batch, length]")
    let values = t.elements(Int32.self), length = t.shape[1]
    return (0..<t.shape[0]).map { Array(values[$0 * length..<($0 + 1) * length]) }
  }

  /// The names of a subgraph's inputs or outputs.
  static func names(_ graph: Graph, _ ids: [ValueID]) -> [String] { ids.map { graph[$0].name } }

  /// Throws for what only onnxruntime's kernels for GPUs can do.
  static func checkCache(_ inputs: [String]) throws {
    if inputs.contains("past_sequence_length") || inputs.contains("cache_indirection") {
      throw SwiftletError(
        .unsupported,
        "a decoder with a cache of fixed length (past_sequence_length): export it without past_present_share_buffer")
    }
  }
}

/// Scores of the next token of all rows [rows, vocabulary], as taken from a model's logits.
struct TokenScores {
  let rows: Int
  let vocabulary: Int
  let data: UnsafeMutablePointer<Float>

  subscript(_ row: Int) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: data + row * vocabulary, count: vocabulary)
  }

  /// Takes the logits of the last step; those of a sequence count for all of its beams.
  func read(_ logits: Tensor, _ r: RunContext) throws {
    let given = logits.rank == 3 ? logits.shape[0] : 0, width = logits.shape.last ?? 0
    guard logits.rank == 3, given > 0, rows % given == 0, logits.shape[1] > 0, width >= vocabulary else {
      throw SwiftletError(.shape, "logits of the shape \(logits.shape) for \(rows) rows and \(vocabulary) tokens")
    }
    let steps = logits.shape[1], type = logits.type
    guard let size = type.size, type == .float || type.isHalf else {
      throw SwiftletError(.type, "logits of the type \(type.name)")
    }
    for row in 0..<rows {
      let from = (row / (rows / given) * steps + steps - 1) * width
      try Cast.apply(type, logits.data + from * size, to: .float, data + row * vocabulary, vocabulary)
    }
  }
}

extension TokenScores {
  /// - Parameter vocabulary: where the model has more logits than tokens (padding); 0: all of them.
  init(for logits: Tensor, rows: Int, vocabulary: Int, _ r: RunContext) throws {
    try checkShape(logits.rank == 3, "logits have the shape \(logits.shape)")
    let width = logits.shape[2]
    try checkModel(vocabulary <= width, "a vocabulary of \(vocabulary) tokens for logits of the shape \(logits.shape)")
    (self.rows, self.vocabulary) = (rows, vocabulary > 0 ? vocabulary : width)
    try checkShape(self.vocabulary > 0, "logits have the shape \(logits.shape)")
    data = try r.scratch(Checked.multiply(rows, self.vocabulary), of: Float.self)
  }
}
