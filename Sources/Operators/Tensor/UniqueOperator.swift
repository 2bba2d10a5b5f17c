import Kernels
import Tensors

/// Unique: distinct elements (or slices along an axis), where each stands first, which of them each element is, and how
/// many there are of each.
enum UniqueOperator {
  static let definitions = [
    OperatorDefinition(
      "Unique", since: [11, 28], inputs: [.required("X", "T")],
      outputs: [.required("Y", "T"), .optional("indices", "I"), .optional("inverse_indices", "I"), .optional("counts", "I")],
      types: ["T": [.numeric, .bool, .string, .complex], "I": .int64], attributes: [.int("axis"), .int("sorted", 1)],
      takesHalf: true, exactness: .exact,
      infer: { c in
        let axis = try c.optionalInt("axis")
        if axis == nil {
          c.set(0, c.elementType(0), [.unknown])
        } else if var shape = c.shape(0), let axis {
          shape[try Checked.axis(axis, rank: shape.count)] = .unknown
          c.set(0, c.elementType(0), shape)
        } else {
          c.set(0, c.elementType(0), nil)
        }
        c.set(1, .int64, [.unknown])
        c.set(2, .int64, [try axis.flatMap { a in try c.shape(0).map { $0[try Checked.axis(a, rank: $0.count)] } } ?? (axis == nil ? c.shape(0)?.product : nil) ?? .unknown])
        c.set(3, .int64, [.unknown])
      },
      kernel: { c in
        let axis = try c.optionalInt("axis")
        let sorted = try c.bool("sorted")
        return { r in
          let given = try r.input(0)
          let x = try axis == nil ? given.reshaped([given.count]) : given
          let axis = try Checked.axis(axis ?? 0, rank: x.rank)
          let found = try distinct(x, axis: axis, sorted: sorted)
          var shape = x.shape
          shape[axis] = found.first.count
          try Movement.run(r, [x], shape) { from, to, size in
            try Gather.apply(
              from[0], x.shape, axis: axis, indices: found.first, to: to, elementSize: size, pool: r.pool)
          }
          for (i, list) in [found.first, found.inverse, found.counts].enumerated() where r.hasOutput(i + 1) {
            try r.setOutput(i + 1, Tensor(list))
          }
        }
      })
  ]

  private static func distinct(_ x: Tensor, axis: Int, sorted: Bool) throws
    -> (first: [Int64], inverse: [Int64], counts: [Int64])
  {
    let keys = try OrderedKeys.of(x)
    let n = x.shape[axis]
    // Complex numbers by their real part, then by the imaginary one.
    let inner = try Checked.count(Array(x.shape[(axis + 1)...])) * (x.type.isComplex ? 2 : 1)
    let outer = try Checked.count(Array(x.shape[..<axis]))
    // -1, 0, 1: the order of two slices, element by element.
    func order(_ a: Int, _ b: Int) -> Int {
      for o in 0..<outer {
        for i in 0..<inner {
          let p = keys[(o * n + a) * inner + i]
          let q = keys[(o * n + b) * inner + i]
          if p != q { return p < q ? -1 : 1 }
        }
      }
      return 0
    }
    let isFlat = inner == 1 && outer == 1
    let ascending = keys.withUnsafeBufferPointer { keys in
      (0..<n).sorted { a, b in
        if isFlat { return keys[a] < keys[b] || (keys[a] == keys[b] && a < b) }
        let c = order(a, b)
        return c < 0 || (c == 0 && a < b)
      }
    }
    // Groups of equals, in ascending order.
    var first: [Int64] = [], counts: [Int64] = [], inverse = [Int64](repeating: 0, count: n)
    for (k, i) in ascending.enumerated() {
      if k == 0 || order(ascending[k - 1], i) != 0 {
        first.append(Int64(i))
        counts.append(0)
      }
      counts[counts.count - 1] += 1
      inverse[i] = Int64(first.count - 1)
    }
    if sorted { return (first, inverse, counts) }
    let places = first.indices.sorted { first[$0] < first[$1] }
    var now = [Int64](repeating: 0, count: first.count)
    for (place, g) in places.enumerated() { now[g] = Int64(place) }
    return (places.map { first[$0] }, inverse.map { now[Int($0)] }, places.map { counts[$0] })
  }
}
