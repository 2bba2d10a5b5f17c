import Kernels
import Tensors

/// Operators of two tensors, broadcast as in NumPy: arithmetic, comparisons, logic, bits. Versions before 7 broadcast the
/// second operand only, when the attribute `broadcast` says so, its first axis standing at `axis` of the first one's.
enum ArithmeticOperators {
  static let definitions: [OperatorDefinition] = [
    arithmetic("Add", since: [1, 6, 7, 13, 14], .add),
    arithmetic("Sub", since: [1, 6, 7, 13, 14], .subtract),
    arithmetic("Mul", since: [1, 6, 7, 13, 14], .multiply),
    arithmetic("Div", since: [1, 6, 7, 13, 14], .divide),
    mod, pow, prelu, shift,
    predicate("Equal", since: [1, 7, 11, 13, 19], .equal, [.numeric, .bool, .string]),
    predicate("Less", since: [1, 7, 9, 13], .less, .numeric),
    predicate("Greater", since: [1, 7, 9, 13], .greater, .numeric),
    predicate("LessOrEqual", since: [12, 16], .lessOrEqual, .numeric),
    predicate("GreaterOrEqual", since: [12, 16], .greaterOrEqual, .numeric),
    predicate("And", since: [1, 7], .and, .bool),
    predicate("Or", since: [1, 7], .or, .bool),
    predicate("Xor", since: [1, 7], .xor, .bool),
    bitwise("BitwiseAnd", .bitAnd), bitwise("BitwiseOr", .bitOr), bitwise("BitwiseXor", .bitXor),
  ]

  private static let legacy: [AttributeSpec] = [.int("axis"), .int("broadcast", 0), .ints("consumed_inputs")]

  /// The second operand's shape with ones behind it, so that it broadcasts as the attributes say.
  private static func aligned(_ node: some NodeReading, _ a: Int, _ b: SymbolicShape) throws -> SymbolicShape {
    guard node.version < 7, let axis = try node.optionalInt("axis") else { return b }
    let at = try Checked.axis(axis, rank: max(a, 1))
    guard at + b.count <= a else {
      throw SwiftletError(.shape, "\(b) does not fit at axis \(axis) of a tensor of rank \(a)")
    }
    return b + Array(repeating: .known(1), count: a - at - b.count)
  }
  private static func outShape(_ c: InferenceContext) throws -> SymbolicShape? {
    guard let a = c.shape(0), let b = c.shape(1) else { return nil }
    return try ShapeRule.broadcast(a, aligned(c, a.count, b))
  }

  /// The driver's call for the operands of a run.
  private static func apply(_ op: BinaryOperator, _ r: RunContext, _ legacy: Int?) throws {
    let a = try r.input(0)
    let b = try r.input(1)
    let y = try r.output(0)
    var bShape = b.shape
    if let legacy {
      let at = try Checked.axis(legacy, rank: max(a.rank, 1))
      bShape += Array(repeating: 1, count: max(0, a.rank - at - b.rank))
    }
    try Binary.apply(op, a.type, a.data, a.shape, b.data, bShape, to: y.data, y.shape, pool: r.pool)
  }
  private static func kernel(_ op: BinaryOperator) -> OperatorDefinition.Prepare {
    { c in
      let legacy = c.version < 7 ? try c.optionalInt("axis") : nil
      return { r in try apply(op, r, legacy) }
    }
  }

  private static func arithmetic(_ name: String, since: [Int], _ op: BinaryOperator) -> OperatorDefinition {
    OperatorDefinition(
      name, since: since, inputs: [.required("A", "T"), .required("B", "T")], outputs: [.required("C", "T")],
      types: ["T": .numeric], attributes: legacy, memory: .inPlace([0, 1]), takesHalf: true,
      infer: { c in
        c.set(0, c.elementType(0) ?? c.elementType(1), try outShape(c))
        try followShapes(c, op)
      }, kernel: kernel(op))
  }

  /// Sums and products of dimensions.
  private static func followShapes(_ c: InferenceContext, _ op: BinaryOperator) throws {
    guard let rank = c.rank(0), let other = c.rank(1), rank <= 1, other <= 1, let type = c.elementType(0),
      type.isInteger, let d = try c.shapeData([0, 1])
    else { return }
    let n = d[0].count == 1 ? d[1].count : d[0].count
    guard d.allSatisfy({ $0.count == n || $0.count == 1 }) else { return }
    let result: [Dimension] = (0..<n).map { i in
      let a = d[0][d[0].count == 1 ? 0 : i]
      let b = d[1][d[1].count == 1 ? 0 : i]
      switch (op, a, b) {
      case (.add, _, _): return a + b
      case (.multiply, _, _): return a * b
      case (.subtract, _, .known(0)), (.divide, _, .known(1)): return a
      case (.subtract, .known(let x), .known(let y)):
        let (v, o) = x.subtractingReportingOverflow(y)
        return o ? .unknown : .known(v)
      case (.divide, .known(let x), .known(let y)) where y != 0:
        let (v, o) = x.dividedReportingOverflow(by: y)
        return o ? .unknown : .known(v)
      default: return .unknown
      }
    }
    try c.setShapeData(0, type, rank == 0 && other == 0 ? [] : [n], result)
  }

  private static func predicate(_ name: String, since: [Int], _ op: BinaryOperator, _ types: TypeSet) -> OperatorDefinition {
    OperatorDefinition(
      name, since: since, inputs: [.required("A", "T"), .required("B", "T")], outputs: [.required("C", "T1")],
      types: ["T": types, "T1": .bool], attributes: since.contains(1) ? legacy : [], takesHalf: true, exactness: .exact,
      infer: { c in c.set(0, .bool, try outShape(c)) },
      kernel: { c in
        let legacy = c.version < 7 ? try c.optionalInt("axis") : nil
        return { r in
          if try r.input(0).type == .string { try equalStrings(r) } else { try apply(op, r, legacy) }
        }
      })
  }
  /// Strings get numbers, equal ones the same.
  private static func equalStrings(_ r: RunContext) throws {
    var numbers: [[UInt8]: Int64] = [:]
    func numbered(_ t: Tensor) throws -> Tensor {
      try Tensor(
        t.strings.map { s in
          let key = Array(s.utf8)
          let n = numbers[key] ?? Int64(numbers.count)
          numbers[key] = n
          return n
        }, t.shape)
    }
    let a = try numbered(r.input(0))
    let b = try numbered(r.input(1))
    let y = try r.output(0)
    try Binary.apply(.equal, .int64, a.data, a.shape, b.data, b.shape, to: y.data, y.shape)
  }

  private static func bitwise(_ name: String, _ op: BinaryOperator) -> OperatorDefinition {
    OperatorDefinition(
      name, since: [18], inputs: [.required("A", "T"), .required("B", "T")], outputs: [.required("C", "T")],
      types: ["T": .integers], memory: .inPlace([0, 1]), exactness: .exact,
      infer: { c in c.set(0, c.elementType(0) ?? c.elementType(1), try outShape(c)) }, kernel: kernel(op))
  }

  private static let shift = OperatorDefinition(
    "BitShift", since: [11, 28], inputs: [.required("X", "T"), .required("Y", "T")], outputs: [.required("Z", "T")],
    types: ["T": .integers], attributes: [.required(.string, "direction")], memory: .inPlace([0, 1]), exactness: .exact,
    infer: { c in c.set(0, c.elementType(0) ?? c.elementType(1), try outShape(c)) },
    kernel: { c in
      let op: BinaryOperator
      switch try c.string("direction") {
      case "LEFT": op = .shiftLeft
      case "RIGHT": op = .shiftRight
      case let other: throw SwiftletError(.invalidModel, "direction must be LEFT or RIGHT, not '\(other)'")
      }
      return { r in try apply(op, r, nil) }
    })

  private static let mod = OperatorDefinition(
    "Mod", since: [10, 13, 28], inputs: [.required("A", "T"), .required("B", "T")], outputs: [.required("C", "T")],
    types: ["T": .numeric], attributes: [.int("fmod", 0)], memory: .inPlace([0, 1]), takesHalf: true, exactness: .exact,
    infer: { c in c.set(0, c.elementType(0) ?? c.elementType(1), try outShape(c)) },
    kernel: { c in
      let op: BinaryOperator = try c.bool("fmod") ? .remainder : .modulus
      return { r in try apply(op, r, nil) }
    })

  /// The result has the base's type; the exponent may have another.
  private static let pow = OperatorDefinition(
    "Pow", since: [1, 7, 12, 13, 15], inputs: [.required("X", "T"), .required("Y", "T1")], outputs: [.required("Z", "T")],
    types: ["T": [.floats, .indices], "T1": .numeric], attributes: [.int("axis"), .int("broadcast", 0)],
    memory: .inPlace([0]), takesHalf: true,
    infer: { c in c.set(0, c.elementType(0), try outShape(c)) },
    kernel: { c in
      let legacy = c.version < 7 ? try c.optionalInt("axis") : nil
      let constant = try c.constant(1).flatMap { $0.count == 1 ? try $0.scalar() : nil }
      return { r in
        let x = try r.input(0)
        let e = try r.input(1)
        let y = try r.output(0)
        // Squares and roots are what models raise to most.
        if let constant, x.type.isFloat, x.shape == y.shape, constant == 2 || constant == 0.5 || constant == 1 {
          if constant == 2 { return try Unary.apply(.square, x.type, x.data, to: y.data, x.count, pool: r.pool) }
          if constant == 1 {
            if x.data != y.data { y.data.copyMemory(from: x.data, byteCount: x.byteCount) }
            return
          }
          if x.type == .float || x.type == .double {
            return try Unary.apply(.sqrt, x.type, x.data, to: y.data, x.count, pool: r.pool)
          }
        }
        var eShape = e.shape
        if let legacy {
          let at = try Checked.axis(legacy, rank: max(x.rank, 1))
          eShape += Array(repeating: 1, count: max(0, x.rank - at - e.rank))
        }
        try Binary.power(
          x.type, x.data, x.shape, exponentType: e.type, e.data, eShape, to: y.data, y.shape, pool: r.pool)
      }
    })

  /// slope * x where x < 0. Before version 7 the slope belongs to the channels (axis 1); since then it broadcasts to X.
  private static let prelu = OperatorDefinition(
    "PRelu", since: [1, 6, 7, 9, 16], inputs: [.required("X", "T"), .required("slope", "T")],
    outputs: [.required("Y", "T")], types: ["T": [.floats, TypeSet(.int32, .int64, .uint32, .uint64)]],
    attributes: [.ints("consumed_inputs")], memory: .inPlace([0]), takesHalf: true,
    infer: { c in c.set(0, like: 0) },
    kernel: { c in
      let byChannel = c.version < 7
      return { r in
        let x = try r.input(0)
        let slope = try r.input(1)
        let y = try r.output(0)
        let perChannel = byChannel && slope.rank == 1 && slope.count > 1
        let shape = perChannel ? slope.shape + Array(repeating: 1, count: max(0, x.rank - 2)) : slope.shape
        try Binary.apply(.prelu, x.type, x.data, x.shape, slope.data, shape, to: y.data, y.shape, pool: r.pool)
      }
    })
}
