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
        let found = try positions(r, x)
        let y = try r.output(0, .int64, [x.rank, found.count])
        let p = y.pointer(Int64.self)
        let strides = Broadcast.strides(of: x.shape)
        for (k, stride) in strides.enumerated() {
          for (i, at) in found.enumerated() { p[k * found.count + i] = Int64(at / stride % x.shape[k]) }
        }
      }
    })

  private static func positions(_ r: RunContext, _ x: Tensor) throws -> [Int] {
    if x.type == .string { return x.strings.indices.filter { !x.strings[$0].isEmpty } }
    let flags: Tensor
    if x.type == .bool {
      flags = x
    } else {
      flags = try r.temporary(.bool, x.shape)
      try Cast.apply(x.type, x.data, to: .bool, flags.data, x.count, pool: r.pool)
    }
    let p = flags.data.assumingMemoryBound(to: UInt8.self)
    return (0..<x.count).filter { p[$0] != 0 }
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
