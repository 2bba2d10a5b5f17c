import Graphs
import Kernels
import Tensors

/// Products and convolutions whose weights stand in a `sparse_initializer`: they are written out to be packed, and not
/// kept.
public enum CoordinateOperators {
  /// Inputs that tell a weight: values and indices.
  public static let parts = 2

  private static let inputs: [Parameter] = [.required("values", "T"), .required("indices", "I")]
  private static let types: KeyValuePairs<String, TypeSet> = ["T": TypeSet(.float), "I": .int64]
  private static let attributes: [AttributeSpec] = [.required(.ints, "shape")]

  static let definitions: [OperatorDefinition] = [
    OperatorDefinition(
      "CoordinateMatMul", domain: InternalDomain.name, since: [1],
      inputs: [.required("A", "T")] + inputs + [.optional("bias", "T"), .optional("residual", "T")],
      outputs: [.required("Y", "T")], types: types,
      attributes: attributes + [
        .float("alpha", 1), .int("transA", 0), .int("transB", 0), .string("activation"), .floats("activation_params"),
      ],
      exactness: .accumulating, infer: inferMatMul, kernel: matMul),
    OperatorDefinition(
      "CoordinateConv", domain: InternalDomain.name, since: [1],
      inputs: [.required("X", "T")] + inputs + [.optional("B", "T"), .optional("Z", "T"), .optional("scale", "T")],
      outputs: [.required("Y", "T")], types: types, attributes: Conv.fusedAttributes + attributes,
      exactness: .accumulating, infer: inferConv, kernel: conv),
  ]

  private static func shape(_ c: some NodeReading) throws -> [Int] { try c.optionalInts("shape") ?? [] }

  /// The weight, for `pack` alone.
  private static func withWeight<R>(_ r: RunContext, _ shape: [Int], _ pack: (Tensor) throws -> R) throws -> R {
    let values = try r.input(1), indices = try r.input(2)
    defer {
      values.forget()
      indices.forget()
    }
    return try pack(SparseTensor(values: values, indices: indices, shape: shape).dense())
  }

  @Sendable private static func inferMatMul(_ c: InferenceContext) throws {
    let (a, b) = try MatMul.forms(c)
    c.set(0, .float, try MatMul.outputShape(c.shape(0), SymbolicShape(try shape(c)), a, b))
  }

  @Sendable private static func matMul(_ c: KernelContext) throws -> Kernel {
    let product = try MatMul.Product(c, bias: 1 + parts)
    let shape = try shape(c), weights = Lazily<PackedMatrix?>()
    try checkModel(shape.count == 2, "a sparse weight of the shape \(shape) as a matrix")
    return { r in
      let a = try r.input(0)
      let packed = try weights.get { try withWeight(r, shape) { try Operands.pack($0, product.b, for: a, r.pool) } }
      try product.run(r, Float.self, a, shape, nil, packed)
    }
  }

  @Sendable private static func inferConv(_ c: InferenceContext) throws {
    c.set(0, .float, try Conv.outputShape(c, x: c.shape(0), w: SymbolicShape(try shape(c))))
  }

  @Sendable private static func conv(_ c: KernelContext) throws -> Kernel {
    let convolution = try Conv.Convolving(c, bias: 1 + parts)
    let shape = try shape(c), weights = Lazily<PackedConvolution<Float>>()
    return { r in
      try convolution.run(r, Float.self, w: shape) { geometry in
        try weights.get { try withWeight(r, shape) { try Conv.pack($0, scale: 3 + parts, geometry, r) } }
      }
    }
  }
}
