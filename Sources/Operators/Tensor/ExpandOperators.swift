import Kernels
import Tensors

/// Expand: broadcasting to a shape. Tile: repetition. ConstantOfShape: one value everywhere.
enum ExpandOperators {
  static let definitions = [expand, tile1, tile, constantOfShape]

  private static func target(_ t: Tensor) throws -> [Int] {
    let shape = try t.ints()
    guard t.rank <= 1, shape.allSatisfy({ $0 >= 0 }) else { throw SwiftletError(.runtime, "\(shape) is no shape") }
    return shape
  }
  /// Dimensions that an input says; when only their number is known, that many unknown ones.
  private static func target(_ c: InferenceContext, _ i: Int) throws -> SymbolicShape? {
    if let t = c.constant(i) { return SymbolicShape(try target(t)) }
    if let d = try c.dimensions(i) { return d }
    guard let n = c.knownShape(i), n.count == 1, (0...64).contains(n[0]) else { return nil }
    return Array(repeating: .unknown, count: n[0])
  }

  private static let expand = OperatorDefinition(
    "Expand", since: [8, 13], inputs: [.required("input", "T"), .required("shape", "I")],
    outputs: [.required("output", "T")], types: ["T": .tensors, "I": .int64], takesHalf: true, exactness: .exact,
    infer: { c in c.set(0, c.elementType(0), try ShapeRule.broadcast([c.shape(0), target(c, 1)])) },
    kernel: { _ in
      { r in
        let x = try r.input(0)
        let shape = try ShapeRule.broadcast(x.shape, target(r.input(1)))
        try Movement.run(r, [x], shape) { from, to, size in
          try StridedCopy.broadcast(from[0], x.shape, to: to, shape, elementSize: size, pool: r.pool)
        }
      }
    })

  private static func tile(_ r: RunContext, _ x: Tensor, _ repeats: [Int]) throws {
    guard repeats.count == x.rank, repeats.allSatisfy({ $0 >= 0 }) else {
      throw SwiftletError(.runtime, "repeats \(repeats) for a tensor of rank \(x.rank)")
    }
    let shape = try zip(x.shape, repeats).map { try Checked.multiply($0, $1) }
    // Each axis as [repeats, dimension], the first without a stride in the input.
    let loops = zip(repeats, x.shape).flatMap { [$0, $1] }
    let strides = Broadcast.strides(of: x.shape).flatMap { [0, $0] }
    try Movement.run(r, [x], shape) { from, to, size in
      try StridedCopy.apply(
        to, Broadcast.strides(of: loops), from[0], strides, shape: loops, elementSize: size, pool: r.pool)
    }
  }
  private static let tile = OperatorDefinition(
    "Tile", since: [6, 13], inputs: [.required("input", "T"), .required("repeats", "I")],
    outputs: [.required("output", "T")], types: ["T": .tensors, "I": .int64], takesHalf: true, exactness: .exact,
    infer: { c in
      guard let x = c.shape(0) else { return c.set(0, c.elementType(0), nil) }
      guard let repeats = try c.dimensions(1), repeats.count == x.count else {
        return c.set(0, c.elementType(0), x.map { _ in .unknown })
      }
      c.set(0, c.elementType(0), zip(x, repeats).map { $0 * $1 })
    },
    kernel: { _ in { r in try tile(r, r.input(0), r.input(1).ints()) } })
  /// One axis, `tiles` times.
  private static let tile1 = OperatorDefinition(
    "Tile", since: [1], inputs: [.required("input", "T"), .required("tiles", "T*"), .required("axis", "T*")],
    outputs: [.required("output", "T")], types: ["T": .tensors], takesHalf: true, exactness: .exact,
    infer: { c in
      guard var x = c.shape(0) else { return c.set(0, c.elementType(0), nil) }
      if let n = try c.constant(1)?.scalar(), let axis = try c.constant(2)?.scalar() {
        let a = try Checked.axis(Checked.int(axis), rank: x.count)
        x[a] = x[a] * .known(try Checked.int(n))
        c.set(0, c.elementType(0), x)
      } else {
        c.set(0, c.elementType(0), x.map { _ in .unknown })
      }
    },
    kernel: { _ in
      { r in
        let x = try r.input(0)
        var repeats = [Int](repeating: 1, count: x.rank)
        repeats[try Checked.axis(Checked.int(r.input(2).scalar()), rank: x.rank)] = try Checked.int(r.input(1).scalar())
        try tile(r, x, repeats)
      }
    })

  private static let constantOfShape = OperatorDefinition(
    "ConstantOfShape", since: [9, 20, 21, 23, 24, 25], inputs: [.required("input", "T1")],
    outputs: [.required("output", "T2")], types: ["T1": .int64, "T2": .tensors],
    attributes: [.optional(.tensor, "value")], takesHalf: true, exactness: .exact,
    infer: { c in
      let value = try c.optionalTensor("value")
      let shape = try target(c, 0)
      c.set(0, value?.type ?? .float, shape)
      if let n = shape?.known, n.count <= 1, let value, value.type == .int64, n.first ?? 1 <= 64 {
        try c.setShapeData(0, .int64, n, Array(repeating: .known(value.int()), count: n.first ?? 1))
      }
    },
    kernel: { c in
      let value = try c.optionalTensor("value") ?? Tensor([Float(0)])
      guard value.count == 1 else { throw SwiftletError(.invalidModel, "the value has \(value.count) elements, not one") }
      return { r in
        let shape = try target(r.input(0))
        try Movement.run(r, [value], shape) { from, to, size in
          try StridedCopy.fill(to, with: from[0], Checked.count(shape), elementSize: size, pool: r.pool)
        }
      }
    })
}
