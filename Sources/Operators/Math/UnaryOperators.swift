import Kernels
import Tensors

/// Operators of one tensor, element by element; the formulas are in Sources/CKernels/include/unary.h.
enum UnaryOperators {
  static let definitions: [OperatorDefinition] =
    [
      unary("Abs", [1, 6, 13], .abs, .numeric, exactness: .exact),
      unary("Neg", [1, 6, 13], .negate, [.floats, .signed], exactness: .exact),
      unary("Sign", [9, 13], .sign, .numeric, exactness: .exact),
      unary("Ceil", [1, 6, 13], .ceil, exactness: .exact),
      unary("Floor", [1, 6, 13], .floor, exactness: .exact),
      unary("Round", [11, 22], .round, exactness: .exact),
      unary("Sqrt", [1, 6, 13], .sqrt),
      unary("Reciprocal", [1, 6, 13], .reciprocal),
      unary("Exp", [1, 6, 13], .exp),
      unary("Log", [1, 6, 13], .log),
      unary("Erf", [9], .erf, .numeric), unary("Erf", [13], .erf),
      unary("Sin", [7, 22], .sin),
      unary("Cos", [7, 22], .cos),
      unary("Tan", [7, 22], .tan),
      unary("Asin", [7, 22], .asin),
      unary("Acos", [7, 22], .acos),
      unary("Atan", [7, 22], .atan),
      unary("Sinh", [9, 22], .sinh),
      unary("Cosh", [9, 22], .cosh),
      unary("Asinh", [9, 22], .asinh),
      unary("Acosh", [9, 22], .acosh),
      unary("Atanh", [9, 22], .atanh),
      unary("Tanh", [1, 6, 13], .tanh),
      unary("Sigmoid", [1, 6, 13], .sigmoid),
      unary("Relu", [1, 6, 13, 14], .relu, [.floats, .signed], exactness: .exact),
      unary("Softplus", [1, 22], .softplus),
      unary("Softsign", [1, 22], .softsign),
      unary("HardSwish", [14, 22], .hardSwish),
      unary("Mish", [18, 22], .mish),
      unary("LeakyRelu", [1, 6, 16], .leakyRelu, alpha: ("alpha", 0.01)),
      unary("Elu", [1, 6, 22], .elu, alpha: ("alpha", 1)),
      unary("Celu", [12, 28], .celu, alpha: ("alpha", 1)),
      unary("ThresholdedRelu", [10, 22], .thresholdedRelu, alpha: ("alpha", 1)),
      unary("Swish", [24], .swish, alpha: ("alpha", 1)),
      unary("HardSigmoid", [1, 6, 22], .hardSigmoid, alpha: ("alpha", 0.2), beta: ("beta", 0.5)),
      unary("Shrink", [9], .shrink, .numeric, alpha: ("lambd", 0.5), beta: ("bias", 0)),
      unary("Selu", [1], .selu, alpha: ("alpha", 1.6732), beta: ("gamma", 1.0507)),
      unary("Selu", [6, 22], .selu, alpha: ("alpha", 1.6732631921768188), beta: ("gamma", 1.0507010221481323)),
      unary("Not", [1], .not, .bool, exactness: .exact),
      unary("BitwiseNot", [18], .bitNot, .integers, exactness: .exact),
      gelu, isNaN, isInf,
    ] + clip

  private static func unary(
    _ name: String, _ since: [Int], _ op: UnaryOperator, _ types: TypeSet = .floats,
    alpha: (name: String, value: Float)? = nil, beta: (name: String, value: Float)? = nil,
    exactness: Exactness = .rounding
  ) -> OperatorDefinition {
    let old: [AttributeSpec] = since.contains(1) ? [.ints("consumed_inputs")] : []
    return OperatorDefinition(
      name, since: since, inputs: [.required("X", "T")], outputs: [.required("Y", "T")], types: ["T": types],
      attributes: [alpha, beta].compactMap { $0 }.map { .float($0.name, $0.value) } + old, memory: .inPlace([0]),
      takesHalf: true, exactness: exactness,
      infer: { $0.set(0, like: 0) },
      kernel: { c in
        let a = try alpha.map { try Double(c.float($0.name)) } ?? 0
        let b = try beta.map { try Double(c.float($0.name)) } ?? 0
        return { r in try apply(op, r, UnaryParameters(alpha: a, beta: b)) }
      })
  }
  private static func apply(_ op: UnaryOperator, _ r: RunContext, _ parameters: UnaryParameters = .init()) throws {
    let x = try r.input(0)
    let y = try r.output(0)
    if op == .erf, x.type.isInteger {
      let wide = try r.scratch(x.count, of: Float.self)
      try Cast.apply(x.type, x.data, to: .float, wide, x.count, pool: r.pool)
      try Unary.apply(op, .float, wide, to: wide, x.count, parameters, pool: r.pool)
      return try Cast.apply(.float, wide, to: y.type, y.data, y.count, pool: r.pool)
    }
    try Unary.apply(op, x.type, x.data, to: y.data, x.count, parameters, pool: r.pool)
  }

  private static let gelu = OperatorDefinition(
    "Gelu", since: [20], inputs: [.required("X", "T")], outputs: [.required("Y", "T")], types: ["T": .floats],
    attributes: [.string("approximate", "none")], memory: .inPlace([0]), takesHalf: true,
    infer: { $0.set(0, like: 0) },
    kernel: { c in
      let op: UnaryOperator
      switch try c.string("approximate") {
      case "none": op = .gelu
      case "tanh": op = .geluTanh
      case let other: throw SwiftletError(.invalidModel, "approximate must be none or tanh, not '\(other)'")
      }
      return { r in try apply(op, r) }
    })

  /// 8-bit floats are looked at as float.
  private static func predicate(_ r: RunContext, _ op: UnaryOperator, _ parameters: UnaryParameters) throws {
    let x = try r.input(0)
    if x.type.bits > 8 { return try apply(op, r, parameters) }
    let wide = try r.scratch(x.count, of: Float.self)
    try Cast.apply(x.type, x.data, to: .float, wide, x.count, pool: r.pool)
    try Unary.apply(op, .float, wide, to: try r.output(0).data, x.count, parameters, pool: r.pool)
  }
  private static let isNaN = OperatorDefinition(
    "IsNaN", since: [9, 13, 20], inputs: [.required("X", "T1")], outputs: [.required("Y", "T2")],
    types: ["T1": [.floats, .float8s], "T2": .bool], takesHalf: true, exactness: .exact,
    infer: { $0.set(0, .bool, $0.shape(0)) },
    kernel: { _ in { r in try predicate(r, .isNaN, .init()) } })
  private static let isInf = OperatorDefinition(
    "IsInf", since: [10, 20], inputs: [.required("X", "T1")], outputs: [.required("Y", "T2")],
    types: ["T1": [.floats, .float8s], "T2": .bool],
    attributes: [.int("detect_negative", 1), .int("detect_positive", 1)], takesHalf: true, exactness: .exact,
    infer: { $0.set(0, .bool, $0.shape(0)) },
    kernel: { c in
      let negative: Double = try c.bool("detect_negative") ? 1 : 0
      let positive: Double = try c.bool("detect_positive") ? 1 : 0
      return { r in try predicate(r, .isInf, UnaryParameters(alpha: negative, beta: positive)) }
    })

  /// Bounds are attributes before version 11, inputs since then.
  private static let clip = [
    OperatorDefinition(
      "Clip", since: [1, 6], inputs: [.required("input", "T")], outputs: [.required("output", "T")],
      types: ["T": .floats], attributes: [.float("min"), .float("max"), .ints("consumed_inputs")],
      memory: .inPlace([0]), exactness: .exact,
      infer: { $0.set(0, like: 0) },
      kernel: { c in
        let low = try c.optionalFloat("min") ?? -.infinity
        let high = try c.optionalFloat("max") ?? .infinity
        return { r in
          if try r.input(0).type == .double {
            var (l, h) = (Double(low), Double(high))
            try apply(.clip, r, UnaryParameters(clip: .double, low: &l, high: &h))
          } else {
            var (l, h) = (low, high)
            try apply(.clip, r, UnaryParameters(clip: .float, low: &l, high: &h))
          }
        }
      }),
    OperatorDefinition(
      "Clip", since: [11, 12, 13], inputs: [.required("input", "T"), .optional("min", "T"), .optional("max", "T")],
      outputs: [.required("output", "T")], types: ["T": .numeric], memory: .inPlace([0]), takesHalf: true,
      exactness: .exact,
      infer: { $0.set(0, like: 0) },
      kernel: { _ in
        { r in
          let bounds = try [1, 2].map { i in
            try r.optionalInput(i).map { t in
              guard t.count == 1 else { throw SwiftletError(.shape, "the bound \(i) has \(t.count) elements, not one") }
              return t
            }
          }
          try apply(
            .clip, r,
            UnaryParameters(
              clip: r.input(0).type, low: bounds[0].map { UnsafeRawPointer($0.data) },
              high: bounds[1].map { UnsafeRawPointer($0.data) }))
        }
      }),
  ]
}
