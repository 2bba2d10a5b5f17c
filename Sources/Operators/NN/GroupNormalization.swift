import Kernels
import Tensors

/// InstanceNormalization and GroupNormalization (one scale for each group up to version 18, for each channel since 21).
enum GroupNormalization {
  static let definitions = [
    OperatorDefinition(
      "InstanceNormalization", since: [1, 6, 22], inputs: [.required("input", "T"), .required("scale", "T"), .required("B", "T")],
      outputs: [.required("output", "T")], types: ["T": .floats],
      attributes: [.float("epsilon", 1e-5), .optional(.ints, "consumed_inputs")], memory: .inPlace([0]), infer: infer,
      kernel: { try kernel($0, groups: nil) }),
    OperatorDefinition(
      "GroupNormalization", since: [18, 21], inputs: [.required("X", "T"), .required("scale", "T"), .required("bias", "T")],
      outputs: [.required("Y", "T")], types: ["T": .floats],
      attributes: [.required(.int, "num_groups"), .float("epsilon", 1e-5), .int("stash_type", 1)], memory: .inPlace([0]),
      infer: infer, kernel: { try kernel($0, groups: try $0.int("num_groups")) }),
  ]

  @Sendable private static func infer(_ c: InferenceContext) throws {
    let x = try c.shape(0, ranks: 2...)
    if let groups = try c.optionalInt("num_groups") {
      try checkModel(groups > 0, "num_groups is \(groups)")
      if let channels = x?[1].value { try checkShape(channels % groups == 0, "\(channels) channels in \(groups) groups") }
    }
    c.set(0, like: 0)
  }

  private static func kernel(_ c: KernelContext, groups: Int?) throws -> Kernel {
    let epsilon = Double(try c.float("epsilon"))
    let perGroup = groups != nil && c.version < 21
    return { r in
      let x = try r.input(0), y = try r.output(0)
      let channels = x.shape[1], groups = groups ?? channels
      var (scale, bias) = (try r.input(1), try r.input(2))
      let expected = perGroup ? groups : channels
      try checkShape(scale.count == expected && bias.count == expected, "scale and bias must have \(expected) elements")
      guard x.count > 0 else { return }
      if perGroup { (scale, bias) = (try spread(scale, over: channels, r), try spread(bias, over: channels, r)) }
      try Normalization.group(
        x.type, x.data, x.shape, groups: groups, scale: scale.data, bias: bias.data, epsilon: epsilon, to: y.data, pool: r.pool)
    }
  }

  /// A vector of a value per group as one of a value per channel.
  private static func spread(_ t: Tensor, over channels: Int, _ r: RunContext) throws -> Tensor {
    let each = channels / t.count, wide = try r.scratchTensor(t.type, [channels])
    try StridedCopy.broadcast(
      t.data, [t.count, 1], to: wide.data, [t.count, each], elementSize: t.type.bits / 8, pool: r.pool)
    return wide
  }
}
