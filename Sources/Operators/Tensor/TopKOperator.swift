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
          var keys = try OrderedKeys.of(x)
          if !largest { for i in keys.indices { keys[i] = ~keys[i] } }
          let p = indices.pointer(Int64.self)
          if k > 0 {
            keys.withUnsafeBufferPointer { keys in
              r.pool.parallel(over: x.count / n, grain: max(1, (1 << 14) / n)) { lines in
                var heap = Heap(k)
                for line in lines {
                  let (o, i) = (line / inner, line % inner)
                  heap.select(n) { keys[(o * n + $0) * inner + i] }
                  for (j, found) in heap.entries.enumerated() { p[(o * k + j) * inner + i] = Int64(found.index) }
                }
              }
            }
          }
          let found = Array(indices.elements(Int64.self))
          try Movement.run(r, [x], shape) { from, to, size in
            try Gather.elements(from[0], x.shape, axis: axis, indices: found, shape, to: to, elementSize: size)
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

    mutating func select(_ n: Int, _ key: (Int) -> Int64) {
      entries.removeAll(keepingCapacity: true)
      for i in 0..<n {
        let entry = (key: key(i), index: i)
        if entries.count < k {
          entries.append(entry)
          if entries.count == k { for j in stride(from: k / 2 - 1, through: 0, by: -1) { sink(j) } }
        } else if entry.key > entries[0].key {
          entries[0] = entry
          sink(0)
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
