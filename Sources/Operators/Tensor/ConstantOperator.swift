import Tensors

/// Constant: a tensor that the node itself holds.
enum ConstantOperator {
  static let definitions = [
    OperatorDefinition(
      "Constant", since: [1, 9, 11, 12, 13, 19, 21, 23, 24, 25], inputs: [], outputs: [.required("output", "T")],
      types: ["T": .tensors],
      attributes: [
        .optional(.tensor, "value"), .optional(.sparseTensor, "sparse_value"), .string("value_string"),
        .strings("value_strings"), .float("value_float"), .floats("value_floats"), .int("value_int"), .ints("value_ints"),
      ], takesHalf: true, exactness: .exact,
      infer: { c in c.setConstant(0, try value(c)) },
      kernel: { c in
        let value = try value(c)
        return { r in try r.setOutput(0, value) }
      })
  ]

  private static func value(_ c: some NodeReading) throws -> Tensor {
    guard c.node.attributes.count == 1, let attribute = c.node.attributes.first?.value else {
      throw SwiftletError(.invalidModel, "Constant must have one attribute, not \(c.node.attributes.count)")
    }
    switch attribute {
    case .tensor(let t): return t
    case .sparseTensor(let s): return try s.dense()
    case .int(let i): return try Tensor([Int64(i)], [])
    case .ints(let i): return try Tensor(ints: i)
    case .float(let f): return try Tensor([f], [])
    case .floats(let f): return try Tensor(f)
    case .string(let s): return try Tensor(strings: [s], [])
    case .strings(let s): return try Tensor(strings: s, [s.count])
    default: throw SwiftletError(.invalidModel, "Constant with a value of an unknown kind")
    }
  }
}
