import Graphs
import Kernels
import Tensors

/// MatMul and Conv in their fused forms, with a constant weight that comes in parts (inputs from 1 on, and an attribute `shape`)
/// and exists only packed: a strong ticket, the coordinates of a `sparse_initializer`.
struct PartedWeights: Sendable {
  let parts: [Parameter]
  let types: KeyValuePairs<String, TypeSet>
  var attributes: [AttributeSpec] = []
  let matrix: @Sendable (KernelContext, RunContext, _ shape: [Int], MatMul.Form) throws -> PackedMatrix?
  /// - Parameter scale: the input with a factor for each output channel, if there is one.
  let convolution:
    @Sendable (KernelContext, RunContext, _ shape: [Int], ConvolutionGeometry, _ scale: Int) throws -> PackedConvolution<Float>

  /// `prefix`MatMul and `prefix`Conv.
  func definitions(_ prefix: String) -> [OperatorDefinition] {
    let attributes = attributes + [.required(.ints, "shape")]
    return [
      OperatorDefinition(
        prefix + "MatMul", domain: InternalDomain.name, since: [1],
        inputs: [.required("A", "T")] + parts + [.optional("bias", "T"), .optional("residual", "T")],
        outputs: [.required("Y", "T")], types: types,
        attributes: attributes + [
          .float("alpha", 1), .int("transA", 0), .int("transB", 0), .string("activation"), .floats("activation_params"),
        ],
        exactness: .accumulating,
        infer: { c in
          let (a, b) = try MatMul.forms(c)
          c.set(0, .float, try MatMul.outputShape(c.shape(0), SymbolicShape(try Self.shape(c)), a, b))
        },
        kernel: matMul),
      OperatorDefinition(
        prefix + "Conv", domain: InternalDomain.name, since: [1],
        inputs: [.required("X", "T")] + parts + [.optional("B", "T"), .optional("Z", "T"), .optional("scale", "T")],
        outputs: [.required("Y", "T")], types: types, attributes: Conv.fusedAttributes + attributes,
        exactness: .accumulating,
        infer: { c in
          c.set(0, .float, try Conv.outputShape(c, x: c.shape(0), w: SymbolicShape(try Self.shape(c))))
        },
        kernel: conv),
    ]
  }

  private static func shape(_ c: some NodeReading) throws -> [Int] { try c.optionalInts("shape") ?? [] }

  @Sendable private func matMul(_ c: KernelContext) throws -> Kernel {
    let product = try MatMul.Product(c, bias: 1 + parts.count)
    let shape = try Self.shape(c), weights = Lazily<PackedMatrix?>()
    try checkModel(shape.count == 2, "a weight of the shape \(shape) as a matrix")
    return { r in
      let packed = try weights.get { try matrix(c, r, shape, product.b) }
      try product.run(r, Float.self, try r.input(0), shape, nil, packed)
    }
  }

  @Sendable private func conv(_ c: KernelContext) throws -> Kernel {
    let convolution = try Conv.Convolving(c, bias: 1 + parts.count)
    let shape = try Self.shape(c), weights = Lazily<PackedConvolution<Float>>()
    return { r in
      try convolution.run(r, Float.self, w: shape) { geometry in
        try weights.get { try self.convolution(c, r, shape, geometry, 3 + parts.count) }
      }
    }
  }
}
