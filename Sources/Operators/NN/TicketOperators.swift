import Graphs
import Kernels
import Tensors

/// Strong tickets (docs/ticket-format.md). Their functions are operators here; where a convolution or a matrix product has
/// one as its weight, the two become one operator, which keeps the ticket as it is.
public enum TicketOperators {
  /// The domain of the functions.
  public static let domain = "swiftlet.tickets"
  /// Inputs that tell a ticket: bits, seed or signs, scale or magnitudes; the shape is the fourth.
  public static let parts = 3

  private static let inputs: [Parameter] = [
    .required("bits", "B"), .required("signs", "S"), .required("magnitudes", "T"),
  ]
  private static let types: KeyValuePairs<String, TypeSet> = [
    "B": TypeSet(.uint8), "S": TypeSet(.uint8, .uint32), "T": TypeSet(.float), "I": .int64,
  ]
  private static let attributes: [AttributeSpec] = [.required(.string, "kind"), .required(.ints, "shape")]

  private static let functions: [OperatorDefinition] = Ticket.Kind.allCases.map {
    OperatorDefinition(
      $0.rawValue, domain: domain, since: [1], inputs: inputs + [.required("shape", "I")],
      outputs: [.required("weight", "T")], types: types, infer: inferTicket, kernel: expand)
  }

  static let definitions: [OperatorDefinition] = functions + [
    OperatorDefinition(
      "TicketMatMul", domain: InternalDomain.name, since: [1],
      inputs: [.required("A", "T")] + inputs + [.optional("bias", "T"), .optional("residual", "T")],
      outputs: [.required("Y", "T")], types: types,
      attributes: attributes + [
        .float("alpha", 1), .int("transA", 0), .int("transB", 0), .string("activation"), .floats("activation_params"),
      ],
      exactness: .accumulating, infer: inferMatMul, kernel: matMul),
    OperatorDefinition(
      "TicketConv", domain: InternalDomain.name, since: [1],
      inputs: [.required("X", "T")] + inputs + [.optional("B", "T"), .optional("Z", "T"), .optional("scale", "T")],
      outputs: [.required("Y", "T")], types: types, attributes: Conv.fusedAttributes + attributes,
      exactness: .accumulating, infer: inferConv, kernel: conv),
  ]

  /// - Parameter part: the tensor of each part.
  private static func ticket(_ c: some NodeReading, shape: [Int], part: (Int) throws -> Tensor) throws -> Ticket {
    let kind = try kind(c.optionalString("kind") ?? c.node.opType)
    return try Ticket(kind: kind, bits: part(0), signs: part(1), magnitudes: part(2), shape: shape)
  }

  private static func kind(_ name: String) throws -> Ticket.Kind {
    guard let kind = Ticket.Kind(rawValue: name) else {
      throw SwiftletError(.invalidModel, "ticket: no kind is called '\(name)'")
    }
    return kind
  }

  /// Whether a node is such a call, or operator.
  public static func makes(_ node: Node) -> Bool {
    node.domain == domain && node.overload.isEmpty && Ticket.Kind(rawValue: node.opType) != nil
  }

  /// The ticket that a call of one of the functions makes of constants.
  public static func read(_ call: Node, in graph: Graph) throws -> Ticket {
    let kind = try kind(call.opType)
    guard call.inputs.count == parts + 1, call.outputs.count == 1 else {
      throw SwiftletError(.invalidModel, "ticket: \(parts + 1) inputs and an output are due")
    }
    let tensors = try call.inputs.map { id in
      guard let id, let tensor = graph[id].constant else {
        throw SwiftletError(.invalidModel, "ticket: an input isn't a constant")
      }
      return tensor
    }
    return try Ticket(
      kind: kind, bits: tensors[0], signs: tensors[1], magnitudes: tensors[2], shape: tensors[parts].ints())
  }

  // MARK: Ticket

  @Sendable private static func inferTicket(_ c: InferenceContext) throws {
    guard let shape = try c.constantInts(3) else { return c.set(0, .float, nil) }
    _ = try Checked.count(shape)
    c.set(0, .float, shape)
    if let bits = c.constant(0), let signs = c.constant(1), let magnitudes = c.constant(2) {
      _ = try ticket(c, shape: shape) { [bits, signs, magnitudes][$0] }
    }
  }

  @Sendable private static func expand(_ c: KernelContext) throws -> Kernel {
    { r in
      let ticket = try ticket(c, shape: r.input(3).ints(), part: r.input)
      let y = try r.output(0, .float, ticket.shape)
      try ticket.expand(to: y.pointer(Float.self), pool: r.pool)
    }
  }

  // MARK: Weights of other operators

  private static func shape(_ c: some NodeReading) throws -> [Int] { try c.optionalInts("shape") ?? [] }

  @Sendable private static func inferMatMul(_ c: InferenceContext) throws {
    let (a, b) = try MatMul.forms(c)
    c.set(0, .float, try MatMul.outputShape(c.shape(0), SymbolicShape(try shape(c)), a, b))
  }

  @Sendable private static func matMul(_ c: KernelContext) throws -> Kernel {
    let product = try MatMul.Product(c, bias: 1 + parts)
    let shape = try shape(c), weights = Lazily<PackedMatrix>()
    try checkModel(shape.count == 2, "a ticket of the shape \(shape) as a matrix")
    return { r in
      let packed = try weights.get {
        try PackedMatrix(
          ticket(c, shape: shape) { try r.input(1 + $0) }, transposed: product.b.transposed, pool: r.pool)
      }
      try product.run(r, Float.self, try r.input(0), shape, nil, packed)
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
        try weights.get {
          let scales = try r.optionalInput(3 + parts)?.doubles().map { Float($0) }
          return try PackedConvolution(
            ticket(c, shape: shape) { try r.input(1 + $0) }, scales: scales, geometry: geometry, pool: r.pool)
        }
      }
    }
  }
}
