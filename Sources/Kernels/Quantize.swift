import CKernels
import Tensors

/// Which scale belongs to which element: `x` as [outer, length, inner], `block` positions along the middle axis to a
/// scale, scales as [outer or 1, length / block (rounded up), inner or 1].
public struct QuantizationLayout: Sendable {
  public enum Granularity: Sendable {
    case tensor
    /// One scale for each position along the axis.
    case axis(Int)
    /// One scale for each block along the axis; elsewhere as many as elements.
    case blocks(axis: Int, size: Int)
  }
  let outer: Int
  let length: Int
  let inner: Int
  let block: Int
  let granularity: Granularity

  /// - Parameter axis: in range of `shape`. Throws when the scale's shape doesn't fit.
  public init(_ shape: [Int], scale: [Int], axis: Int, blockSize: Int) throws {
    let count = try Checked.count(shape)
    if blockSize == 0, try Checked.count(scale) == 1 {
      (outer, length, inner, block, granularity) = (1, 1, count, 1, .tensor)
      return
    }
    guard axis < shape.count else { throw SwiftletError(.shape, "axis \(axis) of \(shape)") }
    outer = try Checked.count(Array(shape[..<axis]))
    length = shape[axis]
    inner = try Checked.count(Array(shape[(axis + 1)...]))
    if blockSize == 0 {
      guard scale == [length] else { throw SwiftletError(.shape, "scale \(scale) for axis \(axis) of \(shape)") }
      (block, granularity) = (1, .axis(axis))
    } else {
      var due = shape
      due[axis] = length / max(1, blockSize) + (length % max(1, blockSize) == 0 ? 0 : 1)
      guard blockSize > 0, scale == due else {
        throw SwiftletError(.shape, "scale \(scale) for blocks of \(blockSize) along axis \(axis) of \(shape)")
      }
      (block, granularity) = (blockSize, .blocks(axis: axis, size: blockSize))
    }
  }

  /// Calls `body` for runs of elements: their offset, how many, the offset of their first scale, and whether the scale
  /// steps with the elements.
  func forEachRun(pool: ThreadPool?, _ body: @escaping (_ at: Int, _ n: Int, _ scale: Int, _ step: Int) -> Void) {
    let bytes = outer &* length &* inner &* 5
    switch granularity {
    case .tensor:
      Parallel.ranges(inner, bytes: bytes, multipleOf: 64, pool: pool) { body($0, $1 - $0, 0, 0) }
    case .axis where inner == 1:
      Parallel.ranges(outer, bytes: bytes, pool: pool) { start, end in
        for o in start..<end { body(o * length, length, 0, 1) }
      }
    case .axis:
      Parallel.ranges(outer * length, bytes: bytes, pool: pool) { start, end in
        for row in start..<end { body(row * inner, inner, row % length, 0) }
      }
    case .blocks:
      let blocks = length / block + (length % block == 0 ? 0 : 1)
      Parallel.ranges(outer * blocks, bytes: bytes, pool: pool) { start, end in
        for index in start..<end {
          let (o, b) = (index / blocks, index % blocks)
          let first = b * block
          let n = min(block, length - first)
          if inner == 1 {
            body(o * length + first, n, index, 0)
          } else {
            for k in first..<first + n { body((o * length + k) * inner, inner, index * inner, 1) }
          }
        }
      }
    }
  }

  /// The scale's shape, so that it broadcasts to `shape`, for layouts without blocks.
  public func broadcastShape(rank: Int) -> [Int]? {
    switch granularity {
    case .tensor: return []
    case .axis(let a): return (0..<rank).map { $0 == a ? length : 1 }
    case .blocks: return nil
    }
  }
}

public enum Quantize {
  /// `y = saturate(round(x / scale) + zero)` to uint8, int8, uint16 or int16, within `low...high`.
  /// - Parameter zero: as many as scales.
  public static func quantize(
    _ x: UnsafePointer<Float>, to type: ElementType, _ y: UnsafeMutableRawPointer, _ layout: QuantizationLayout,
    scale: [Float], zero: [Int32], low: Int32, high: Int32, pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    guard let f = swk_quantize_get(level, type.swk) else { throw Binary.unsupported("quantization", type) }
    let size = type.bits / 8
    scale.withUnsafeBufferPointer { s in
      zero.withUnsafeBufferPointer { z in
        guard let s = s.baseAddress, let z = z.baseAddress else { return }
        layout.forEachRun(pool: pool) { at, n, first, step in
          var scales = swk_scales(scale: s + first, zero: z + first, step: Int32(step))
          f(x + at, y + at * size, n, &scales, low, high)
        }
      }
    }
  }

  /// `y = (x - zero) * scale` from uint8, int8, uint16, int16 or int32.
  public static func dequantize(
    _ type: ElementType, _ x: UnsafeRawPointer, to y: UnsafeMutablePointer<Float>, _ layout: QuantizationLayout,
    scale: [Float], zero: [Int32], pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    guard let f = swk_dequantize_get(level, type.swk) else { throw Binary.unsupported("dequantization", type) }
    let size = type.bits / 8
    scale.withUnsafeBufferPointer { s in
      zero.withUnsafeBufferPointer { z in
        guard let s = s.baseAddress, let z = z.baseAddress else { return }
        layout.forEachRun(pool: pool) { at, n, first, step in
          var scales = swk_scales(scale: s + first, zero: z + first, step: Int32(step))
          f(x + at * size, y + at, n, &scales)
        }
      }
    }
  }

  /// The least and the greatest element, 0 included.
  public static func range(_ x: UnsafePointer<Float>, _ count: Int, level: swk_level = .best) -> (low: Float, high: Float) {
    var (low, high) = (Float(0), Float(0))
    swk_range_f32(level, x, count, &low, &high)
    return (low, high)
  }
}
