import Kernels
import Tensors

/// What depends on the elements' values: NonZero (coordinates of elements that aren't 0), Compress (slices where a
/// condition holds).
enum NonZeroOperators {
  static let definitions = [nonZero, compress]

  private static let nonZero = OperatorDefinition(
    "NonZero", since: [9, 13], inputs: [.required("X", "T")], outputs: [.required("Y", "I")],
    types: ["T": .tensors, "I": .int64], takesHalf: true, exactness: .exact,
    infer: { c in
      guard let rank = c.rank(0) else { return c.set(0, .int64, nil) }
      c.set(0, .int64, [.known(rank), .unknown])
    },
    kernel: { _ in
      { r in
        let x = try r.input(0)
        let flags = try flags(r, x)
        let p = UnsafePointer(flags.pointer(UInt8.self))
        var count = 0
        for i in 0..<x.count { count &+= p[i] == 0 ? 0 : 1 }
        let y = try r.output(0, .int64, [x.rank, count])
        if x.rank > 0 { coordinates(p, x.shape, count, y.pointer(Int64.self)) }
      }
    })

  /// The coordinates [rank, count] of the `count` elements that aren't 0.
  private static func coordinates(
    _ p: UnsafePointer<UInt8>, _ shape: [Int], _ count: Int, _ out: UnsafeMutablePointer<Int64>
  ) {
    let rank = shape.count, n = shape[rank - 1], last = out + (rank - 1) * count
    let strides = Broadcast.strides(of: Array(shape.dropLast()))
    var at = 0, row = 0
    while at < count {
      let start = at
      var j = 0
      while j < n, at < count {
        last[at] = Int64(j)
        at &+= p[row &* n &+ j] == 0 ? 0 : 1
        j &+= 1
      }
      if at > start {
        for d in 0..<rank - 1 {
          (out + d * count + start).update(repeating: Int64(row / strides[d] % shape[d]), count: at - start)
        }
      }
      row &+= 1
    }
  }

  /// Whether each element isn't 0.
  private static func flags(_ r: RunContext, _ x: Tensor) throws -> Tensor {
    if x.type == .bool { return x }
    if x.type == .string { return try Tensor(x.strings.map { !$0.isEmpty }, x.shape) }
    let flags = try r.temporary(.bool, x.shape)
    guard x.type.isComplex else {
      try Cast.apply(x.type, x.data, to: .bool, flags.data, x.count, pool: r.pool)
      return flags
    }
    // A complex number has two parts.
    let parts = try r.temporary(.bool, [x.count, 2])
    try Cast.apply(x.type == .complex64 ? .float : .double, x.data, to: .bool, parts.data, 2 * x.count, pool: r.pool)
    let p = parts.pointer(UInt8.self), f = flags.pointer(UInt8.self)
    for i in 0..<x.count { f[i] = p[2 * i] | p[2 * i + 1] }
    return flags
  }

  private static let compress = OperatorDefinition(
    "Compress", since: [9, 11, 28], inputs: [.required("input", "T"), .required("condition", "B")],
    outputs: [.required("output", "T")], types: ["T": .tensors, "B": .bool], attributes: [.int("axis")],
    takesHalf: true, exactness: .exact,
    infer: { c in
      guard let axis = try c.optionalInt("axis") else { return c.set(0, c.elementType(0), [.unknown]) }
      guard var shape = c.shape(0) else { return c.set(0, c.elementType(0), nil) }
      shape[try Checked.axis(axis, rank: shape.count)] = .unknown
      c.set(0, c.elementType(0), shape)
    },
    kernel: { c in
      let axis = try c.optionalInt("axis")
      return { r in
        let given = try r.input(0)
        let x = try axis == nil ? given.reshaped([given.count]) : given
        let axis = try Checked.axis(axis ?? 0, rank: x.rank)
        let condition = try r.input(1).ints()
        guard condition.count <= x.shape[axis] else {
          throw SwiftletError(.shape, "\(condition.count) conditions for an axis of \(x.shape[axis])")
        }
        let kept = condition.indices.filter { condition[$0] != 0 }.map(Int64.init)
        var shape = x.shape
        shape[axis] = kept.count
        try Movement.run(r, [x], shape) { from, to, size in
          try Gather.apply(from[0], x.shape, axis: axis, indices: kept, to: to, elementSize: size, pool: r.pool)
        }
      }
    })
}
