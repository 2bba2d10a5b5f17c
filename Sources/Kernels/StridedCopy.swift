import CKernels
import Tensors

/// Moving elements without looking at them: Transpose, Slice, Concat, Pad, Tile, Expand...
public enum StridedCopy {
  /// `dst[Σ i·dstStrides] = src[Σ i·srcStrides]` for all i within `shape`. Strides count elements of `elementSize`
  /// (1, 2, 4, 8 or 16) bytes and may be negative; a source stride of 0 repeats. The caller has checked that all of it
  /// lies within both buffers, which must not overlap; no destination element may be written twice.
  public static func apply(
    _ dst: UnsafeMutableRawPointer, _ dstStrides: [Int], _ src: UnsafeRawPointer, _ srcStrides: [Int], shape: [Int],
    elementSize: Int, pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    guard dstStrides.count == shape.count, srcStrides.count == shape.count else {
      throw SwiftletError(.internal, "strides \(dstStrides), \(srcStrides) for the shape \(shape)")
    }
    let count = try Checked.count(shape)
    if count == 0 { return }
    // Loops in the destination's order, so that its rows are whole.
    let order = shape.indices.filter { shape[$0] != 1 }.sorted { abs(dstStrides[$0]) > abs(dstStrides[$1]) }
    var nest = Nest(order.map { shape[$0] }, [order.map { dstStrides[$0] }, order.map { srcStrides[$0] }])
    var size = elementSize
    nest = widened(nest, &size)
    guard let kernels = swk_movement_get(level, size) else {
      throw SwiftletError(.unsupported, "elements of \(elementSize) bytes")
    }
    let bytes = count &* elementSize &* 2
    if let column = transposedLoop(nest) {
      transpose(nest, column, dst, src, size, bytes, kernels.pointee, pool)
    } else if nest.rows == 1 {
      Parallel.ranges(nest.n, bytes: bytes, multipleOf: 64, pool: pool) { start, end in
        kernels.pointee.copy(
          dst + start * nest.step(0) * size, 0, nest.step(0), src + start * nest.step(1) * size, 0, nest.step(1), 1,
          end - start)
      }
    } else {
      Parallel.ranges(nest.rows, bytes: bytes, pool: pool) { start, end in
        nest.forEachRun(start, end) { offsets, _, rows in
          kernels.pointee.copy(
            dst + offsets[0] * size, nest.row(0), nest.step(0), src + offsets[1] * size, nest.row(1), nest.step(1), rows,
            nest.n)
        }
      }
    }
  }

  /// `out` = `x` of `shape` with its axes in the order `perm` (a permutation, checked by the caller).
  public static func transpose(
    _ x: UnsafeRawPointer, _ shape: [Int], perm: [Int], to out: UnsafeMutableRawPointer, elementSize: Int,
    pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    guard perm.count == shape.count, perm.sorted() == Array(shape.indices) else {
      throw SwiftletError(.shape, "\(perm) is no permutation of the axes of \(shape)")
    }
    let strides = Broadcast.strides(of: shape), outShape = perm.map { shape[$0] }
    try apply(
      out, Broadcast.strides(of: outShape), x, perm.map { strides[$0] }, shape: outShape, elementSize: elementSize,
      pool: pool, level: level)
  }

  /// `out` = `x` of `shape` broadcast to `outShape`.
  public static func broadcast(
    _ x: UnsafeRawPointer, _ shape: [Int], to out: UnsafeMutableRawPointer, _ outShape: [Int], elementSize: Int,
    pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    try apply(
      out, Broadcast.strides(of: outShape), x, try Broadcast.strides(of: shape, as: outShape), shape: outShape,
      elementSize: elementSize, pool: pool, level: level)
  }

  /// `count` copies of the element at `value`.
  public static func fill(
    _ dst: UnsafeMutableRawPointer, with value: UnsafeRawPointer, _ count: Int, elementSize: Int,
    pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    try apply(dst, [1], value, [0], shape: [count], elementSize: elementSize, pool: pool, level: level)
  }

  /// Short runs that both sides keep together are moved as larger elements.
  private static func widened(_ nest: Nest, _ size: inout Int) -> Nest {
    let bytes = nest.n &* size
    guard nest.rows > 1, nest.step(0) == 1, nest.step(1) == 1, bytes <= 16, bytes & (bytes - 1) == 0 else { return nest }
    let outer = nest.shape.dropLast(), n = nest.n
    for strides in nest.strides where !strides.dropLast().allSatisfy({ $0 % n == 0 }) { return nest }
    size = bytes
    return Nest(Array(outer), nest.strides.map { $0.dropLast().map { $0 / n } })
  }

  /// The loop along which the source is contiguous, if that isn't the innermost and both are worth tiles.
  private static func transposedLoop(_ nest: Nest) -> Int? {
    let last = nest.shape.count - 1
    guard nest.step(0) == 1, nest.step(1) != 1, nest.step(1) != 0 else { return nil }
    return (0..<last).first { nest.strides[1][$0] == 1 && nest.shape[$0] > 1 }
  }

  private static func transpose(
    _ nest: Nest, _ column: Int, _ dst: UnsafeMutableRawPointer, _ src: UnsafeRawPointer, _ size: Int, _ bytes: Int,
    _ kernels: swk_movement, _ pool: ThreadPool?
  ) {
    let last = nest.shape.count - 1
    let columns = nest.shape[column], rows = nest.n
    let dstRow = nest.strides[0][column], srcRow = nest.step(1)
    let others = (0..<last).filter { $0 != column }
    let planes = Nest(
      others.map { nest.shape[$0] } + [1], nest.strides.map { s in others.map { s[$0] } + [0] })
    let planeCount = planes.rows &* planes.n
    // Planes, and bands of rows within a plane when there are few.
    let bands = planeCount >= 8 ? 1 : max(1, min(16, rows / 32))
    let band = ((rows + bands - 1) / bands + 15) / 16 * 16
    Parallel.ranges(planeCount * bands, bytes: bytes, pool: pool) { start, end in
      for index in start..<end {
        let (plane, r0) = (index / bands, index % bands * band)
        let r1 = min(rows, r0 + band)
        if r0 >= r1 { continue }
        planes.forEachRun(plane / planes.n, plane / planes.n + 1) { offsets, _, _ in
          let i = plane % planes.n
          let d = offsets[0] &+ i &* planes.step(0) &+ r0
          let s = offsets[1] &+ i &* planes.step(1) &+ r0 &* srcRow
          kernels.transpose(dst + d * size, dstRow, src + s * size, srcRow, r1 - r0, columns)
        }
      }
    }
  }
}
