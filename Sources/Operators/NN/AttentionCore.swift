import Glibc
import Kernels
import Tensors

/// softmax(scale Q K' + bias) V for all heads of all sequences, in blocks of queries, so that the scores stay small.
struct AttentionCore: Sendable {
  let batch: Int
  let heads: Int
  /// Heads of K and V; each serves heads / kvHeads heads of Q.
  let kvHeads: Int
  let queries: Int
  let keys: Int
  let headSize: Int
  let valueSize: Int
  var scale: Double
  /// cap tanh(x / cap) of the scores, unless 0.
  var softcap = 0.0
  /// Position of the first query among the keys, for each sequence (or one for all): what `isCausal` and the window
  /// count from.
  var offsets = [0]
  var isCausal = false
  /// How many keys before and after its own position a query sees; negative: all.
  var window = (left: -1, right: -1)
  /// Keys that count, for each sequence.
  var lengths: [Int]?
  /// Adds e^sink to each softmax's denominator (GroupQueryAttention's head_sink and smooth_softmax), for each head.
  var sinks: [Double]?

  /// Where the rows of an operand are: element (b, h, i, d) is at b * batch + h * head + i * row + d.
  struct Layout {
    var batch: Int
    var head: Int
    var row: Int

    /// [batch][heads][rows][size]
    static func heads(_ heads: Int, rows: Int, size: Int) -> Layout { Layout(batch: heads * rows * size, head: rows * size, row: size) }
    /// [batch][rows][heads][size]
    static func rows(_ rows: Int, heads: Int, size: Int) -> Layout { Layout(batch: heads * rows * size, head: size, row: heads * size) }
  }

  /// An addend of the scores, with strides of 0 where it is repeated. Keys beyond `keys` are masked.
  struct Bias<S: KernelScalar> {
    var data: UnsafePointer<S>
    var batch: Int
    var head: Int
    var row: Int
    var column: Int
    var keys: Int

    /// A tensor that broadcasts to [batch, heads, queries, keys], its last dimension possibly being shorter than keys.
    init(_ t: Tensor, _ core: AttentionCore) throws {
      let s = Array(repeating: 1, count: max(0, 4 - t.rank)) + t.shape
      try checkShape(
        s.count == 4 && (s[0] == 1 || s[0] == core.batch) && (s[1] == 1 || s[1] == core.heads)
          && (s[2] == 1 || s[2] == core.queries) && s[3] <= core.keys,
        "the mask \(t.shape) doesn't fit scores of [\(core.batch), \(core.heads), \(core.queries), \(core.keys)]")
      let strides = Broadcast.strides(of: s)
      data = UnsafePointer(t.pointer(S.self))
      batch = s[0] == 1 ? 0 : strides[0]
      head = s[1] == 1 ? 0 : strides[1]
      row = s[2] == 1 ? 0 : strides[2]
      column = s[3] == 1 ? 0 : 1
      keys = s[3] == 1 ? core.keys : s[3]
    }
  }

  /// What of the scores is asked for as an output [batch, heads, queries, keys].
  enum Stage { case product, capped, biased, probabilities }

  /// - Parameter prepare: makes the rows of K and V of one sequence and head, plane [batch, kvHeads]: right before they are
  ///   read where each is read once, while they are in the cache.
  func run<S: KernelScalar & SIMDScalar>(
    q: UnsafePointer<S>, _ qLayout: Layout, k: UnsafePointer<S>, _ kLayout: Layout, v: UnsafePointer<S>,
    _ vLayout: Layout, out: UnsafeMutablePointer<S>, _ outLayout: Layout, biases: [Bias<S>] = [],
    scores: (stage: Stage, data: UnsafeMutablePointer<S>)? = nil, prepare: ((_ plane: Int) -> Void)? = nil, _ r: RunContext
  ) throws {
    guard batch > 0, heads > 0, queries > 0, valueSize > 0 else { return }
    let block = max(1, min(queries, 1 << 16 / max(1, keys), 128))
    let blocks = (queries + block - 1) / block
    let serial = try ThreadPool(width: 1)
    func products(_ rows: Int, _ p: UnsafePointer<S>, q: UnsafePointer<S>, k: UnsafePointer<S>, v: UnsafePointer<S>) throws -> (Gemm<S>, Gemm<S>) {
      (
        try Gemm(
          m: rows, n: keys, k: headSize, a: .strided(q, rowStride: qLayout.row, columnStride: 1),
          b: .strided(k, rowStride: 1, columnStride: kLayout.row), epilogue: Epilogue(alpha: scale)),
        try Gemm(
          m: rows, n: valueSize, k: keys, a: .strided(p, rowStride: keys, columnStride: 1),
          b: .strided(v, rowStride: vLayout.row, columnStride: 1))
      )
    }
    let (first, second) = try products(block, UnsafePointer(out), q: q, k: k, v: v)
    let gemmBytes = max(first.scratchBytes(width: 1), second.scratchBytes(width: 1))
    let scoreCount = try Checked.multiply(block, keys)
    let failure = FirstError()
    let width = r.pool.width
    let memory = try r.scratch(Checked.multiply(width, gemmBytes + 64))
    let scoreMemory = try r.scratch(Checked.multiply(width, max(scoreCount, 1) + 16), of: S.self)
    let sharing = max(1, heads / kvHeads)
    func attend(_ head: Int, _ piece: Int, _ p: UnsafeMutablePointer<S>, _ scratch: UnsafeMutableRawPointer) throws {
      let b = head / heads, h = head % heads, kv = h / sharing
      let start = piece * block, rows = min(block, queries - start)
      let queryRows = q + (b * qLayout.batch + h * qLayout.head + start * qLayout.row)
      let keyRows = k + (b * kLayout.batch + kv * kLayout.head), valueRows = v + (b * vLayout.batch + kv * vLayout.head)
      let (scoring, mixing) = try products(rows, UnsafePointer(p), q: queryRows, k: keyRows, v: valueRows)
      scoring.run(p, rowStride: keys, pool: serial, scratch: scratch)
      func export(_ stage: Stage) {
        guard let scores, scores.stage == stage else { return }
        (scores.data + (head * queries + start) * keys).update(from: p, count: rows * keys)
      }
      export(.product)
      if softcap != 0 {
        try Unary.apply(.scale, S.elementType, p, to: p, rows * keys, UnaryParameters(alpha: 1 / softcap, beta: 0))
        try Unary.apply(.tanh, S.elementType, p, to: p, rows * keys)
        try Unary.apply(.scale, S.elementType, p, to: p, rows * keys, UnaryParameters(alpha: softcap, beta: 0))
      }
      export(.capped)
      for i in 0..<rows {
        let row = p + i * keys
        for bias in biases {
          let from = bias.data + (b * bias.batch + h * bias.head + (start + i) * bias.row)
          for j in 0..<bias.keys { row[j] += from[j * bias.column] }
          for j in bias.keys..<max(keys, bias.keys) { row[j] = -.infinity }
        }
        let visible = visible(b, start + i)
        for j in 0..<visible.lowerBound { row[j] = -.infinity }
        for j in visible.upperBound..<keys { row[j] = -.infinity }
      }
      export(.biased)
      for i in 0..<rows { try softmax(p + i * keys, visible(b, start + i), sink: sinks.map { $0[h] }) }
      export(.probabilities)
      mixing.run(
        out + (b * outLayout.batch + h * outLayout.head + start * outLayout.row), rowStride: outLayout.row, pool: serial,
        scratch: scratch)
    }
    // Of one query, all heads that share keys and values follow each other.
    let isGrouped = queries == 1 && (sharing == 1 || batch * kvHeads >= width), group = isGrouped ? sharing : 1
    if let prepare, !isGrouped {
      r.pool.parallel(over: batch * kvHeads, grain: max(1, 16384 / max(1, keys * headSize))) { $0.forEach(prepare) }
    }
    r.pool.parallel(batch * heads / group * blocks) { task, worker in
      let p = scoreMemory + worker * (scoreCount + 16)
      let scratch = memory + worker * (gemmBytes + 64)
      if isGrouped { prepare?(task) }
      for head in task / blocks * group..<(task / blocks + 1) * group {
        failure.catching { try attend(head, task % blocks, p, scratch) }
      }
    }
    try failure.rethrow()
  }

  /// The keys that a query may see.
  func visible(_ b: Int, _ query: Int) -> Range<Int> {
    var low = 0, high = keys
    let position = query + (offsets.count > 1 ? offsets[b] : offsets.first ?? 0)
    if isCausal { high = min(high, position + 1) }
    if window.right >= 0 { high = min(high, position + window.right + 1) }
    if window.left >= 0 { low = max(low, position - window.left) }
    if let lengths { high = min(high, lengths[b]) }
    low = min(low, keys)
    return low..<max(low, high)
  }

  /// In place; zeros where nothing can be seen.
  private func softmax<S: KernelScalar & SIMDScalar>(_ row: UnsafeMutablePointer<S>, _ visible: Range<Int>, sink: Double?) throws {
    let from = row + visible.lowerBound, n = visible.count
    for j in 0..<visible.lowerBound { row[j] = 0 }
    for j in visible.upperBound..<keys { row[j] = 0 }
    try Kernels.Softmax.attention(S.elementType, from, n, sink: sink)
  }
}
