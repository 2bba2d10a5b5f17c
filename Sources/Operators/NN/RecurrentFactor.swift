import Kernels
import Tensors

/// A matrix of weights of a recurrent network, packed: in float, or of 8 bits with scales; then what it multiplies is made
/// 8 bits at each product.
struct RecurrentFactor: Sendable {
  private let matrix: PackedMatrix
  /// One for all columns, or one for each; nil: float.
  private let scales: [Float]?

  init(_ matrix: PackedMatrix) {
    self.matrix = matrix
    scales = nil
  }

  /// Integers from element `at` of `t` on, `rowStride` from one row to the next. Scales and zero points: one for each
  /// direction, or for each column of each direction.
  init(
    _ t: Tensor, at: Int, k: Int, columns: Range<Int>, rowStride: Int, _ scale: Tensor, _ zero: Tensor, direction: Int, of directions: Int,
    _ pool: ThreadPool
  ) throws {
    let each = scale.count / max(directions, 1)
    try checkShape(
      (each == 1 || each == rowStride) && scale.count == each * directions && zero.count == scale.count,
      "scales of \(scale.shape) and zero points of \(zero.shape) for \(directions) directions of \(rowStride) columns")
    let given = try scale.doubles().map { Float($0) }, first = direction * each
    scales = each == 1 ? [given[first]] : columns.map { given[first + $0] }
    matrix = try PackedMatrix(
      .b, rows: k, columns: columns.count, integers: t.data + at, signed: t.type == .int8, rowStride: rowStride, columnStride: 1,
      zero: each == 1 ? Int32(truncatingIfNeeded: zero.ints()[first]) : 0,
      zeros: each == 1 ? nil : UnsafeRawPointer(zero.data + first + columns.lowerBound), pool: pool)
  }

  /// out [m, columns] = epilogue(a [m, k] times the matrix).
  func product<S: KernelScalar>(
    _ a: UnsafePointer<S>, m: Int, to out: UnsafeMutablePointer<S>, rowStride: Int, _ epilogue: Epilogue<S>, _ r: RunContext
  ) throws {
    let mark = r.environment.scratch.mark
    defer { r.environment.scratch.release(to: mark) }
    let (n, k) = (matrix.positions, matrix.k)
    guard let scales else {
      let gemm = try Gemm<S>(
        m: m, n: n, k: k, a: .strided(a, rowStride: k, columnStride: 1), b: .packed(matrix), epilogue: epilogue)
      return gemm.run(out, rowStride: rowStride, pool: r.pool, scratch: try r.scratch(gemm.scratchBytes(width: r.pool.width)))
    }
    let (bytes, scale, zero) = try quantize(a, Checked.multiply(m, k), r)
    let gemm = try IntegerGemm(
      m: m, n: n, k: k, a: .strided(bytes, signed: false, rowStride: k, columnStride: 1, zero: zero), b: .packed(matrix))
    let sums = try r.scratch(max(Checked.multiply(m, n), 1), of: Int32.self)
    gemm.run(sums, rowStride: n, pool: r.pool, scratch: try r.scratch(gemm.scratchBytes(width: r.pool.width)))
    let factors = scales.map { S($0 * scale) }
    for i in 0..<m {
      let from = sums + i * n, to = out + i * rowStride
      for j in 0..<n { to[j] = S(from[j]) * factors[factors.count == 1 ? 0 : j] }
      if let b = epilogue.columnBias { for j in 0..<n { to[j] += b[j] } }
      if let addend = epilogue.residual {
        let p = addend.data + i * addend.rowStride
        for j in 0..<n { to[j] += p[j] }
      }
    }
  }

  /// As DynamicQuantizeLinear does it: the bytes, their scale and zero point.
  private func quantize<S: KernelScalar>(_ a: UnsafePointer<S>, _ count: Int, _ r: RunContext) throws -> (UnsafeMutablePointer<UInt8>, Float, Int32) {
    guard S.self == Float.self else { throw SwiftletError(.type, "8-bit weights of a network in \(S.self)") }
    let x = UnsafeRawPointer(a).assumingMemoryBound(to: Float.self)
    let bytes = try r.scratch(max(count, 1), of: UInt8.self), (low, high) = Quantize.range(x, count)
    let scale = high == low ? 1 : (high - low) / 255
    let zero = min(max((-low / scale).rounded(.toNearestOrEven), 0), 255), point = zero.isNaN ? 0 : Int32(zero)
    let layout = try QuantizationLayout([count], scale: [], axis: 0, blockSize: 0)
    try Quantize.quantize(x, to: .uint8, bytes, layout, scale: [scale], zero: [point], low: 0, high: 255, pool: r.pool)
    return (bytes, scale, point)
  }
}
