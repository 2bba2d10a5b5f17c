import Kernels
import Tensors

/// QuantizeLinear: saturate(round(x / scale) + zero point), for the whole tensor, along an axis, or by blocks.
enum QuantizeLinear {
  static let definitions = [
    definition("", [10, 13, 19, 21, 23, 24, 25, 28]), definition("com.microsoft", [1]),
  ]

  private static let small: TypeSet = [
    .float8s, .float6s, TypeSet(.uint8, .int8, .uint16, .int16, .uint4, .int4, .uint2, .int2, .float4e2m1),
  ]

  private static func definition(_ domain: String, _ since: [Int]) -> OperatorDefinition {
    OperatorDefinition(
      "QuantizeLinear", domain: domain, since: since,
      inputs: [.required("x", "T1"), .required("y_scale", "T2"), .optional("y_zero_point", "T3")],
      outputs: [.required("y", "T3")],
      types: ["T1": [.floats, TypeSet(.int32)], "T2": [.floats, TypeSet(.int32, .float8e8m0)], "T3": small],
      attributes: [
        .int("axis", 1), .int("saturate", 1), .int("block_size", 0), .int("output_dtype", 0), .int("precision", 0),
      ], takesHalf: true,
      infer: { c in c.set(0, try target(c, zero: c.elementType(2), hasZero: c.hasInput(2)), c.shape(0)) },
      kernel: { c in
        let saturate = try c.bool("saturate")
        let precision = try c.int("precision") == 0 ? nil : c.elementType("precision")
        return { r in
          let x = try r.input(0)
          let scale = try r.input(1)
          let zero = try r.optionalInput(2)
          guard let type = try target(c, zero: zero?.type, hasZero: zero != nil) else {
            throw SwiftletError(.invalidModel, "the output's type is not known")
          }
          let layout = try Quantization.layout(c, x.shape, scale, zero)
          try quantize(r, x, scale, zero, type, layout, saturate, precision ?? scale.type)
        }
      })
  }

  private static func target(_ c: some NodeReading, zero: ElementType?, hasZero: Bool) throws -> ElementType? {
    let given = try c.int("output_dtype") == 0 ? nil : c.elementType("output_dtype")
    if let given, let zero, given != zero {
      throw SwiftletError(.type, "output_dtype is \(given.name), the zero point \(zero.name)")
    }
    return zero ?? given ?? (hasZero ? nil : .uint8)
  }

  private static func quantize(
    _ r: RunContext, _ x: Tensor, _ scale: Tensor, _ zero: Tensor?, _ type: ElementType, _ layout: QuantizationLayout,
    _ saturate: Bool, _ precision: ElementType
  ) throws {
    let count = x.count
    var scales = try Quantization.floats(scale)
    var source = x
    // A division in 16 bits rounds its result to 16 bits.
    if precision.isHalf, let shape = layout.broadcastShape(rank: x.rank) {
      let narrow = try Quantization.converted(r, x, to: precision)
      let divisor = try Quantization.converted(r, scale, to: precision)
      source = try r.temporary(precision, x.shape)
      try Binary.apply(
        .divide, precision, narrow.data, x.shape, divisor.data, shape, to: source.data, x.shape, pool: r.pool)
      scales = scales.map { _ in 1 }
    }
    let wide = try Quantization.converted(r, source, to: .float)
    let zeros = try zero.map { try Quantization.integers($0) } ?? scales.map { _ in 0 }
    let y = try r.output(0, type, x.shape)
    if type.isFloat {
      // Quotients by way of the kernel for scales, without rounding.
      let quotient = try r.temporary(.float, x.shape)
      try divide(r, wide, quotient, layout, scales)
      if type.isPacked, let zero { try add(r, quotient, zero, layout) }
      return try Cast.apply(.float, quotient.data, to: type, y.data, count, saturate: saturate, pool: r.pool)
    }
    let (low, high) = Quantization.limits(type)
    if type.isPacked {
      let bytes = try r.temporary(type.isSignedInteger ? .int8 : .uint8, x.shape)
      try Quantize.quantize(
        wide.pointer(Float.self), to: bytes.type, bytes.data, layout, scale: scales, zero: zeros, low: low, high: high,
        pool: r.pool)
      return try Cast.apply(bytes.type, bytes.data, to: type, y.data, count, pool: r.pool)
    }
    try Quantize.quantize(
      wide.pointer(Float.self), to: type, y.data, layout, scale: scales, zero: zeros, low: low, high: high, pool: r.pool)
  }

  private static func divide(
    _ r: RunContext, _ x: Tensor, _ y: Tensor, _ layout: QuantizationLayout, _ scales: [Float]
  ) throws {
    let expanded = try Quantization.expanded(r, scales, layout, x.shape)
    try Binary.apply(.divide, .float, x.data, x.shape, expanded.data, expanded.shape, to: y.data, y.shape, pool: r.pool)
  }
  private static func add(_ r: RunContext, _ y: Tensor, _ zero: Tensor, _ layout: QuantizationLayout) throws {
    let expanded = try Quantization.expanded(r, Quantization.floats(zero), layout, y.shape)
    try Binary.apply(.add, .float, y.data, y.shape, expanded.data, expanded.shape, to: y.data, y.shape, pool: r.pool)
  }
}
