import Graphs
import Kernels
import Tensors

/// Conv, and its forms with what follows it: com.microsoft.FusedConv (activation, residual Z) and our own passes'
/// ai.swiftlet.Conv (a factor per output channel besides, from batch normalisation).
enum Conv {
  static let definitions = [
    OperatorDefinition(
      "Conv", since: [1, 11, 22],
      inputs: [.required("X", "T"), .required("W", "T"), .optional("B", "T")], outputs: [.required("Y", "T")],
      types: ["T": .floats], attributes: Window.attributes + [.int("group", 1)], takesHalf: true,
      exactness: .accumulating, infer: infer, kernel: kernel),
    OperatorDefinition(
      "FusedConv", domain: "com.microsoft", since: [1],
      inputs: [.required("X", "T"), .required("W", "T"), .optional("B", "T"), .optional("Z", "T")],
      outputs: [.required("Y", "T")], types: ["T": .floats], attributes: fusedAttributes, takesHalf: true,
      exactness: .accumulating, infer: infer, kernel: kernel),
    OperatorDefinition(
      "Conv", domain: InternalDomain.name, since: [1],
      inputs: [
        .required("X", "T"), .required("W", "T"), .optional("B", "T*"), .optional("Z", "T"), .optional("scale", "S"),
      ],
      outputs: [.required("Y", "T")], types: ["T": .floats, "T*": .floats, "S": .floats], attributes: fusedAttributes,
      takesHalf: true, exactness: .accumulating, infer: infer, kernel: kernel),
  ]

  static let fusedAttributes: [AttributeSpec] =
    Window.attributes + [.int("group", 1), .string("activation"), .floats("activation_params")]

  @Sendable private static func infer(_ c: InferenceContext) throws {
    c.set(0, c.elementType(0), try outputShape(c, x: c.shape(0), w: c.shape(1)))
  }

  /// The output's shape of a convolution of inputs [batch, channels, ...] with weights of a shape.
  static func outputShape(_ c: InferenceContext, x xs: SymbolicShape?, w ws: SymbolicShape?) throws -> SymbolicShape? {
    let window = try Window(c)
    let group = try c.optionalInt("group") ?? 1
    try checkModel(group > 0, "group is \(group)")
    for s in [xs, ws] { try checkShape(s.map { $0.count >= 3 } ?? true, "at least 3 dimensions are due, not the shape \(s ?? [])") }
    guard let rank = (xs ?? ws)?.count else { return nil }
    try window.check(rank: rank - 2)
    let input = xs ?? SymbolicShape(repeating: .unknown, count: rank)
    let weights = ws ?? SymbolicShape(repeating: .unknown, count: rank)
    try checkShape(weights.count == rank, "X has the shape \(input), W \(weights)")
    if let channels = input[1].value, let part = weights[1].value {
      try checkShape(
        part.multipliedReportingOverflow(by: group) == (channels, false),
        "\(channels) input channels; the weights have \(part) for each of \(group) groups")
    }
    if let m = weights[0].value { try checkShape(m % group == 0, "\(m) output channels in \(group) groups") }
    var shape = [input[0], weights[0]]
    for d in 0..<rank - 2 {
      var kernel = weights[d + 2]
      if let k = window.kernel?[d] { kernel = try c.same(kernel, .known(k), "kernel_shape and the weights' shape") }
      shape.append(try window.outputDimension(d, input: input[d + 2], kernel: kernel))
    }
    return shape
  }

  @Sendable private static func kernel(_ c: KernelContext) throws -> Kernel {
    let convolution = try Convolving(c, bias: 2)
    let isConstant = c.constant(1) != nil && (!c.hasInput(4) || c.constant(4) != nil)
    let floats = isConstant ? Lazily<PackedConvolution<Float>>() : nil
    let doubles = isConstant ? Lazily<PackedConvolution<Double>>() : nil
    return { r in
      try dispatch(
        r.input(0).type,
        float: { try run(r, Float.self, convolution, floats) }, double: { try run(r, Double.self, convolution, doubles) })
    }
  }

  private static func run<S: KernelScalar>(
    _ r: RunContext, _: S.Type, _ convolution: Convolving, _ packed: Lazily<PackedConvolution<S>>?
  ) throws {
    let w = try r.input(1)
    try convolution.run(r, S.self, w: w.shape) { geometry in
      try packed?.get { try pack(w, scale: 4, geometry, r) } ?? pack(w, scale: 4, geometry, r)
    }
  }

  static func geometry(x: [Int], w: [Int], _ window: Window, group: Int) throws -> ConvolutionGeometry {
    try checkShape(x.count >= 3 && w.count == x.count, "X has the shape \(x), W \(w)")
    let rank = x.count - 2
    try window.check(rank: rank)
    let spans = try (0..<rank).map { d -> (begin: Int, end: Int, output: Int) in
      try checkShape(w[d + 2] > 0, "the kernel has a size of 0")
      return try window.resolve(d, input: x[d + 2], kernel: w[d + 2])
    }
    return try ConvolutionGeometry(
      batch: x[0], inputChannels: x[1], outputChannels: w[0], groups: group, input: Array(x[2...]),
      kernel: Array(w[2...]), strides: (0..<rank).map(window.stride), dilations: (0..<rank).map(window.dilation),
      pads: spans.map(\.begin), output: spans.map(\.output))
  }

  /// What a node says about its convolution, beside the weights; `bias` is its input of that name, the residual follows.
  struct Convolving {
    private let window: Window
    private let group: Int
    private let activation: Activation
    private let bias: Int

    init(_ c: KernelContext, bias: Int) throws {
      window = try Window(c)
      group = try c.int("group")
      activation = try c.fusedActivation()
      self.bias = bias
    }

    /// - Parameter w: the weights' shape.
    func run<S: KernelScalar>(
      _ r: RunContext, _: S.Type, w: [Int], weights: (ConvolutionGeometry) throws -> PackedConvolution<S>
    ) throws {
      let x = try r.widenedInput(0)
      let geometry = try Conv.geometry(x: x.shape, w: w, window, group: group)
      let weights = try weights(geometry)
      r.chose(weights.kernelName)
      let bias = try r.widenedOptional(bias), residual = try r.widenedOptional(self.bias + 1)
      try checkShape(bias.map { $0.count == geometry.outputChannels } ?? true, "B has the shape \(bias?.shape ?? [])")
      try r.writing(0) { y in
        try checkShape(residual.map { $0.shape == y.shape } ?? true, "Z has the shape \(residual?.shape ?? [])")
        let convolution = try Convolution(
          weights, geometry: geometry,
          epilogue: ConvolutionEpilogue(
            bias: bias.map { UnsafePointer($0.pointer(S.self)) },
            residual: residual.map { UnsafePointer($0.pointer(S.self)) }, activation: activation))
        let scratch = try r.scratch(convolution.scratchBytes(width: r.pool.width))
        convolution.run(x.pointer(S.self), y.pointer(S.self), pool: r.pool, scratch: scratch)
      }
    }
  }

  /// - Parameter scale: the input that has a factor for each output channel, if it is given.
  static func pack<S: KernelScalar>(
    _ w: Tensor, scale input: Int, _ geometry: ConvolutionGeometry, _ r: RunContext
  ) throws -> PackedConvolution<S> {
    defer { w.forget() }
    guard let scale = try r.optionalInput(input)?.doubles() else {
      return try PackedConvolution(
        w.data, source: w.type.packedSource(), geometry: geometry, isApproximate: w.buffer.isApproximate, pool: r.pool)
    }
    try checkShape(scale.count == geometry.outputChannels, "\(scale.count) factors for \(geometry.outputChannels) channels")
    let wide = try r.widened(w), scaled = try r.temporary(wide.type, wide.shape)
    let each = scale.isEmpty ? 0 : wide.count / scale.count
    for (channel, s) in scale.enumerated() {
      let from = wide.pointer(S.self) + channel * each, to = scaled.pointer(S.self) + channel * each
      let factor = S(s)
      for i in 0..<each { to[i] = from[i] * factor }
    }
    return try withExtendedLifetime(scaled) {
      try PackedConvolution(scaled.data, geometry: geometry, isApproximate: w.buffer.isApproximate, pool: r.pool)
    }
  }
}
