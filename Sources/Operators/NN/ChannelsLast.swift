import Kernels
import Tensors

/// Tensors of [batch, ..., channels], which kernels see as [batch, channels, ...].
enum ChannelsLast {
  static func planar<D>(_ s: [D]) -> [D] { s.count < 3 ? s : [s[0], s[s.count - 1]] + s[1..<s.count - 1] }
  static func planar(_ s: SymbolicShape?) -> SymbolicShape? { s.map(planar) }
  static func interleaved(_ s: SymbolicShape?) -> SymbolicShape? {
    s.map { s in s.count < 3 ? s : [s[0]] + s[2...] + [s[1]] }
  }

  /// A copy in the order of planes.
  static func planar(_ x: Tensor, _ r: RunContext) throws -> Tensor {
    try checkShape(x.rank >= 3, "at least 3 dimensions are due, not the shape \(x.shape)")
    let y = try r.scratchTensor(x.type, planar(x.shape))
    let order = [0, x.rank - 1] + Array(1..<x.rank - 1)
    try StridedCopy.transpose(x.data, x.shape, perm: order, to: y.data, elementSize: x.type.bits / 8, pool: r.pool)
    return y
  }

  /// The way back into `y`.
  static func interleave(_ x: Tensor, to y: Tensor, _ r: RunContext) throws {
    let order = [0] + Array(2..<x.rank) + [1]
    try StridedCopy.transpose(x.data, x.shape, perm: order, to: y.data, elementSize: x.type.bits / 8, pool: r.pool)
  }
}
