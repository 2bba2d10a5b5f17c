import Kernels
import Tensors

/// QLinearMatMul in double: for 8-bit floats, and for scales that integer sums can't take: one for each row of A, or
/// N-D ones.
enum DequantizedMatMul {
  static func isDue(_ r: RunContext) throws -> Bool {
    let columns = try r.input(3).rank > 1 ? try r.input(3).shape.last ?? 1 : 1
    let single = try [1, 6, 7].allSatisfy { try r.input($0).count == 1 }
    let fits = try [1, columns].contains(r.input(4).count)
    return try !single || !fits || [0, 3, 7].contains { try r.input($0).type.isFloat }
  }

  static func run(_ r: RunContext) throws {
    let y = try r.output(0)
    let a = try centred(r, 0, zero: 2), b = try centred(r, 3, zero: 5)
    let product = try r.temporary(.double, y.shape)
    try Operands(a.shape, b.shape).multiply(
      a.pointer(Double.self), b.pointer(Double.self), nil, product.pointer(Double.self), Epilogue(), r)
    // As the specification's float arithmetic rounds the scales.
    let scales = try [1, 4, 6].map { try Quantization.converted(r, r.input($0), to: .float) }
    let rows = try perRow(scales[0], of: r.input(0)), columns = scales[1].count == 1 ? [] : scales[1].shape
    let last = perRow(scales[2], of: y)
    let shape = try Broadcast.shape([rows, columns, last])
    let factor = try r.temporary(.float, shape)
    try Binary.apply(.multiply, .float, scales[0].data, rows, scales[1].data, columns, to: factor.data, shape)
    try Binary.apply(.divide, .float, factor.data, shape, scales[2].data, last, to: factor.data, shape)
    let wide = try Quantization.converted(r, factor, to: .double)
    try Binary.apply(
      .multiply, .double, product.data, y.shape, wide.data, shape, to: product.data, y.shape, pool: r.pool)
    try finish(product, to: y, r)
  }

  private static func finish(_ product: Tensor, to y: Tensor, _ r: RunContext) throws {
    let zero = try Quantization.converted(r, r.input(7), to: .double)
    let isInteger = y.type.isInteger
    if isInteger { try Unary.apply(.round, .double, product.data, to: product.data, y.count, pool: r.pool) }
    try Binary.apply(
      .add, .double, product.data, y.shape, zero.data, perRow(zero, of: y), to: product.data, y.shape, pool: r.pool)
    if isInteger {
      let limits = Quantization.limits(y.type)
      var (low, high) = (Double(limits.low), Double(limits.high))
      let parameters = try UnaryParameters(clip: .double, low: &low, high: &high)
      try Unary.apply(.clip, .double, product.data, to: product.data, y.count, parameters, pool: r.pool)
    }
    try Cast.apply(.double, product.data, to: y.type, y.data, y.count, pool: r.pool)
  }

  /// Input i less its zero points, as double.
  private static func centred(_ r: RunContext, _ i: Int, zero: Int) throws -> Tensor {
    let x = try r.input(i), point = try Quantization.converted(r, r.input(zero), to: .double)
    let wide = try Quantization.converted(r, x, to: .double)
    let shape = i == 0 ? perRow(point, of: x) : point.count == 1 ? [] : point.shape
    try Binary.apply(.subtract, .double, wide.data, x.shape, point.data, shape, to: wide.data, x.shape, pool: r.pool)
    return wide
  }

  /// The shape in which values for the whole of `x` or for each of its rows broadcast: a vector has one for each row.
  static func perRow(_ t: Tensor, of x: Tensor) -> [Int] {
    if t.count == 1 { return [] }
    return t.rank == 1 && x.rank > 1 ? [t.count, 1] : t.shape
  }
}
