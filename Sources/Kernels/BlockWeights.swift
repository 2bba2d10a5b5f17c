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

  /// Whether `multiply` is worth its while: blocks of whole vectors, and few rows, since a row of weights is spread out for
  /// every four of them.
  public func isDirect(m: Int) -> Bool { blockBytes % 16 == 0 && m <= 16 }

  /// Floats of scratch that `multiply` needs.
  public func scratchCount(m: Int) throws -> Int { try Checked.multiply(m, Checked.multiply(blocks, block)) }

  /// y [m, n] = x [m, k] times the transposed matrix + bias, without making a float matrix of it.
  public func multiply(
    _ x: UnsafePointer<Float>, m: Int, bias: UnsafePointer<Float>?, to y: UnsafeMutablePointer<Float>, pool: ThreadPool,
    scratch planes: UnsafeMutablePointer<Float>
  ) {
    // Each row of x in planes, as the kernel reads it.
    let padded = blocks * block, plane = padded / parts
    for i in 0..<m {
      let from = x + i * k, to = planes + i * padded
      for part in 0..<parts {
        for j in 0..<plane { to[part * plane + j] = j * parts + part < k ? from[j * parts + part] : 0 }
      }
    }
    pool.parallel(over: n, grain: max(1, 65536 / max(1, padded * m))) { rows in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: blocks + parts + 4) { buffer in
        guard let sums = buffer.baseAddress else { return }
        if case .middle = zeros { (sums + 4).update(repeating: Float(1 << (bits - 1)), count: blocks) }
        // Four rows of x stay in the first-level cache while the weights pass by.
        for i in stride(from: 0, to: m, by: 4) {
          for row in rows {
            let w = data + row * blocks * blockBytes, scale = scales + row * blocks, x = planes + i * padded
            let zero = zeroPoints(row, sums + 4)
            if i + 4 <= m {
              kernels.dots(w, x, padded, plane, blocks, blockBytes, scale, zero, sums)
            } else {
              for u in 0..<m - i { sums[u] = kernels.dot(w, x + u * padded, plane, blocks, blockBytes, scale, zero) }
            }
            for u in 0..<min(4, m - i) { y[(i + u) * n + row] = sums[u] + (bias?[row] ?? 0) }
          }
        }
      }
    }
  }

  /// A row's zero points: where they stand, or in `memory`, which holds those in the middle already.
  private func zeroPoints(_ row: Int, _ memory: UnsafeMutablePointer<Float>) -> UnsafePointer<Float> {
    switch zeros {
    case .middle: break
    case .floats(let p): return p + row * blocks
    case .packed(let p):
      let bytes = (blocks + parts - 1) / parts
      kernels.widen(p + row * bytes, bytes, 1, 0, memory)
    }
    return UnsafePointer(memory)
  }
}
