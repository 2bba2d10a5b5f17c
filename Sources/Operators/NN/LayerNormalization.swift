import Kernels
import Tensors

/// Normalisation of the last dimensions: LayerNormalization, RMSNormalization, and the forms that ONNX Runtime's
/// optimizer writes (SimplifiedLayerNormalization; SkipLayerNormalization and SkipSimplifiedLayerNormalization, which add
/// a residual and a bias first).
enum LayerNormalization {
  static let definitions = [
    // Version 1 is what ONNX Runtime writes into models of older operator sets.
    OperatorDefinition(
      "LayerNormalization", since: [1, 17],
      inputs: [.required("X", "T"), .required("Scale", "V"), .optional("B", "V")],
      outputs: [.required("Y", "V"), .optional("Mean", "U"), .optional("InvStdDev", "U")],
      types: ["T": .floats, "V": .floats, "U": .floats], attributes: attributes, infer: infer,
      kernel: { try kernel($0, centers: true) }),
    OperatorDefinition(
      "SimplifiedLayerNormalization", since: [1], inputs: [.required("X", "T"), .required("scale", "V")],
      outputs: [.required("Y", "V"), .optional("inv_std_var", "U")], types: ["T": .floats, "V": .floats, "U": .floats],
      attributes: attributes, infer: infer, kernel: { try kernel($0, centers: false) }),
    OperatorDefinition(
      "RMSNormalization", since: [23], inputs: [.required("X", "T"), .required("scale", "V")],
      outputs: [.required("Y", "V")], types: ["T": .floats, "V": .floats], attributes: attributes, infer: infer,
      kernel: { try kernel($0, centers: false) }),
    skip("SkipLayerNormalization", [.required("gamma", "T"), .optional("beta", "T"), .optional("bias", "T")], centers: true),
    skip("SkipSimplifiedLayerNormalization", [.required("gamma", "T"), .optional("bias", "T")], centers: false),
  ]
  private static let attributes: [AttributeSpec] = [.int("axis", -1), .float("epsilon", 1e-5), .int("stash_type", 1)]

  @Sendable private static func infer(_ c: InferenceContext) throws {
    c.set(0, c.elementType(1), c.shape(0))
    guard let x = c.shape(0) else { return }
    let axis = try Checked.axis(try c.int("axis"), rank: x.count)
    let stash = try c.optionalElementType("stash_type") ?? .float
    for i in 1...2 { c.set(i, stash, Array(x[..<axis]) + x[axis...].map { _ in .known(1) }) }
  }

  private static func kernel(_ c: KernelContext, centers: Bool) throws -> Kernel {
    let axis = try c.int("axis"), epsilon = Double(try c.float("epsilon"))
    return { r in
      let x = try r.input(0)
      let a = try Checked.axis(axis, rank: x.rank)
      let n = try Checked.count(Array(x.shape[a...])), rows = try Checked.count(Array(x.shape[..<a]))
      let scale = try parameter(r.input(1), x, axis: a, r)
      let bias = centers ? try r.optionalInput(2).map { try parameter($0, x, axis: a, r) } : nil
      let y = try r.output(0)
      let result = y.type == x.type ? y : try r.scratchTensor(x.type, y.shape)
      let statistics = try (1...2).map { r.hasOutput($0) ? try r.scratchTensor(x.type, [rows]) : nil }
      // A scale that differs from row to row stands outside of the kernel.
      let isShared = scale.count == n, bias1 = isShared && bias?.count == n ? bias : nil
      try Normalization.layer(
        x.type, x.data, x.shape, axis: a, scale: isShared ? UnsafeRawPointer(scale.data) : nil,
        bias: bias1.map { UnsafeRawPointer($0.data) }, epsilon: epsilon, rms: !centers, to: result.data,
        mean: (centers ? statistics[0] : nil)?.data, deviation: statistics[centers ? 1 : 0]?.data, pool: r.pool)
      if !isShared {
        try Binary.apply(.multiply, x.type, result.data, x.shape, scale.data, x.shape, to: result.data, x.shape, pool: r.pool)
      }
      if let bias, bias1 == nil {
        let shape = bias.count == n ? Array(x.shape[a...]) : x.shape
        try Binary.apply(.add, x.type, result.data, x.shape, bias.data, shape, to: result.data, x.shape, pool: r.pool)
      }
      if y.type != x.type { try Cast.apply(x.type, result.data, to: y.type, y.data, y.count, pool: r.pool) }
      for (i, t) in statistics.enumerated() {
        guard let t else { continue }
        let out = try r.output(i + 1)
        try Cast.apply(t.type, t.data, to: out.type, out.data, out.count)
      }
    }
  }

  /// Scale or bias in x's type, with the elements of one row, or of all of x where rows differ.
  private static func parameter(_ t: Tensor, _ x: Tensor, axis: Int, _ r: RunContext) throws -> Tensor {
    var p = t
    if p.type != x.type {
      p = try r.scratchTensor(x.type, t.shape)
      try Cast.apply(t.type, t.data, to: x.type, p.data, t.count)
    }
    let row = Array(x.shape[axis...])
    let missing = x.rank - p.rank
    try checkShape(missing >= 0, "the scale or bias \(p.shape) doesn't broadcast to \(x.shape)")
    if p.shape == row || p.count == row.reduce(1, *) && p.shape.filter({ $0 != 1 }) == row.filter({ $0 != 1 }) { return p }
    let differs = p.rank > row.count && p.shape.prefix(p.rank - row.count).contains { $0 != 1 }
    let target = differs ? x.shape : row
    let source = p.rank > target.count ? Array(p.shape.suffix(target.count)) : p.shape
    try checkShape(try ShapeRule.broadcast(source, target) == target, "the scale or bias \(p.shape) doesn't broadcast to \(x.shape)")
    let wide = try r.scratchTensor(x.type, target)
    try StridedCopy.broadcast(p.data, source, to: wide.data, target, elementSize: x.type.bits / 8, pool: r.pool)
    return wide
  }

  private static func skip(_ name: String, _ parameters: [Parameter], centers: Bool) -> OperatorDefinition {
    OperatorDefinition(
      name, domain: "com.microsoft", since: [1], inputs: [.required("input", "T"), .required("skip", "T")] + parameters,
      outputs: [
        .required("output", "T"), .optional("mean", "U"), .optional("inv_std_var", "U"),
        .optional("input_skip_bias_sum", "T"),
      ],
      types: ["T": .floats, "U": .floats], attributes: [.float("epsilon", 1e-12)],
      infer: { c in
        c.set(0, like: 0)
        c.set(3, like: 0)
        let statistics = c.shape(0).map { Array($0.dropLast()) + [.known(1)] }
        for i in 1...2 { c.set(i, .float, statistics) }
      },
      kernel: { c in
        let epsilon = Double(try c.float("epsilon"))
        return { r in
          let x = try r.input(0), skip = try r.input(1), gamma = try r.input(2)
          let beta = centers ? try r.optionalInput(3) : nil, bias = try r.optionalInput(centers ? 4 : 3)
          let y = try r.output(0)
          let n = x.shape.last ?? 1, rows = n == 0 ? 0 : x.count / n
          try checkShape(
            gamma.count == n && (beta?.count ?? n) == n && (bias?.count ?? n) == n, "the parameters must have \(n) elements")
          let sum = r.hasOutput(3) ? try r.output(3) : y
          try Binary.apply(.add, x.type, x.data, x.shape, skip.data, skip.shape, to: sum.data, x.shape, pool: r.pool)
          if let bias {
            try Binary.apply(.add, x.type, sum.data, x.shape, bias.data, [n], to: sum.data, x.shape, pool: r.pool)
          }
          let statistics = try (1...2).map { r.hasOutput($0) ? try r.output($0, .float, x.shape.dropLast() + [1]).data : nil }
          guard x.type == .float || !statistics.contains(where: { $0 != nil }) else {
            throw SwiftletError(.unsupported, "the statistics of \(x.type.name) as outputs")
          }
          try Normalization.layer(
            x.type, sum.data, [rows, n], axis: 1, scale: gamma.data, bias: beta.map { UnsafeRawPointer($0.data) },
            epsilon: epsilon, rms: !centers, to: y.data, mean: centers ? statistics[0] : nil, deviation: statistics[1], pool: r.pool)
        }
      })
  }
}
