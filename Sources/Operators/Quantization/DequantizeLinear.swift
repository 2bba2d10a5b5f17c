import Kernels
import Tensors

/// DequantizeLinear: (x - zero point) * scale.
enum DequantizeLinear {
  static let definitions = [
    definition("", [10, 13, 19, 21, 23, 24, 25, 28]), definition("com.microsoft", [1]),
  ]

  private static let small: TypeSet = [
    .float8s, .float6s, TypeSet(.uint8, .int8, .uint16, .int16, .int32, .uint4, .int4, .uint2, .int2, .float4e2m1),
  ]

  private static func definition(_ domain: String, _ since: [Int]) -> OperatorDefinition {
    OperatorDefinition(
      "DequantizeLinear", domain: domain, since: since,
      inputs: [.required("x", "T1"), .required("x_scale", "T2"), .optional("x_zero_point", "T1")],
      outputs: [.required("y", "T3")],
      types: ["T1": small, "T2": [TypeSet(.float, .float16, .bfloat16, .float8e8m0)], "T3": .floats],
      attributes: [.int("axis", 1), .int("block_size", 0), .int("output_dtype", 0)], takesHalf: true,
      infer: { c in c.set(0, try target(c, scale: c.elementType(1)), c.shape(0)) },
      kernel: { c in
        { r in
          let x = try r.input(0)
          let scale = try r.input(1)
          let zero = try r.optionalInput(2)
          let layout = try Quantization.layout(c, x.shape, scale, zero)
          let y = try r.output(0, target(c, scale: scale.type) ?? .float, x.shape)
          let wide = y.type == .float ? y : try r.temporary(.float, x.shape)
          try dequantize(r, x, scale, zero, layout, to: wide)
          if y.type != .float { try Cast.apply(.float, wide.data, to: y.type, y.data, y.count, pool: r.pool) }
        }
      })
  }

  private static func target(_ c: some NodeReading, scale: ElementType?) throws -> ElementType? {
    if try c.int("output_dtype") != 0 { return try c.elementType("output_dtype") }
    return scale == .float8e8m0 ? .float : scale
  }

  private static func dequantize(
    _ r: RunContext, _ x: Tensor, _ scale: Tensor, _ zero: Tensor?, _ layout: QuantizationLayout, to y: Tensor
  ) throws {
    let scales = try Quantization.floats(scale)
    if x.type.isFloat {
      if let zero, try Quantization.floats(zero).contains(where: { $0 != 0 }) {
        throw SwiftletError(.runtime, "the zero point of \(x.type.name) must be zero")
      }
      let expanded = try Quantization.expanded(r, scales, layout, x.shape)
      let values = try Quantization.converted(r, x, to: .float)
      return try Binary.apply(
        .multiply, .float, values.data, x.shape, expanded.data, expanded.shape, to: y.data, y.shape, pool: r.pool)
    }
    let zeros = try zero.map { try Quantization.integers($0) } ?? scales.map { _ in 0 }
    let whole = try x.type.isPacked ? Quantization.converted(r, x, to: x.type.isSignedInteger ? .int8 : .uint8) : x
    try Quantize.dequantize(
      whole.type, whole.data, to: y.pointer(Float.self), layout, scale: scales, zero: zeros, pool: r.pool)
  }
}
