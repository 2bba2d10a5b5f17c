import Kernels
import Tensors

/// Operators whose output is the input with another shape: no element moves.
enum ReshapeOperators {
  static let definitions = [reshape1, reshape, flatten, squeeze, unsqueeze, identity]

  private static func view(
    _ name: String, since: [Int], _ inputs: [Parameter] = [], attributes: [AttributeSpec] = [],
    shape: @escaping @Sendable (InferenceContext) throws -> SymbolicShape?
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, since: since, inputs: [.required("data", "T")] + inputs, outputs: [.required("output", "T")],
      types: ["T": .tensors, "I": .int64], attributes: attributes, memory: .view, takesHalf: true, exactness: .exact,
      infer: { c in
        let result = try shape(c)
        c.set(0, c.elementType(0), result)
        try c.passShapeData(0, rank: result?.count)
      },
      kernel: { _ in
        { r in
          guard let shape = try r.inferredType(0)?.shape?.known else {
            throw SwiftletError(.internal, "the shape of a view is not known")
          }
          try r.setOutput(0, r.input(0).reshaped(shape))
        }
      })
  }

  private static let reshape1 = view(
    "Reshape", since: [1], attributes: [.ints("shape"), .ints("consumed_inputs")]
  ) { c in
    try ShapeRule.reshape(c.shape(0), target: SymbolicShape(c.ints("shape")), allowZero: false)
  }
  private static let reshape = view(
    "Reshape", since: [5, 13, 14, 19, 21, 23, 24, 25], [.required("shape", "I")], attributes: [.int("allowzero", 0)]
  ) { c in
    guard let target = try c.dimensions(1) else {
      guard let n = c.knownShape(1), n.count == 1, (0...64).contains(n[0]) else { return nil }
      return Array(repeating: .unknown, count: n[0])
    }
    return try ShapeRule.reshape(c.shape(0), target: target, allowZero: c.bool("allowzero"))
  }

  private static let flatten = view(
    "Flatten", since: [1, 9, 11, 13, 21, 23, 24, 25], attributes: [.int("axis", 1)]
  ) { c in
    guard let x = c.shape(0) else { return [.unknown, .unknown] }
    let axis = try c.int("axis")
    guard axis >= -x.count, axis <= x.count else {
      throw SwiftletError(.invalidModel, "axis \(axis) is out of range for rank \(x.count)")
    }
    let at = axis < 0 ? axis + x.count : axis
    return [SymbolicShape(x[..<at]).product, SymbolicShape(x[at...]).product]
  }

  private static let squeeze = view(
    "Squeeze", since: [1, 11, 13, 21, 23, 24, 25], [.optional("axes", "I")], attributes: [.ints("axes")]
  ) { c in
    guard let x = c.shape(0), let given = try Axes.read(c, input: 1, from: 13) else { return nil }
    guard let list = given.list else {
      // Without axes every dimension of 1 goes; it must be known which are.
      guard x.known != nil else { return nil }
      return x.filter { $0 != .known(1) }
    }
    let axes = try ShapeRule.axes(list, rank: x.count)
    for a in axes {
      if let n = x[a].value, n != 1 { throw SwiftletError(.shape, "axis \(a) of \(x) is not 1") }
    }
    return x.indices.filter { !axes.contains($0) }.map { x[$0] }
  }

  private static let unsqueeze = view(
    "Unsqueeze", since: [1, 11, 13, 21, 23, 24, 25], [.optional("axes", "I")], attributes: [.ints("axes")]
  ) { c in
    guard let x = c.shape(0), let list = try Axes.read(c, input: 1, from: 13)?.list else { return nil }
    let axes = try ShapeRule.axes(list, rank: Checked.add(x.count, list.count))
    var result = x
    for a in axes { result.insert(.known(1), at: a) }
    return result
  }

  private static let identity = OperatorDefinition(
    "Identity", since: [1, 13, 14, 16, 19, 21, 23, 24, 25], inputs: [.required("input", "V")],
    outputs: [.required("output", "V")], types: ["V": .anything], memory: .view, takesHalf: true, exactness: .exact,
    infer: { c in
      c.set(0, like: 0)
      try c.passShapeData(0, rank: c.rank(0))
    },
    kernel: { _ in { r in try r.setOutput(0, r.value(0)) } })
}
