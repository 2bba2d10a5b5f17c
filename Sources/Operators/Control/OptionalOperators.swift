import Graphs
import Tensors

/// Values that may be absent: Optional, OptionalGetElement, OptionalHasElement. Since version 18 the latter two take
/// tensors and sequences as well.
enum OptionalOperators {
  static let definitions = [optional, getElement, hasElement]

  private static let values: TypeSet = [.anything, .float6s]

  private static func declared(_ c: some NodeReading) -> ValueType? {
    if case .type(let t)? = c.node.attributes["type"] { t } else { nil }
  }

  private static let optional = OperatorDefinition(
    "Optional", since: [15, 28], inputs: [.optional("input", "V")], outputs: [.required("output", "O")],
    types: ["V": values, "O": .containers], attributes: [.optional(.type, "type")], takesHalf: true,
    exactness: .exact,
    infer: { c in c.set(0, (c.type(0).map(Subgraphs.withoutShape) ?? declared(c)).map { .optional($0) }) },
    kernel: { c in
      let declared = declared(c)
      return { r in
        let v = r.hasInput(0) ? try r.value(0) : nil
        guard let type = v.map({ Subgraphs.withoutShape($0.type) }) ?? declared else {
          throw SwiftletError(.invalidModel, "neither an input nor the attribute 'type' is given")
        }
        try r.setOutput(0, .optional(v, type: type))
      }
    })

  private static let getElement = OperatorDefinition(
    "OptionalGetElement", since: [15, 18, 28], inputs: [.required("input", "O")], outputs: [.required("output", "V")],
    types: ["O": values, "V": values], takesHalf: true, exactness: .exact,
    infer: { c in
      if case .optional(let e)? = c.type(0) { c.set(0, e) } else { c.set(0, c.type(0)) }
    },
    kernel: { _ in
      { r in
        guard case .optional(let v, _) = try r.value(0) else { return try r.setOutput(0, r.value(0)) }
        guard let v else { throw SwiftletError(.runtime, "the optional has no element") }
        try r.setOutput(0, v)
      }
    })

  private static let hasElement = OperatorDefinition(
    "OptionalHasElement", since: [15, 18, 28], inputs: [.optional("input", "O")], outputs: [.required("output", "B")],
    types: ["O": values, "B": .bool], takesHalf: true, exactness: .exact,
    infer: { c in c.set(0, .bool, [] as [Int]) },
    kernel: { _ in
      { r in
        var isThere = r.hasInput(0)
        if isThere, case .optional(nil, _) = try r.value(0) { isThere = false }
        try r.setOutput(0, Tensor([isThere], []))
      }
    })
}
