import Kernels
import Tensors

/// ConvTranspose: the gradient of a convolution with respect to its image.
enum ConvTranspose {
  static let definitions = [
    OperatorDefinition(
      "ConvTranspose", since: [1, 11, 22],
      inputs: [.required("X", "T"), .required("W", "T"), .optional("B", "T")], outputs: [.required("Y", "T")],
      types: ["T": .floats],
      attributes: Window.attributes + [.int("group", 1), .ints("output_padding"), .ints("output_shape")], takesHalf: true,
      exactness: .accumulating, infer: infer, kernel: kernel)
  ]

  /// Its attributes and what follows from them.
  private struct Form: Sendable {
    let window: Window
    let group: Int
    let outputPadding: [Int]?
    let outputShape: [Int]?

    init(_ c: some NodeReading) throws {
      window = try Window(c)
      group = try c.int("group")
      outputPadding = try c.optionalInts("output_padding").flatMap { $0.isEmpty ? nil : $0 }
      outputShape = try c.optionalInts("output_shape").flatMap { $0.isEmpty ? nil : $0 }
      try checkModel(group > 0, "group is \(group)")
      try checkModel(outputPadding?.allSatisfy { $0 >= 0 } ?? true, "output_padding is \(outputPadding ?? [])")
      try checkModel(outputShape?.allSatisfy { $0 >= 0 } ?? true, "output_shape is \(outputShape ?? [])")
    }

    func check(rank: Int) throws {
      try window.check(rank: rank)
      try checkShape(outputPadding.map { $0.count == rank } ?? true, "output_padding doesn't fit \(rank) dimensions")
      // Some exporters give the whole shape.
      try checkShape(outputShape.map { $0.count == rank || $0.count == rank + 2 } ?? true, "output_shape doesn't fit \(rank) dimensions")
    }

    /// Pad at the beginning and output size along spatial dimension `d`.
    func resolve(_ d: Int, rank: Int, input: Int, kernel: Int) throws -> (begin: Int, output: Int) {
      let stride = window.stride(d)
      let reach = try Checked.add(Checked.multiply(kernel - 1, window.dilation(d)), 1)
      let extra = outputPadding?[d] ?? 0
      let full = try Checked.add(Checked.add(Checked.multiply(stride, input - 1), extra), reach)
      func split(_ total: Int) -> Int {
        let half = total / 2
        return window.autoPad == .sameUpper ? half : total - half
      }
      if let outputShape {
        let output = outputShape[outputShape.count - rank + d]
        let total = max(0, try Checked.subtract(full, output))
        return (split(total), output)
      }
      switch window.autoPad {
      case .sameUpper, .sameLower:
        let output = try Checked.multiply(input, stride)
        return (split(max(0, try Checked.subtract(full, output))), output)
      case .valid: return (0, max(0, full))
      case .notSet:
        let pads = window.pads
        let begin = pads?[d] ?? 0
        let output = try Checked.subtract(Checked.subtract(full, begin), pads?[d + rank] ?? 0)
        try checkShape(output >= 0, "the pads leave nothing of dimension \(d)")
        return (begin, output)
      }
    }
  }

  @Sendable private static func infer(_ c: InferenceContext) throws {
    let form = try Form(c)
    let xs = try c.shape(0, ranks: 3...), ws = try c.shape(1, ranks: 3...)
    guard let rank = (xs ?? ws)?.count else { return c.set(0, c.elementType(0), nil) }
    try form.check(rank: rank - 2)
    let unknown = SymbolicShape(repeating: .unknown, count: rank)
    let x = xs ?? unknown, w = ws ?? unknown
    try checkShape(x.count == w.count, "X has the shape \(x), W \(w)")
    _ = try c.same(x[1], w[0], "the channels of X and W")
    if let channels = w[0].value { try checkShape(channels % form.group == 0, "\(channels) channels in \(form.group) groups") }
    var shape = [x[0], w[1] * .known(form.group)]
    for d in 0..<rank - 2 {
      var kernel = w[d + 2]
      if let k = form.window.kernel?[d] { kernel = try c.same(kernel, .known(k), "kernel_shape and the weights' shape") }
      guard let size = x[d + 2].value, let k = kernel.value else {
        shape.append(form.outputShape.map { .known($0[$0.count - (rank - 2) + d]) } ?? .unknown)
        continue
      }
      shape.append(.known(try form.resolve(d, rank: rank - 2, input: size, kernel: k).output))
    }
    c.set(0, c.elementType(0), shape)
  }

  @Sendable private static func kernel(_ c: KernelContext) throws -> Kernel {
    let form = try Form(c)
    let floats = c.constant(1) == nil ? nil : Lazily<PackedTransposedConvolution<Float>>()
    let doubles = c.constant(1) == nil ? nil : Lazily<PackedTransposedConvolution<Double>>()
    return { r in
      try dispatch(
        r.input(0).type, float: { try run(r, Float.self, form, floats) }, double: { try run(r, Double.self, form, doubles) })
    }
  }

  private static func run<S: KernelScalar>(
    _ r: RunContext, _: S.Type, _ form: Form, _ packed: Lazily<PackedTransposedConvolution<S>>?
  ) throws {
    let x = try r.widenedInput(0), w = try r.input(1), bias = try r.widenedOptional(2)
    let rank = x.rank - 2
    try checkShape(rank > 0 && w.rank == x.rank, "X has the shape \(x.shape), W \(w.shape)")
    try form.check(rank: rank)
    let spans = try (0..<rank).map { try form.resolve($0, rank: rank, input: x.shape[$0 + 2], kernel: w.shape[$0 + 2]) }
    let channels = try Checked.multiply(w.shape[1], form.group)
    try checkShape(x.shape[1] == w.shape[0], "X has the shape \(x.shape), W \(w.shape)")
    try checkShape(bias.map { $0.count == channels } ?? true, "B has the shape \(bias?.shape ?? [])")
    let geometry = try ConvolutionGeometry(
      batch: x.shape[0], inputChannels: channels, outputChannels: x.shape[1], groups: form.group,
      input: spans.map(\.output), kernel: Array(w.shape[2...]), strides: (0..<rank).map(form.window.stride),
      dilations: (0..<rank).map(form.window.dilation), pads: spans.map(\.begin), output: Array(x.shape[2...]))
    func pack() throws -> PackedTransposedConvolution<S> {
      defer { w.forget() }
      return try PackedTransposedConvolution(w.data, source: w.type.packedSource(), geometry: geometry)
    }
    let weights = try packed?.get(pack) ?? pack()
    try r.writing(0) { y in
      let convolution = try TransposedConvolution(
        weights, geometry: geometry, epilogue: ConvolutionEpilogue(bias: bias.map { UnsafePointer($0.pointer(S.self)) }))
      let scratch = try r.scratch(convolution.scratchBytes(width: r.pool.width))
      convolution.run(x.pointer(S.self), y.pointer(S.self), pool: r.pool, scratch: scratch)
    }
  }
}
