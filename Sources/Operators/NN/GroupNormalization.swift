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
      let channels = x.shape[1], images = x.shape[0], groups = groups ?? channels
      let plane = try Checked.count(Array(x.shape[2...]))
      let scale = try r.input(1).doubles(), bias = try r.input(2).doubles()
      let expected = perGroup ? groups : channels
      try checkShape(scale.count == expected && bias.count == expected, "scale and bias must have \(expected) elements")
      guard x.count > 0 else { return }
      func run<S: KernelScalar & SIMDScalar>(_: S.Type) throws {
        let each = channels / groups, n = each * plane
        try Rows.parallel(images * groups, n, r.pool) { range in
          for i in range {
            let from = x.pointer(S.self) + i * n, to = y.pointer(S.self) + i * n
            let mean = S(Rows.sum(from, n) / Double(n))
            let inverse = 1 / (Rows.squares(from, n, shift: mean) / Double(n) + epsilon).squareRoot()
            for k in 0..<each {
              let group = i % groups, p = perGroup ? group : group * each + k
              let alpha = scale[p] * inverse
              try Unary.apply(
                .scale, S.elementType, from + k * plane, to: to + k * plane, plane,
                UnaryParameters(alpha: alpha, beta: bias[p] - Double(mean) * alpha))
            }
          }
        }
      }
      try dispatch(x.type, float: { try run(Float.self) }, double: { try run(Double.self) })
    }
  }
}
