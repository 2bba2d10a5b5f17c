import Graphs
import Kernels
import Tensors

/// Gemm: alpha A' B' + beta C, C broadcast to the result; com.microsoft.FusedGemm applies a function besides.
enum GemmOperator {
  static let definitions = [
    OperatorDefinition(
      "Gemm", since: [1, 6, 7, 9, 11, 13], inputs: inputs, outputs: [.required("Y", "T")],
      types: ["T": [.floats, TypeSet(.int32, .int64, .uint32, .uint64)]], attributes: attributes + [.int("broadcast", 0)],
      takesHalf: true, exactness: .accumulating, infer: infer, kernel: kernel),
    OperatorDefinition(
      "FusedGemm", domain: "com.microsoft", since: [1], inputs: inputs, outputs: [.required("Y", "T")],
      types: ["T": .floats],
      attributes: attributes + [
        .string("activation"), .float("activation_alpha"), .float("activation_beta"), .float("activation_gamma"),
      ],
      takesHalf: true, exactness: .accumulating, infer: infer, kernel: kernel),
  ]
  private static let inputs: [Parameter] = [.required("A", "T"), .required("B", "T"), .optional("C", "T")]
  private static let attributes: [AttributeSpec] = [
    .float("alpha", 1), .float("beta", 1), .int("transA", 0), .int("transB", 0),
  ]

  @Sendable private static func infer(_ c: InferenceContext) throws {
    let (formA, formB) = try MatMul.forms(c)
    let a = try c.shape(0, rank: 2).map(formA.apply), b = try c.shape(1, rank: 2).map(formB.apply)
    if let a, let b { _ = try c.same(a[1], b[0], "the inner dimensions of A and B") }
    let shape = [a?[0] ?? .unknown, b?[1] ?? .unknown]
    if let s = c.knownShape(2), let y = shape.known {
      try checkShape(ShapeRule.broadcast(s, y) == y, "C has the shape \(s), the product \(y)")
    }
    c.set(0, c.elementType(0), shape)
  }

  @Sendable private static func kernel(_ c: KernelContext) throws -> Kernel {
    let (formA, formB) = try MatMul.forms(c)
    let alpha = Double(try c.float("alpha")), beta = Double(try c.float("beta"))
    let (activation, last) = try activation(c)
    let packed = c.constant(1) != nil && c.constant(0) == nil ? Lazily<PackedMatrix?>() : nil
    return { r in
      let type = try r.input(0).type
      if type.isInteger { return try integers(r, formA, formB, alpha, beta) }
      try dispatch(
        type, float: { try run(r, Float.self, formA, formB, alpha, beta, activation, last, packed) },
        double: { try run(r, Double.self, formA, formB, alpha, beta, activation, last, packed) })
    }
  }

  /// The function that FusedGemm applies: within the product where that knows it, else afterwards.
  private static func activation(_ c: KernelContext) throws -> (Activation, RecurrentActivation?) {
    guard let name = try c.optionalString("activation"), !name.isEmpty else { return (.none, nil) }
    let alpha = try c.optionalFloat("activation_alpha"), beta = try c.optionalFloat("activation_beta")
    switch name {
    case "LeakyRelu": return (.leakyRelu(Double(alpha ?? 0.01)), nil)
    case "HardSigmoid": return (.hardSigmoid(Double(alpha ?? 0.2), Double(beta ?? 0.5)), nil)
    case "Relu", "Sigmoid", "Tanh": return (try c.fusedActivation(), nil)
    default:
      var alphas = [alpha].compactMap { $0 }[...], betas = [beta].compactMap { $0 }[...]
      return (.none, try RecurrentActivation(name, &alphas, &betas))
    }
  }

  /// Strides with which C is read for the rows and columns of the result.
  private static func strides(_ c: Tensor, m: Int, n: Int) throws -> (row: Int, column: Int) {
    let s = Array(repeating: 1, count: max(0, 2 - c.rank)) + c.shape
    guard s.count == 2, s[0] == m || s[0] == 1, s[1] == n || s[1] == 1 else {
      throw SwiftletError(.shape, "C has the shape \(c.shape), the product [\(m), \(n)]")
    }
    return (s[0] == 1 ? 0 : s[1], s[1] == 1 ? 0 : 1)
  }

  private static func run<S: KernelScalar>(
    _ r: RunContext, _: S.Type, _ formA: MatMul.Form, _ formB: MatMul.Form, _ alpha: Double, _ beta: Double,
    _ activation: Activation, _ last: RecurrentActivation?, _ packed: Lazily<PackedMatrix?>?
  ) throws {
    let b = try r.input(1)
    let a = try r.widenedInput(0)
    let pack = try packed?.get { try Operands.pack(b, formB, for: a, r.pool) } ?? nil
    let wideB = pack == nil ? try r.widened(b) : b
    let c = beta == 0 ? nil : try r.widenedOptional(2)
    try r.writing(0) { y in
      let operands = try Operands(a.shape, b.shape, formA, formB)
      var epilogue = Epilogue<S>(alpha: alpha, activation: activation)
      if let c {
        let (row, column) = try strides(c, m: operands.m, n: operands.n)
        if row == 0, column == 1, beta == 1 {
          epilogue.columnBias = UnsafePointer(c.pointer(S.self))
        } else {
          epilogue.residual = .init(c.pointer(S.self), rowStride: row, columnStride: column, scale: beta)
        }
      }
      try operands.multiply(
        a.pointer(S.self), pack == nil ? UnsafePointer(wideB.pointer(S.self)) : nil, pack, y.pointer(S.self), epilogue, r)
      try last?.apply(y.type, y.data, y.count)
    }
  }

  private static func integers(
    _ r: RunContext, _ formA: MatMul.Form, _ formB: MatMul.Form, _ alpha: Double, _ beta: Double
  ) throws {
    let a = try r.input(0), b = try r.input(1), c = try r.optionalInput(2), y = try r.output(0)
    let operands = try Operands(a.shape, b.shape, formA, formB)
    func run<T: FixedWidthInteger & BitwiseCopyable & Sendable>(_: T.Type) throws {
      let out = y.pointer(T.self)
      IntegerProduct.multiply(a.pointer(T.self), b.pointer(T.self), out, operands, r.pool)
      func scale(_ x: T, _ factor: Double) -> T { factor == 1 ? x : T(exactly: (Double(x) * factor).rounded(.towardZero)) ?? 0 }
      let (row, column) = try c.map { try strides($0, m: operands.m, n: operands.n) } ?? (0, 0)
      for i in 0..<operands.m {
        for j in 0..<operands.n {
          let addend = c.map { scale($0.pointer(T.self)[i * row + j * column], beta) } ?? 0
          out[i * operands.n + j] = scale(out[i * operands.n + j], alpha) &+ addend
        }
      }
    }
    switch y.type {
    case .int32: try run(Int32.self)
    case .int64: try run(Int64.self)
    case .uint32: try run(UInt32.self)
    case .uint64: try run(UInt64.self)
    default: throw SwiftletError(.type, "Gemm of \(y.type.name)")
    }
  }
}
