import CKernels

/// Products of a few vectors with many rows, each row read once for four vectors: attention of one query.
/// All strides are in elements.
public struct RowProducts: Sendable {
  private let kernels: swk_attention
  /// Elements of a row.
  private let size: Int

  public init(size: Int, level: swk_level = .best) {
    self.size = max(size, 0)
    kernels = swk_attention_get(level).pointee
  }

  /// Rows that stay in the first-level cache while they are used again.
  public var blockCount: Int { max(8, 4096 / max(1, size)) }

  /// out [vectors, count] = scale times the products of each vector with each row.
  public func dots(
    _ x: UnsafePointer<Float>, stride xStride: Int, vectors: Int, rows: UnsafePointer<Float>, stride: Int, count: Int,
    scale: Float, to out: UnsafeMutablePointer<Float>, stride outStride: Int
  ) {
    guard vectors > 0, count > 0 else { return }
    kernels.dots(x, xStride, vectors, rows, stride, count, size, scale, out, outStride)
  }

  /// out [vectors, size] += weights [vectors, count] times rows [count, size].
  public func mix(
    _ weights: UnsafePointer<Float>, stride weightStride: Int, vectors: Int, rows: UnsafePointer<Float>, stride: Int,
    count: Int, to out: UnsafeMutablePointer<Float>, stride outStride: Int
  ) {
    guard vectors > 0, count > 0 else { return }
    kernels.mix(weights, weightStride, vectors, rows, stride, count, size, out, outStride)
  }
}
