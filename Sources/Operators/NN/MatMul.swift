import Graphs
import Kernels
import Tensors

/// MatMul, and its forms with what stands around it: com.microsoft.FusedMatMul (alpha, transposed operands) and our own
/// passes' ai.swiftlet.MatMul (bias of the columns, residual and activation besides).
enum MatMul {
  static let definitions = [
    OperatorDefinition(
      "MatMul", since: [1, 9, 13], inputs: [.required("A", "T"), .required("B", "T")], outputs: [.required("Y", "T")],
      types: ["T": [.floats, .integers]], takesHalf: true, exactness: .accumulating, infer: infer, kernel: kernel),
    OperatorDefinition(
      "FusedMatMul", domain: "com.microsoft", since: [1],
      inputs: [.required("A", "T"), .required("B", "T")], outputs: [.required("Y", "T")], types: ["T": .floats],
      attributes: [
        .float("alpha", 1), .int("transA", 0), .int("transB", 0), .int("transBatchA", 0), .int("transBatchB", 0),
      ],
      takesHalf: true, exactness: .accumulating, infer: infer, kernel: kernel),
    OperatorDefinition(
      "MatMul", domain: InternalDomain.name, since: [1],
      inputs: [.required("A", "T"), .required("B", "T"), .optional("bias", "T"), .optional("residual", "T")],
      outputs: [.required("Y", "T")], types: ["T": .floats],
      attributes: [
        .float("alpha", 1), .int("transA", 0), .int("transB", 0), .string("activation"), .floats("activation_params"),
      ],
      takesHalf: true, exactness: .accumulating, infer: infer, kernel: kernel),
  ]

  /// How an operand is to be read before the product.
  struct Form {
    var transposed = false
    /// The first dimension stands before the last one, those between come first (com.microsoft's transBatch).
    var batchTransposed = false

    func apply<D>(_ shape: [D]) -> [D] {
      guard shape.count >= 2 else { return shape }
      var s = shape
      if batchTransposed { s = Array(s[1..<s.count - 1]) + [s[0], s[s.count - 1]] }
      if transposed { s.swapAt(s.count - 1, s.count - 2) }
      return s
    }
  }

  static func forms(_ c: some NodeReading) throws -> (a: Form, b: Form) {
    func flag(_ name: String) throws -> Bool { try c.optionalInt(name) ?? 0 != 0 }
    return (
      Form(transposed: try flag("transA"), batchTransposed: try flag("transBatchA")),
      Form(transposed: try flag("transB"), batchTransposed: try flag("transBatchB"))
    )
  }

  @Sendable private static func infer(_ c: InferenceContext) throws {
    let (a, b) = try forms(c)
    c.set(0, c.elementType(0), try outputShape(c.shape(0), c.shape(1), a, b))
  }

  /// The shape of a product by NumPy's rules.
  static func outputShape(
    _ a: SymbolicShape?, _ b: SymbolicShape?, _ formA: Form = Form(), _ formB: Form = Form()
  ) throws -> SymbolicShape? {
    guard let a, let b else { return nil }
    try checkShape(!a.isEmpty && !b.isEmpty, "a matrix product of the shapes \(a) and \(b)")
    let x = a.count == 1 ? [.known(1), a[0]] : formA.apply(a)
    let y = b.count == 1 ? [b[0], .known(1)] : formB.apply(b)
    guard x[x.count - 1].merged(y[y.count - 2]) != nil else {
      throw SwiftletError(.shape, "a matrix product of the shapes \(a) and \(b): \(x[x.count - 1]) and \(y[y.count - 2]) differ")
    }
    var shape = try ShapeRule.broadcast(Array(x.dropLast(2)), Array(y.dropLast(2)))
    if a.count > 1 { shape.append(x[x.count - 2]) }
    if b.count > 1 { shape.append(y[y.count - 1]) }
    return shape
  }

  @Sendable private static func kernel(_ c: KernelContext) throws -> Kernel {
    let product = try Product(c, bias: 2)
    let packed = c.constant(1) != nil && c.constant(0) == nil ? Lazily<PackedMatrix?>() : nil
    return { r in
      let type = try r.input(0).type
      if type.isInteger { return try IntegerProduct.matMul(r) }
      try dispatch(
        type, float: { try run(r, Float.self, product, packed) }, double: { try run(r, Double.self, product, packed) })
    }
  }

  private static func run<S: KernelScalar>(
    _ r: RunContext, _: S.Type, _ product: Product, _ packed: Lazily<PackedMatrix?>?
  ) throws {
    let b = try r.input(1)
    let a = try r.widenedInput(0)
    let pack = try packed?.get { try Operands.pack(b, product.b, for: a, r.pool) } ?? nil
    try product.run(r, S.self, a, b.shape, pack == nil ? r.widened(b) : nil, pack)
  }

  /// What a node says about its product, beside the operands; `bias` is its input of that name, the residual follows.
  struct Product {
    let a: Form
    let b: Form
    private let alpha: Double
    private let activation: Activation
    private let bias: Int

    init(_ c: KernelContext, bias: Int) throws {
      (a, b) = try MatMul.forms(c)
      alpha = Double(try c.optionalFloat("alpha") ?? 1)
      activation = try c.fusedActivation()
      self.bias = bias
    }

    /// The right operand is a tensor, or packed.
    func run<S: KernelScalar>(
      _ r: RunContext, _: S.Type, _ x: Tensor, _ shape: [Int], _ right: Tensor?, _ packed: PackedMatrix?
    ) throws {
      let bias = try r.widenedOptional(bias), residual = try r.widenedOptional(self.bias + 1)
      try r.writing(0) { y in
        let operands = try Operands(x.shape, shape, a, b)
        try checkShape(bias.map { $0.count == operands.n } ?? true, "the bias has the shape \(bias?.shape ?? [])")
        try checkShape(residual.map { $0.shape == y.shape } ?? true, "the residual has the shape \(residual?.shape ?? [])")
        try operands.multiply(
          x.pointer(S.self), right.map { UnsafePointer($0.pointer(S.self)) }, packed, y.pointer(S.self),
          Epilogue(
            alpha: alpha, columnBias: bias.map { UnsafePointer($0.pointer(S.self)) },
            residual: residual.map { .init($0.pointer(S.self), rowStride: operands.n) }, activation: activation), r)
      }
    }
  }
}

/// The sizes and strides of a product of two tensors with all of MatMul's rules: batches that broadcast, vectors.
struct Operands {
  private(set) var m: Int
  let n: Int
  let k: Int
  private(set) var batch: [Int]
  private var aBatch: [Int]
  private var bBatch: [Int]
  private let a: (row: Int, column: Int)
  private let b: (row: Int, column: Int)

  init(_ aShape: [Int], _ bShape: [Int], _ formA: MatMul.Form = .init(), _ formB: MatMul.Form = .init()) throws {
    try checkShape(!aShape.isEmpty && !bShape.isEmpty, "a matrix product of the shapes \(aShape) and \(bShape)")
    let x = aShape.count == 1 ? [1, aShape[0]] : formA.apply(aShape)
    let y = bShape.count == 1 ? [bShape[0], 1] : formB.apply(bShape)
    let xStrides = aShape.count == 1 ? [0, 1] : formA.apply(Broadcast.strides(of: aShape))
    let yStrides = bShape.count == 1 ? [1, 0] : formB.apply(Broadcast.strides(of: bShape))
    m = x[x.count - 2]
    k = x[x.count - 1]
    n = y[y.count - 1]
    try checkShape(y[y.count - 2] == k, "a matrix product of the shapes \(aShape) and \(bShape)")
    a = (xStrides[xStrides.count - 2], xStrides[xStrides.count - 1])
    b = (yStrides[yStrides.count - 2], yStrides[yStrides.count - 1])
    batch = try ShapeRule.broadcast(Array(x.dropLast(2)), Array(y.dropLast(2)))
    let rank = batch.count
    func strides(_ shape: [Int], _ strides: [Int]) -> [Int] {
      let missing = rank - (shape.count - 2)
      return (0..<rank).map { $0 < missing || shape[$0 - missing] == 1 ? 0 : strides[$0 - missing] }
    }
    aBatch = strides(x, xStrides)
    bBatch = strides(y, yStrides)
    foldRows()
  }

  /// A batch of A times one B is one product of more rows, if the rows follow each other evenly.
  private mutating func foldRows() {
    while let size = batch.last, let step = aBatch.last, bBatch.last == 0 || size == 1 {
      guard size == 1 || step == m * a.row else { return }
      m *= size
      batch.removeLast()
      aBatch.removeLast()
      bBatch.removeLast()
    }
  }

  /// The constant right operand in the kernels' order; nil if it is a batch.
  static func pack(_ b: Tensor, _ form: MatMul.Form, for a: Tensor, _ pool: ThreadPool) throws -> PackedMatrix? {
    guard b.rank >= 2, b.shape.dropLast(2).allSatisfy({ $0 == 1 }), !form.batchTransposed else { return nil }
    let (rows, columns) = (b.shape[b.rank - 2], b.shape[b.rank - 1])
    defer { b.forget() }
    return try PackedMatrix(
      .b, rows: form.transposed ? columns : rows, columns: form.transposed ? rows : columns, data: b.data,
      source: b.type.packedSource(), rowStride: form.transposed ? 1 : columns, columnStride: form.transposed ? columns : 1,
      positions: a.count / max(1, form.transposed ? columns : rows), isApproximate: b.buffer.isApproximate, pool: pool)
  }

  /// c (contiguous) = epilogue(a b). The epilogue's residual, if it has the result's rows, is moved along with the batch.
  func multiply<S: KernelScalar>(
    _ x: UnsafePointer<S>, _ y: UnsafePointer<S>?, _ packed: PackedMatrix?, _ c: UnsafeMutablePointer<S>,
    _ epilogue: Epilogue<S>, _ r: RunContext
  ) throws {
    r.chose(packed?.kernelName ?? "gemm")
    let left = Gemm<S>.Operand.strided(x, rowStride: a.row, columnStride: a.column)
    let right: Gemm<S>.Operand
    if let packed {
      right = .packed(packed)
    } else if let y {
      right = .strided(y, rowStride: b.row, columnStride: b.column)
    } else {
      throw SwiftletError(.internal, "a matrix product without its right operand")
    }
    let steps = Broadcast.strides(of: batch + [m, n])
    let cBatch = Array(steps.dropLast(2))
    let gemm = try Gemm(
      m: m, n: n, k: k, a: left, b: right, epilogue: epilogue,
      batch: batch.isEmpty ? nil : .init(sizes: batch, a: aBatch, b: bBatch, c: cBatch, residual: epilogue.residual == nil ? nil : cBatch))
    let scratch = try r.scratch(gemm.scratchBytes(width: r.pool.width))
    gemm.run(c, rowStride: n, pool: r.pool, scratch: scratch)
  }

  /// Calls `body` with the offsets of A, B and C for each member of the batch.
  func forEachProduct(_ body: (_ a: Int, _ b: Int, _ c: Int) throws -> Void) rethrows {
    let count = batch.reduce(1, *)
    for i in 0..<count {
      var rest = i, (x, y) = (0, 0)
      for d in batch.indices.reversed() {
        x += rest % batch[d] * aBatch[d]
        y += rest % batch[d] * bBatch[d]
        rest /= batch[d]
      }
      try body(x, y, i * m * n)
    }
  }

  /// Strides of one matrix of A and of B.
  var strides: (a: (row: Int, column: Int), b: (row: Int, column: Int)) { (a, b) }
}

/// Products of integer matrices; sums wrap.
enum IntegerProduct {
  static func matMul(_ r: RunContext) throws {
    let a = try r.input(0), b = try r.input(1), y = try r.output(0)
    try multiply(a.data, b.data, y, try Operands(a.shape, b.shape), r)
  }

  /// y = a b, all of y's type.
  static func multiply(
    _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ y: Tensor, _ operands: Operands, _ r: RunContext
  ) throws {
    func run<T: FixedWidthInteger & BitwiseCopyable & Sendable>(_: T.Type) throws {
      try operands.forEachProduct { i, j, k in
        try r.checkCancelled()
        multiply(
          a.assumingMemoryBound(to: T.self) + i, b.assumingMemoryBound(to: T.self) + j, y.pointer(T.self) + k, operands, r.pool)
      }
    }
    switch y.type {
    case .int8: try run(Int8.self)
    case .int16: try run(Int16.self)
    case .int32: try run(Int32.self)
    case .int64: try run(Int64.self)
    case .uint8: try run(UInt8.self)
    case .uint16: try run(UInt16.self)
    case .uint32: try run(UInt32.self)
    case .uint64: try run(UInt64.self)
    default: throw SwiftletError(.type, "an integer type is due, not \(y.type.name)")
    }
  }

  static func multiply<T: FixedWidthInteger & Sendable>(
    _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ c: UnsafeMutablePointer<T>, _ o: Operands, _ pool: ThreadPool
  ) {
    let (sa, sb) = o.strides, n = o.n, k = o.k
    pool.parallel(over: o.m, grain: max(1, 32768 / max(n &* k, 1))) { rows in
      for i in rows {
        let out = c + i &* n
        for j in 0..<n { out[j] = 0 }
        for p in 0..<k {
          let x = a[i &* sa.row &+ p &* sa.column]
          let row = b + p &* sb.row
          if sb.column == 1 {
            for j in 0..<n { out[j] = out[j] &+ x &* row[j] }
          } else {
            for j in 0..<n { out[j] = out[j] &+ x &* row[j &* sb.column] }
          }
        }
      }
    }
  }
}
