import Kernels
import Tensors

/// Lists of tensors.
enum SequenceOperators {
  static let definitions = [construct, empty, at, insert, erase, length]

  static func sequence(_ v: Value) throws -> (elements: [Value], type: ValueType) {
    guard case .sequence(let elements, let type) = v else {
      throw SwiftletError(.type, "a sequence is due, not \(v.type)")
    }
    return (elements, type)
  }
  /// A position, negative ones from the end; at most `limit`.
  private static func position(_ r: RunContext, _ i: Int, count: Int, limit: Int, default d: Int) throws -> Int {
    guard let p = try r.optionalInput(i)?.int() else { return d }
    guard p >= -count, p <= limit else {
      throw SwiftletError(.runtime, "position \(p) is out of range for a sequence of \(count)")
    }
    return p < 0 ? p + count : p
  }
  private static func definition(
    _ name: String, _ inputs: [Parameter], attributes: [AttributeSpec] = [], infer: @escaping OperatorDefinition.Infer,
    kernel: @escaping OperatorDefinition.Prepare
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, since: [11], inputs: inputs, outputs: [.required("output", "O")],
      types: ["S": .containers, "T": .tensors, "I": .indices, "O": .anything], attributes: attributes, takesHalf: true,
      exactness: .exact, infer: infer, kernel: kernel)
  }

  private static let construct = definition(
    "SequenceConstruct", [.variadic("inputs", "T")],
    infer: { c in
      let e = (0..<c.inputCount).lazy.compactMap { c.elementType($0) }.first
      c.set(0, e.map { .sequence(.tensor($0, nil)) })
    },
    kernel: { _ in
      { r in
        let x = try r.variadic()
        guard let type = x.first?.type, x.allSatisfy({ $0.type == type }) else {
          throw SwiftletError(.type, "tensors of different types in one sequence")
        }
        try r.setOutput(0, .sequence(x.map { .tensor($0) }, elementType: .tensor(type, nil)))
      }
    })
  private static let empty = definition(
    "SequenceEmpty", [], attributes: [.int("dtype")],
    infer: { c in c.set(0, .sequence(.tensor(try c.optionalElementType("dtype") ?? .float, nil))) },
    kernel: { c in
      let type = try c.optionalElementType("dtype") ?? .float
      return { r in try r.setOutput(0, .sequence([], elementType: .tensor(type, nil))) }
    })
  private static let at = definition(
    "SequenceAt", [.required("input_sequence", "S"), .required("position", "I")],
    infer: { c in if case .sequence(let e)? = c.type(0) { c.set(0, Subgraphs.withoutShape(e)) } },
    kernel: { _ in
      { r in
        let s = try sequence(r.value(0)).elements
        try r.setOutput(0, s[try position(r, 1, count: s.count, limit: s.count - 1, default: 0)])
      }
    })
  private static let insert = definition(
    "SequenceInsert", [.required("input_sequence", "S"), .required("tensor", "T"), .optional("position", "I")],
    infer: { c in c.set(0, c.type(0) ?? c.elementType(1).map { .sequence(.tensor($0, nil)) }) },
    kernel: { _ in
      { r in
        var (elements, type) = try sequence(r.value(0))
        let x = try r.input(1)
        if let e = type.elementType, e != x.type {
          throw SwiftletError(.type, "a tensor of \(x.type.name) for a sequence of \(e.name)")
        }
        elements.insert(
          .tensor(x), at: try position(r, 2, count: elements.count, limit: elements.count, default: elements.count))
        try r.setOutput(0, .sequence(elements, elementType: type))
      }
    })
  private static let erase = definition(
    "SequenceErase", [.required("input_sequence", "S"), .optional("position", "I")],
    infer: { c in c.set(0, c.type(0)) },
    kernel: { _ in
      { r in
        var (elements, type) = try sequence(r.value(0))
        guard !elements.isEmpty else { throw SwiftletError(.runtime, "nothing to erase in an empty sequence") }
        elements.remove(
          at: try position(r, 1, count: elements.count, limit: elements.count - 1, default: elements.count - 1))
        try r.setOutput(0, .sequence(elements, elementType: type))
      }
    })
  private static let length = definition(
    "SequenceLength", [.required("input_sequence", "S")],
    infer: { c in c.set(0, .int64, [] as [Int]) },
    kernel: { _ in
      { r in
        try r.output(0, .int64, []).pointer(Int64.self)[0] = Int64(sequence(r.value(0)).elements.count)
      }
    })
}
