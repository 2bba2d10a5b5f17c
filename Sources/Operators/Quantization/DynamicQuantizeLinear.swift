import Kernels
import Tensors

/// DynamicQuantizeLinear: to uint8, with the scale and zero point that the elements' range (0 included) asks for.
enum DynamicQuantizeLinear {
  static let definitions = [
    OperatorDefinition(
      "DynamicQuantizeLinear", since: [11], inputs: [.required("x", "T1")],
      outputs: [.required("y", "T2"), .required("y_scale", "T1"), .required("y_zero_point", "T2")],
      types: ["T1": TypeSet(.float), "T2": TypeSet(.uint8)],
      infer: { c in
        c.set(0, .uint8, c.shape(0))
        c.set(1, .float, [] as [Int])
        c.set(2, .uint8, [] as [Int])
      },
      kernel: { _ in
        { r in
          let x = try r.input(0)
          let (low, high) = Quantize.range(x.pointer(Float.self), x.count)
          let scale = high == low ? 1 / Float(255) : (high - low) / 255
          let zero = min(max((-low / scale).rounded(.toNearestOrEven), 0), 255)
          let layout = try QuantizationLayout(x.shape, scale: [], axis: 0, blockSize: 0)
          let point = zero.isNaN ? 0 : Int32(zero)
          try Quantize.quantize(
            x.pointer(Float.self), to: .uint8, r.output(0).data, layout, scale: [scale], zero: [point], low: 0, high: 255,
            pool: r.pool)
          if r.hasOutput(1) { try r.output(1).pointer(Float.self)[0] = scale }
          if r.hasOutput(2) { try r.output(2).pointer(UInt8.self)[0] = UInt8(truncatingIfNeeded: point) }
        }
      })
  ]
}
