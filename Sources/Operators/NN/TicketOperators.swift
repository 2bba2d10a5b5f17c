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

  private static let functions: [OperatorDefinition] = Ticket.Kind.allCases.map {
    OperatorDefinition(
      $0.rawValue, domain: domain, since: [1], inputs: inputs + [.required("shape", "I")],
      outputs: [.required("weight", "T")], types: types, infer: inferTicket, kernel: expand)
  }

  static let definitions: [OperatorDefinition] = functions + weights.definitions("Ticket")

  private static let weights = PartedWeights(
    parts: inputs, types: types, attributes: [.required(.string, "kind")],
    matrix: { c, r, shape, form in
      try PackedMatrix(
        ticket(c, shape: shape) { try r.input(1 + $0) }, transposed: form.transposed, pool: r.pool)
    },
    convolution: { c, r, shape, geometry, scale in
      let scales = try r.optionalInput(scale)?.doubles().map { Float($0) }
      return try PackedConvolution(
        ticket(c, shape: shape) { try r.input(1 + $0) }, scales: scales, geometry: geometry, pool: r.pool)
    })

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
}
