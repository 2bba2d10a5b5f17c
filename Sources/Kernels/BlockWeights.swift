import CKernels
import Tensors

/// A matrix [n, k] of unsigned integers of 2, 4 or 8 bits, low bits first: each row in blocks of `block` elements (the last
/// one filled up) with a scale and a zero point each. The memory must stay valid.
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
  private let data: UnsafePointer<UInt8>
  private let scales: UnsafePointer<Float>
  private let zeros: Zeros
  private let kernels: swk_nbits
  private let blockBytes: Int
  /// Elements of a byte.
  private let parts: Int

  /// - Parameters:
  ///   - data: n * blocks * block * bits / 8 bytes.
  ///   - scales: [n, blocks]
  public init(
    n: Int, k: Int, bits: Int, block: Int, _ data: UnsafePointer<UInt8>, scales: UnsafePointer<Float>, _ zeros: Zeros,
    level: swk_level = .best
  ) throws {
    guard let kernels = swk_nbits_get(level, Int32(truncatingIfNeeded: bits)), n >= 0, k >= 0, block >= 8, block % 8 == 0 else {
      throw SwiftletError(.unsupported, "weights of \(bits) bits in blocks of \(block)")
    }
    (self.n, self.k, self.bits, self.block, self.data, self.scales, self.zeros) = (n, k, bits, block, data, scales, zeros)
    self.kernels = kernels.pointee
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

  /// Whether `multiply` is worth its while: blocks of whole vectors, and few rows, so that a row of weights is read and
  /// spread out not more often than there are multiplications to do.
  public func isDirect(m: Int) -> Bool { blockBytes % 16 == 0 && m <= 4 }

  /// Floats of scratch that `multiply` needs.
  public func scratchCount(m: Int) throws -> Int { try Checked.multiply(m, Checked.add(Checked.multiply(blocks, block), blocks)) }

  /// y [m, n] = x [m, k] times the transposed matrix + bias, without making a float matrix of it.
  public func multiply(
    _ x: UnsafePointer<Float>, m: Int, bias: UnsafePointer<Float>?, to y: UnsafeMutablePointer<Float>, pool: ThreadPool,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let padded = blocks * block, stride = padded / parts
    // Each row of x in planes, as the kernel reads it, and the sum of each block of it, which the zero points multiply.
    let planes = scratch, sums = scratch + m * padded
    for i in 0..<m {
      let from = x + i * k, to = planes + i * padded
      for j in 0..<padded { to[j % parts * stride + j / parts] = j < k ? from[j] : 0 }
      for b in 0..<blocks {
        var sum: Float = 0
        for j in b * block..<min(k, (b + 1) * block) { sum += from[j] }
        sums[i * blocks + b] = sum
      }
    }
    pool.parallel(over: n, grain: max(1, 65536 / max(1, padded * m))) { rows in
      for row in rows {
        let scale = scales + row * blocks, w = data + row * blocks * blockBytes
        for i in 0..<m {
          var shift: Float = 0
          for b in 0..<blocks { shift += scale[b] * zero(row, b) * sums[i * blocks + b] }
          y[i * n + row] = kernels.dot(w, planes + i * padded, stride, blocks, blockBytes, scale) - shift + (bias?[row] ?? 0)
        }
      }
    }
  }
}
