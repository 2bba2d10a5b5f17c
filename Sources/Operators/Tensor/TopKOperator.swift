import Kernels
import Tensors

/// TopK: the k greatest (or least) along an axis, and where they stand; the lower index wins among equals. `k` is an
/// attribute before version 10, an input since then.
enum TopKOperator {
  static let definitions = [
    definition([1], [], [.int("axis", -1), .required(.int, "k")]),
    definition([10, 11, 24], [.required("K", "I")], [.int("axis", -1), .int("largest", 1), .int("sorted", 1)]),
  ]

  private static func definition(_ since: [Int], _ inputs: [Parameter], _ attributes: [AttributeSpec]) -> OperatorDefinition {
    OperatorDefinition(
      "TopK", since: since, inputs: [.required("X", "T")] + inputs,
      outputs: [.required("Values", "T"), .required("Indices", "I")], types: ["T": .numeric, "I": .int64],
      attributes: attributes, takesHalf: true, exactness: .exact,
      infer: { c in
        guard var shape = c.shape(0) else {
          c.set(0, c.elementType(0), nil)
          return c.set(1, .int64, nil)
        }
        let axis = try Checked.axis(c.int("axis"), rank: shape.count)
        let k = try c.version < 10 ? Dimension.known(c.int("k")) : c.dimensions(1)?.first ?? .unknown
        if let k = k.value, k < 0 || k > shape[axis].value ?? .max {
          throw SwiftletError(.runtime, "k is \(k) for the axis \(axis) of \(shape)")
        }
        shape[axis] = k
        c.set(0, c.elementType(0), shape)
        c.set(1, .int64, shape)
      },
      kernel: { c in
        let axis = try c.int("axis")
        let largest = c.version < 11 ? true : try c.bool("largest")
        let attribute = c.version < 10 ? try c.int("k") : nil
        return { r in
          let x = try r.input(0)
          let axis = try Checked.axis(axis, rank: x.rank)
          let k = try attribute ?? r.input(1).int()
          let n = x.shape[axis]
          guard k >= 0, k <= n else { throw SwiftletError(.runtime, "k is \(k) for an axis of \(n)") }
          var shape = x.shape
          shape[axis] = k
          let indices = try r.output(1, .int64, shape)
          let inner = try Checked.count(Array(x.shape[(axis + 1)...]))
          let source = try OrderedKeys.readable(x), order = try SortKeys(source.type)
          let p = indices.pointer(Int64.self)
          if k > 0 {
            r.pool.parallel(over: x.count / n, grain: max(1, (1 << 14) / n)) { lines in
              var heap = Heap(k)
              var keys = [Int64](repeating: 0, count: n)
              keys.withUnsafeMutableBufferPointer { keys in
                guard let base = keys.baseAddress else { return }
                for line in lines {
                  let (o, i) = (line / inner, line % inner)
                  order.fill(source.data, from: o * n * inner + i, step: inner, n, reversed: !largest, to: base)
                  heap.select(base, n, order)
                  for (j, found) in heap.entries.enumerated() { p[(o * k + j) * inner + i] = Int64(found.index) }
                }
              }
            }
          }
          try Movement.run(r, [x], shape) { from, to, size in
            try Gather.elements(
              from[0], x.shape, axis: axis, indices: indices.data, .int64, shape, to: to, elementSize: size)
          }
        }
      })
  }

  /// The k best of many: the worst of them on top until all are seen.
  private struct Heap {
    typealias Entry = (key: Int64, index: Int)
    let k: Int
    private(set) var entries: [Entry] = []

    init(_ k: Int) {
      self.k = k
      entries.reserveCapacity(k)
    }

    private static func isWorse(_ a: Entry, _ b: Entry) -> Bool { a.key < b.key || (a.key == b.key && a.index > b.index) }

    /// - Parameter keys: n of them, n >= k.
    mutating func select(_ keys: UnsafePointer<Int64>, _ n: Int, _ order: SortKeys) {
      entries.removeAll(keepingCapacity: true)
      for i in 0..<k { entries.append((keys[i], i)) }
      if k < n {
        for j in stride(from: k / 2 - 1, through: 0, by: -1) { sink(j) }
        var i = order.first(above: entries[0].key, keys, k..<n)
        while i < n {
          entries[0] = (keys[i], i)
          sink(0)
          i = order.first(above: entries[0].key, keys, i + 1..<n)
        }
      }
      entries.sort { Self.isWorse($1, $0) }
    }
    private mutating func sink(_ start: Int) {
      var i = start
      while 2 * i + 1 < k {
        var child = 2 * i + 1
        if child + 1 < k, Self.isWorse(entries[child + 1], entries[child]) { child += 1 }
        if !Self.isWorse(entries[child], entries[i]) { return }
        entries.swapAt(i, child)
        i = child
      }
    }
  }
}
