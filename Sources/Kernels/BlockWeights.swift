import CKernels
import Tensors

/// A matrix [n, k] of unsigned integers of 2, 4 or 8 bits, low bits first: each row in blocks of `block` elements (the
/// last one filled up) with a scale and a zero point each. The memory must stay valid.
public struct BlockWeights {
  public enum Zeros {
    /// Half the range.
    case middle
    /// One for each block, [n, blocks].
    case floats(UnsafePointer<Float>)
    /// Of the elements' bits, each row of them filled up to a whole byte.
    case packed(UnsafePointer<UInt8>)
  }

  public let n: Int
  public let k: Int
  public let bits: Int
  public let block: Int
  /// Blocks of a row.
  public let blocks: Int
  let data: UnsafePointer<UInt8>
  let scales: UnsafePointer<Float>
  let zeros: Zeros
  let kernels: swk_nbits
  /// Not for 2 bits.
  let integers: UnsafePointer<swk_nbits_integers>?
  let gemm: UnsafePointer<swk_gemm_table>
  let blockBytes: Int
  /// Elements of a byte.
  let parts: Int

  /// - Parameters:
  ///   - data: n * blocks * block * bits / 8 bytes.
  ///   - scales: [n, blocks]
  public init(
    n: Int, k: Int, bits: Int, block: Int, _ data: UnsafePointer<UInt8>, scales: UnsafePointer<Float>, _ zeros: Zeros,
    level: swk_level = .best
  ) throws {
    guard let kernels = swk_nbits_get(level, Int32(truncatingIfNeeded: bits)), let gemm = Float.kernels(level),
      n >= 0, k >= 0, block >= 8, block % 8 == 0
    else { throw SwiftletError(.unsupported, "weights of \(bits) bits in blocks of \(block)") }
    (self.n, self.k, self.bits, self.block) = (n, k, bits, block)
    (self.data, self.scales, self.zeros) = (data, scales, zeros)
    self.kernels = kernels.pointee
    self.gemm = gemm
    integers = swk_nbits_integers_get(level, Int32(truncatingIfNeeded: bits))
    blocks = k / block + (k % block == 0 ? 0 : 1)
    (blockBytes, parts) = (block / 8 * bits, 8 / bits)
  }

  private func zero(_ row: Int, _ b: Int) -> Float {
    switch zeros {
    case .middle: return Float(1 << (bits - 1))
    case .floats(let p): return p[row * blocks + b]
    case .packed(let p):
      let byte = p[row * ((blocks + parts - 1) / parts) + b / parts]
      return Float(Int(byte) >> (b % parts * bits) & (1 << bits - 1))
    }
  }

  /// A row as float, [blocks * block].
  public func widen(_ row: Int, to out: UnsafeMutablePointer<Float>) {
    for b in 0..<blocks {
      let at = row * blocks + b
      kernels.widen(data + at * blockBytes, blockBytes, scales[at], zero(row, b), out + b * block)
    }
  }

  /// A row as float, [blocks * block], with the scale and the zero point of block `groups[j]` (in range) for element j.
  public func widen(_ row: Int, groups: [Int], to out: UnsafeMutablePointer<Float>) {
    kernels.widen(data + row * blocks * blockBytes, blocks * blockBytes, 1, 0, out)
    for (j, g) in groups.enumerated() { out[j] = (out[j] - zero(row, g)) * scales[row * blocks + g] }
  }

  /// Blocks that follow each other as float, each with its scale and zero point.
  public static func widen(
    _ data: UnsafePointer<UInt8>, bits: Int, block: Int, blocks: Int, scales: UnsafePointer<Float>,
    zeros: UnsafePointer<Float>, to out: UnsafeMutablePointer<Float>, level: swk_level = .best
  ) throws {
    guard let kernels = swk_nbits_get(level, Int32(truncatingIfNeeded: bits)), block % 8 == 0 else {
      throw SwiftletError(.unsupported, "weights of \(bits) bits in blocks of \(block)")
    }
    let bytes = block / 8 * bits
    for b in 0..<blocks { kernels.pointee.widen(data + b * bytes, bytes, scales[b], zeros[b], out + b * block) }
  }
}
