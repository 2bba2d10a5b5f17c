import Kernels
import Tensors

/// What QuantizeLinear and DequantizeLinear share.
enum Quantization {
  /// Where the scales belong. Checks the zero point's shape.
  static func layout(_ c: some NodeReading, _ shape: [Int], _ scale: Tensor, _ zero: Tensor?) throws -> QuantizationLayout {
    if let zero, zero.shape != scale.shape, zero.count != 1 || scale.count != 1 {
      throw SwiftletError(.shape, "a zero point of \(zero.shape) for a scale of \(scale.shape)")
    }
    let block = try c.int("block_size")
    let isWhole = block == 0 && scale.count == 1
    let axis = try isWhole ? 0 : Checked.axis(c.int("axis"), rank: shape.count)
    return try QuantizationLayout(shape, scale: scale.shape, axis: axis, blockSize: block)
  }

  static func limits(_ type: ElementType) -> (low: Int32, high: Int32) {
    let half = Int32(1) << Int32(type.bits - 1)
    return type.isSignedInteger ? (-half, half - 1) : (0, 2 * half - 1)
  }

  static func converted(_ r: RunContext, _ x: Tensor, to type: ElementType) throws -> Tensor {
    if x.type == type { return x }
    let y = try r.temporary(type, x.shape)
    try Cast.apply(x.type, x.data, to: type, y.data, x.count, pool: r.pool)
    return y
  }
  static func floats(_ t: Tensor) throws -> [Float] {
    var result = [Float](repeating: 0, count: t.count)
    try result.withUnsafeMutableBytes {
      if let p = $0.baseAddress { try Cast.apply(t.type, t.data, to: .float, p, t.count) }
    }
    return result
  }
  static func integers(_ t: Tensor) throws -> [Int32] {
    var result = [Int32](repeating: 0, count: t.count)
    try result.withUnsafeMutableBytes {
      if let p = $0.baseAddress { try Cast.apply(t.type, t.data, to: .int32, p, t.count) }
    }
    return result
  }

  /// Values, one a scale, in a shape that broadcasts to `shape`.
  static func expanded(_ r: RunContext, _ values: [Float], _ layout: QuantizationLayout, _ shape: [Int]) throws -> Tensor {
    if let broadcast = layout.broadcastShape(rank: shape.count) { return try Tensor(values, broadcast) }
    // Blocks: (1 - 0) * value everywhere.
    let ones = try r.temporary(.int8, shape)
    ones.data.initializeMemory(as: UInt8.self, repeating: 1, count: ones.count)
    let result = try r.temporary(.float, shape)
    try Quantize.dequantize(
      .int8, ones.data, to: result.pointer(Float.self), layout, scale: values, zero: values.map { _ in 0 }, pool: r.pool)
    return result
  }
}
