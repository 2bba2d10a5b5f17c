import Kernels
import Tensors

/// BatchNormalization: scale (x - mean) / sqrt(var + epsilon) + B for each channel. In training mode (and before version
/// 14 when the running statistics are asked for) mean and variance are those of the batch.
enum BatchNormalization {
  static let definitions = [
    definition([1], 9, [.optional(.ints, "consumed_inputs"), .int("is_test", 0), .int("spatial", 1)]),
    definition([6], 7, [.int("is_test", 0), .int("spatial", 1)]),
    definition([7], 7, [.int("spatial", 1)]),
    definition([9], 7, []),
    definition([14, 15], 3, [.int("training_mode", 0)]),
  ]

  private static func definition(_ since: [Int], _ outputs: Int, _ attributes: [AttributeSpec]) -> OperatorDefinition {
    let names = ["Y", "running_mean", "running_var", "saved_mean", "saved_var"]
    return OperatorDefinition(
      "BatchNormalization", since: since,
      inputs: [
        .required("X", "T"), .required("scale", "T1"), .required("B", "T1"), .required("input_mean", "T2"),
        .required("input_var", "T2"),
      ],
      outputs: [.required("Y", "T")] + names.dropFirst().prefix(outputs == 3 ? 2 : 4).map { .optional($0, "T2") },
      types: ["T": .floats, "T1": .floats, "T2": .floats],
      attributes: attributes + [.float("epsilon", 1e-5), .float("momentum", 0.9)], memory: .inPlace([0]), takesHalf: true,
      infer: infer, kernel: kernel)
  }

  @Sendable private static func infer(_ c: InferenceContext) throws {
    _ = try c.shape(0, ranks: 1...)
    c.set(0, like: 0)
    for i in 1..<5 { c.set(i, c.elementType(3), c.shape(3)) }
  }

  private struct Form: Sendable {
    let epsilon: Double
    let momentum: Double
    let isTraining: Bool
    /// Statistics for each channel, or (version 1 to 8, `spatial` 0) for each element of an image.
    let isSpatial: Bool

    init(_ c: KernelContext) throws {
      epsilon = Double(try c.float("epsilon"))
      momentum = Double(try c.float("momentum"))
      isTraining = try c.version >= 14 ? c.bool("training_mode") : c.version < 7 ? !c.bool("is_test") && c.outputCount > 1 : false
      isSpatial = try c.optionalInt("spatial") ?? 1 != 0
    }
  }

  @Sendable private static func kernel(_ c: KernelContext) throws -> Kernel {
    let form = try Form(c)
    return { r in
      try dispatch(r.input(0).type, float: { try run(r, Float.self, form) }, double: { try run(r, Double.self, form) })
    }
  }

  private static func run<S: KernelScalar>(_ r: RunContext, _: S.Type, _ form: Form) throws {
    let x = try r.widenedInput(0)
    let channels = form.isSpatial ? (x.rank > 1 ? x.shape[1] : 1) : try Checked.count(Array(x.shape.dropFirst()))
    let images = x.shape.first ?? 1
    let plane = x.count / max(1, images * channels)
    var parameters = try (1...4).map { try r.input($0).doubles() }
    try checkShape(
      parameters.allSatisfy { $0.count == channels }, "scale, B, mean and variance must have \(channels) elements")
    if form.isTraining {
      let (mean, variance) = statistics(x.pointer(S.self), images, channels, plane, r.pool)
      for (i, batch, old) in [(1, mean, parameters[2]), (2, variance, parameters[3])] where r.hasOutput(i) {
        try store(r, i, zip(old, batch).map { $0 * form.momentum + $1 * (1 - form.momentum) })
      }
      for (i, batch) in [(3, mean), (4, variance)] where r.hasOutput(i) { try store(r, i, batch) }
      (parameters[2], parameters[3]) = (mean, variance)
    } else {
      for i in 1..<5 where r.hasOutput(i) { try store(r, i, parameters[i % 2 == 1 ? 2 : 3]) }
    }
    let scale = zip(parameters[0], parameters[3]).map { $0 / ($1 + form.epsilon).squareRoot() }
    let shift = (0..<channels).map { parameters[1][$0] - parameters[2][$0] * scale[$0] }
    try r.writing(0) { y in
      try Planes.scale(x, to: y, images: images, channels: channels, plane: plane, scale, shift, r.pool)
    }
  }

  private static func store(_ r: RunContext, _ i: Int, _ values: [Double]) throws {
    try r.writing(i) { t in
      try checkShape(t.count == values.count, "output \(i) has the shape \(t.shape)")
      for (j, v) in values.enumerated() {
        if t.type == .double { t.pointer(Double.self)[j] = v } else { t.pointer(Float.self)[j] = Float(v) }
      }
    }
  }

  private static func statistics<S: KernelScalar>(
    _ x: UnsafePointer<S>, _ images: Int, _ channels: Int, _ plane: Int, _ pool: ThreadPool
  ) -> (mean: [Double], variance: [Double]) {
    var mean = [Double](repeating: 0, count: channels), variance = mean
    let n = Double(images * plane)
    mean.withUnsafeMutableBufferPointer { mean in
      variance.withUnsafeMutableBufferPointer { variance in
        nonisolated(unsafe) let (mean, variance) = (mean, variance)
        pool.parallel(channels) { c, _ in
          var sum = 0.0
          for i in 0..<images {
            let p = x + (i * channels + c) * plane
            for j in 0..<plane { sum += Double(p[j]) }
          }
          let m = sum / n
          var squares = 0.0
          for i in 0..<images {
            let p = x + (i * channels + c) * plane
            for j in 0..<plane {
              let d = Double(p[j]) - m
              squares += d * d
            }
          }
          mean[c] = m
          variance[c] = squares / n
        }
      }
    }
    return (mean, variance)
  }
}

/// Work on the planes of a tensor [images][channels][plane].
enum Planes {
  /// y = scale[channel] x + shift[channel]. y may be x.
  static func scale(
    _ x: Tensor, to y: Tensor, images: Int, channels: Int, plane: Int, _ scale: [Double], _ shift: [Double], _ pool: ThreadPool
  ) throws {
    func run<S: KernelScalar>(_: S.Type) throws {
      try scale.map { S($0) }.withUnsafeBytes { scale in
        try shift.map { S($0) }.withUnsafeBytes { shift in
          guard let scale = scale.baseAddress, let shift = shift.baseAddress else { return }
          try Normalization.affine(
            x.type, x.data, [images, channels, plane], scale: scale, shift: shift, to: y.data, pool: pool)
        }
      }
    }
    try dispatch(x.type, float: { try run(Float.self) }, double: { try run(Double.self) })
  }
}

/// Carries the first error out of a parallel region.
final class FirstError: @unchecked Sendable {
  private let lock = Lock()
  private var error: Error?

  func catching(_ body: () throws -> Void) {
    do { try body() } catch { lock.locked { self.error = self.error ?? error } }
  }
  func rethrow() throws {
    if let error { throw error }
  }
}
