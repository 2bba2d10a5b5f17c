import Tensors

/// TfIdfVectorizer: how often each n-gram of a pool occurs in a sequence, its items standing side by side or with equally
/// many others between them; counted (TF), noted (IDF: its weight if it occurs), or weighted (TFIDF).
enum TfIdfVectorizer {
  static let definitions = [
    OperatorDefinition(
      "TfIdfVectorizer", since: [9], inputs: [.required("X", "T")], outputs: [.required("Y", "T1")],
      types: ["T": [.indices, .string], "T1": TypeSet(.float)],
      attributes: [
        .required(.string, "mode"), .required(.int, "min_gram_length"), .required(.int, "max_gram_length"),
        .required(.int, "max_skip_count"), .required(.ints, "ngram_counts"), .required(.ints, "ngram_indexes"),
        .ints("pool_int64s"), .strings("pool_strings"), .floats("weights"),
      ],
      infer: { c in
        let width = try width(c)
        guard let x = c.shape(0) else { return c.set(0, .float, nil) }
        guard x.count <= 2 else { throw SwiftletError(.shape, "[C] or [N, C] is due, not \(x)") }
        c.set(0, .float, x.count == 2 ? [x[0], .known(width)] : [.known(width)])
      },
      kernel: { c in
        let vectorizer = try Vectorizer(c, width: width(c))
        return { r in
          let x = try r.input(0)
          let y = try r.output(0)
          let items = try vectorizer.items(x)
          let columns = x.rank == 2 ? x.shape[1] : x.count
          let rows = x.rank == 2 ? x.shape[0] : 1
          for row in 0..<rows {
            let out = y.pointer(Float.self) + row * vectorizer.width
            vectorizer.count(items[row * columns..<(row + 1) * columns], out)
          }
        }
      })
  ]

  private static func width(_ c: some NodeReading) throws -> Int {
    let indexes = try c.ints("ngram_indexes")
    guard indexes.allSatisfy({ $0 >= 0 }), let last = indexes.max(), last < 1 << 31 else {
      throw SwiftletError(.invalidModel, "ngram_indexes must be given, none below 0")
    }
    return last + 1
  }

  private struct Vectorizer: Sendable {
    /// A tree of n-grams: for an item, the node below.
    private struct Node: Sendable {
      var next: [Int64: Int] = [:]
      /// The output's column, or -1.
      var column = -1
    }
    private var nodes = [Node()]
    private let numbers: [[UInt8]: Int64]
    private let takesStrings: Bool
    private let lengths: ClosedRange<Int>
    private let skips: Int
    private let mode: String
    /// Of each column that an n-gram has: its weight.
    private var weights: [Int: Float]
    let width: Int

    init(_ c: some NodeReading, width: Int) throws {
      self.width = width
      mode = try c.string("mode")
      guard ["TF", "IDF", "TFIDF"].contains(mode) else { throw SwiftletError(.invalidModel, "the mode '\(mode)'") }
      let given = try c.optionalFloats("weights") ?? []
      let (low, high) = try (c.int("min_gram_length"), c.int("max_gram_length"))
      guard low >= 1, low <= high else { throw SwiftletError(.invalidModel, "n-grams of \(low) to \(high) items") }
      lengths = low...high
      skips = try c.int("max_skip_count")
      guard skips >= 0, skips < 1 << 31 else { throw SwiftletError(.invalidModel, "max_skip_count is \(skips)") }
      let strings = try c.optionalStrings("pool_strings") ?? []
      let ints = try c.optionalInts("pool_int64s") ?? []
      guard strings.isEmpty != ints.isEmpty else {
        throw SwiftletError(.invalidModel, "one of pool_strings and pool_int64s must be given")
      }
      takesStrings = !strings.isEmpty
      var known: [[UInt8]: Int64] = [:]
      let pool = takesStrings
        ? strings.map { s -> Int64 in
          let key = Array(s.utf8)
          let n = known[key] ?? Int64(known.count)
          known[key] = n
          return n
        } : ints.map(Int64.init)
      numbers = known
      let starts = try c.ints("ngram_counts")
      let columns = try c.ints("ngram_indexes")
      guard given.isEmpty || given.count >= columns.count else {
        throw SwiftletError(.invalidModel, "\(given.count) weights for \(columns.count) n-grams")
      }
      weights = [:]
      for (i, column) in columns.enumerated() { weights[column] = given.isEmpty ? 1 : given[i] }
      var id = 0
      for (i, start) in starts.enumerated() {
        let end = i + 1 < starts.count ? starts[i + 1] : pool.count
        let size = i + 1
        guard start >= 0, start <= end, end <= pool.count else {
          throw SwiftletError(.invalidModel, "ngram_counts \(starts) for a pool of \(pool.count)")
        }
        for first in stride(from: start, to: end - size + 1, by: size) {
          guard id < columns.count else { throw SwiftletError(.invalidModel, "more n-grams than ngram_indexes") }
          if lengths.contains(size) { insert(pool[first..<first + size], columns[id]) }
          id += 1
        }
      }
    }
    private mutating func insert(_ items: ArraySlice<Int64>, _ column: Int) {
      var at = 0
      for item in items {
        if let next = nodes[at].next[item] {
          at = next
        } else {
          nodes.append(Node())
          nodes[at].next[item] = nodes.count - 1
          at = nodes.count - 1
        }
      }
      nodes[at].column = column
    }

    /// The input's items as the pool's numbers; -1 for strings that no n-gram has.
    func items(_ x: Tensor) throws -> [Int64] {
      guard takesStrings == (x.type == .string) else {
        throw SwiftletError(.type, "the pool is of \(takesStrings ? "strings" : "integers"), the input of \(x.type.name)")
      }
      return try takesStrings ? x.strings.map { numbers[Array($0.utf8)] ?? -1 } : x.ints().map(Int64.init)
    }

    func count(_ items: ArraySlice<Int64>, _ out: UnsafeMutablePointer<Float>) {
      for k in 0..<width { out[k] = 0 }
      var shortest = lengths.lowerBound
      for distance in 1...max(1, min(skips + 1, items.count)) {
        for start in items.indices {
          var node = 0
          var at = start
          var size = 1
          while size <= lengths.upperBound, at < items.endIndex, let next = nodes[node].next[items[at]] {
            if size >= shortest, nodes[next].column >= 0 { out[nodes[next].column] += 1 }
            node = next
            size += 1
            at += distance
          }
        }
        // Single items are counted once only: they are the same at every distance.
        if shortest == 1 {
          shortest = 2
          if shortest > lengths.upperBound { break }
        }
      }
      if mode == "TF" { return }
      for (k, weight) in weights { out[k] = mode == "IDF" ? (out[k] > 0 ? weight : 0) : out[k] * weight }
    }
  }
}
