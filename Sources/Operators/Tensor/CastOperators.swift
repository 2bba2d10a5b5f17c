import Kernels
import Tensors

/// Cast, CastLike: to another element type; BitCast: the same bits.
enum CastOperators {
  static let definitions = [cast1, cast, castLike, bitCast]

  private static let castable = TypeSet.tensors.subtracting(.complex).union(.float6s)

  /// Version 1 names the type; since version 6 it is a number.
  private static func target(_ c: some NodeReading) throws -> ElementType {
    guard c.version < 6, case .string(let name)? = c.node.attributes["to"] else { return try c.elementType("to") }
    guard let type = ElementType(name: name.lowercased()) else {
      throw SwiftletError(.invalidModel, "'to' names the unknown type '\(name)'")
    }
    return type
  }
  private static func rounding(_ c: some NodeReading) throws -> ScaleRounding {
    switch try c.string("round_mode") {
    case "up": return .up
    case "down": return .down
    case "nearest": return .nearest
    case let other: throw SwiftletError(.invalidModel, "round_mode '\(other)'")
    }
  }

  private static let attributes: [AttributeSpec] = [.int("saturate", 1), .string("round_mode", "up")]

  private static func definition(_ to: AttributeSpec, _ since: [Int]) -> OperatorDefinition {
    OperatorDefinition(
      "Cast", since: since, inputs: [.required("input", "T1")], outputs: [.required("output", "T2")],
      types: ["T1": castable, "T2": castable], attributes: [to] + attributes, takesHalf: true,
      infer: { c in
        let to = try target(c)
        c.set(0, to, c.shape(0))
        if to.isInteger, c.elementType(0)?.isInteger ?? false, let rank = c.rank(0), rank <= 1,
          let data = try c.shapeData([0])?.first
        {
          try c.setShapeData(0, to, rank == 0 ? [] : [data.count], data)
        }
      },
      kernel: { c in
        let to = try target(c)
        let saturate = try c.bool("saturate")
        let rounding = try rounding(c)
        return { r in try convert(r, to: to, saturate, rounding) }
      })
  }
  private static let cast1 = definition(.required(.string, "to"), [1])
  private static let cast = definition(.required(.int, "to"), [6, 9, 13, 19, 21, 23, 24, 25, 28])

  private static let castLike = OperatorDefinition(
    "CastLike", since: [15, 19, 21, 23, 24, 25], inputs: [.required("input", "T1"), .required("target_type", "T2")],
    outputs: [.required("output", "T2")], types: ["T1": castable, "T2": castable], attributes: attributes,
    takesHalf: true,
    infer: { c in c.set(0, c.elementType(1), c.shape(0)) },
    kernel: { c in
      let saturate = try c.bool("saturate")
      let rounding = try rounding(c)
      return { r in try convert(r, to: r.input(1).type, saturate, rounding) }
    })

  private static func convert(_ r: RunContext, to: ElementType, _ saturate: Bool, _ rounding: ScaleRounding) throws {
    let x = try r.input(0)
    if to == .string {
      try r.setOutput(0, x.type == .string ? x : Tensor(strings: StringConversion.strings(x), x.shape))
    } else if x.type == .string {
      let y = try r.output(0, to, x.shape)
      // By way of the widest type that holds the value.
      let wide = try StringConversion.numbers(x, for: to)
      try Cast.apply(wide.type, wide.data, to: to, y.data, x.count, saturate: saturate, roundMode: rounding, pool: r.pool)
    } else {
      let y = try r.output(0, to, x.shape)
      try Cast.apply(
        x.type, x.data, to: to, y.data, x.count, saturate: saturate, roundMode: rounding, pool: r.pool)
    }
  }

  private static let bitCast = OperatorDefinition(
    "BitCast", since: [26], inputs: [.required("input", "T1")], outputs: [.required("output", "T2")],
    types: ["T1": TypeSet.tensors.subtracting(.string), "T2": TypeSet.tensors.subtracting(.string)],
    attributes: [.required(.int, "to")], memory: .view, takesHalf: true, exactness: .exact,
    infer: { c in
      let to = try c.elementType("to")
      if let from = c.elementType(0), from.bits != to.bits {
        throw SwiftletError(.type, "\(from.name) has not as many bits as \(to.name)")
      }
      c.set(0, to, c.shape(0))
    },
    kernel: { c in
      let to = try c.elementType("to")
      return { r in try r.setOutput(0, r.input(0).reinterpreted(as: to)) }
    })
}
