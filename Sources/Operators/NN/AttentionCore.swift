import Kernels
import Tensors

/// softmax(scale Q K' + bias) V for all heads of all sequences: what is to be computed. `AttentionPass` does it.
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
    static func heads(_ heads: Int, rows: Int, size: Int) -> Layout {
      Layout(batch: heads * rows * size, head: rows * size, row: size)
    }
    /// [batch][rows][heads][size]
    static func rows(_ rows: Int, heads: Int, size: Int) -> Layout {
      Layout(batch: heads * rows * size, head: size, row: heads * size)
    }
  }

  /// Rows of Q, K or V and where they are.
  struct Rows<S: KernelScalar> {
    var data: UnsafePointer<S>
    var layout: Layout
    /// Makes rows of a plane [batch, kvHeads] of K or V that aren't there yet: asked for in order, shortly before they
    /// are read. The last range has no end.
    var prepare: ((_ plane: Int, _ rows: Range<Int>) -> Void)?

    init(_ data: UnsafePointer<S>, _ layout: Layout, prepare: ((_ plane: Int, _ rows: Range<Int>) -> Void)? = nil) {
      self.data = data
      self.layout = layout
      self.prepare = prepare
    }

    func prepareAll(planes: Int) {
      if let prepare { (0..<planes).forEach { prepare($0, 0..<Int.max) } }
    }

    /// Rows of one sequence and head, one after the other.
    func copy(_ b: Int, _ h: Int, _ rows: Range<Int>, size: Int, to: UnsafeMutablePointer<S>) {
      let from = data + (b * layout.batch + h * layout.head + rows.lowerBound * layout.row)
      if layout.row == size { return to.update(from: from, count: rows.count * size) }
      for i in 0..<rows.count { (to + i * size).update(from: from + i * layout.row, count: size) }
    }
  }

  /// A cache [batch, heads, capacity, size] in `memory` of `past` with new rows in or behind it.
  struct Cache<S: KernelScalar> {
    let memory: UnsafeMutablePointer<S>
    let heads: Int
    let capacity: Int
    let size: Int
    /// [batch, heads, pastCapacity, size]
    let past: UnsafePointer<S>?
    let pastCapacity: Int
    let new: Rows<S>
    /// Where they come to be.
    let newRows: Range<Int>

    var rows: Rows<S> {
      Rows(memory, .heads(heads, rows: capacity, size: size)) { plane, rows in
        let to = memory + plane * capacity * size
        if let past {
          let from = past + plane * pastCapacity * size
          for kept in [0..<newRows.lowerBound, newRows.upperBound..<max(pastCapacity, newRows.upperBound)] {
            let kept = rows.clamped(to: kept)
            (to + kept.lowerBound * size).update(from: from + kept.lowerBound * size, count: kept.count * size)
          }
        }
        let added = rows.clamped(to: newRows), first = added.lowerBound - newRows.lowerBound
        new.copy(
          plane / heads, plane % heads, first..<first + added.count, size: size, to: to + added.lowerBound * size)
      }
    }
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

    /// Adds the bias of a query to the scores of the keys of `span`, which are where they are in `row`.
    func add(to row: UnsafeMutablePointer<S>, _ span: Range<Int>, _ b: Int, _ h: Int, _ query: Int) {
      let from = data + (b * batch + h * head + query * self.row)
      let end = max(span.lowerBound, min(keys, span.upperBound))
      if column == 1 {
        for j in span.lowerBound..<end { row[j] += from[j] }
      } else {
        for j in span.lowerBound..<end { row[j] += from[0] }
      }
      for j in end..<span.upperBound { row[j] = -.infinity }
    }
  }

  /// What of the scores is asked for as an output [batch, heads, queries, keys].
  enum Stage { case product, capped, biased, probabilities }

  func run<S: KernelScalar & SIMDScalar>(
    _ q: Rows<S>, _ k: Rows<S>, _ v: Rows<S>, out: UnsafeMutablePointer<S>, _ outLayout: Layout, biases: [Bias<S>] = [],
    scores: (stage: Stage, data: UnsafeMutablePointer<S>)? = nil, _ r: RunContext
  ) throws {
    try AttentionPass(core: self, q: q, k: k, v: v, out: out, outLayout: outLayout, biases: biases, scores: scores).run(
      r)
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
}
