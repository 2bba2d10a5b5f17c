import CKernels
import Tensors

/// Reading along indices. Indices come from tensors: they are checked here, negative ones count from the end.
public enum Gather {
  /// Indices (int32 or int64) as numbers in [0, limit). Throws on one that is out of [-limit, limit).
  public static func checkedIndices(_ indices: UnsafeRawPointer, _ type: ElementType, _ count: Int, limit: Int) throws
    -> [Int64]
  {
    try [Int64](unsafeUninitializedCapacity: count) { checked, filled in
      if let out = checked.baseAddress { try check(indices, type, 0..<count, limit: limit, to: out) }
      filled = count
    }
  }

  /// The same for some of the indices.
  private static func check(
    _ indices: UnsafeRawPointer, _ type: ElementType, _ range: Range<Int>, limit: Int,
    to out: UnsafeMutablePointer<Int64>, level: swk_level = .best
  ) throws {
    let isWide = type == .int64
    guard isWide || type == .int32 else { throw SwiftletError(.type, "indices of type \(type.name)") }
    let size = isWide ? 8 : 4
    if swk_indices_get(level)(indices + range.lowerBound &* size, isWide, range.count, Int64(limit), out) { return }
    for i in range {
      let raw =
        isWide
        ? indices.loadUnaligned(fromByteOffset: i &* 8, as: Int64.self)
        : Int64(indices.loadUnaligned(fromByteOffset: i &* 4, as: Int32.self))
      if raw < -limit || raw >= limit {
        throw SwiftletError(.runtime, "index \(raw) is out of range for an axis of \(limit)")
      }
    }
  }

  /// Gather: `out[o, i, k] = x[o, indices[i], k]` with x as [outer, axis length, inner] around `axis`. The result's shape is
  /// `shape` with `axis` replaced by the shape of the indices.
  public static func apply(
    _ x: UnsafeRawPointer, _ shape: [Int], axis: Int, indices: [Int64], to out: UnsafeMutableRawPointer,
    elementSize: Int, pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    let length = shape[axis]
    let outer = try Checked.count(Array(shape[..<axis])), inner = try Checked.count(Array(shape[(axis + 1)...]))
    let row = inner &* elementSize
    let bytes = outer &* indices.count &* row &* 2
    if bytes == 0 { return }
    try indices.withUnsafeBufferPointer { index in
      guard let base = index.baseAddress else { return }
      if inner == 1 {
        guard let kernels = swk_movement_get(level, elementSize) else {
          throw SwiftletError(.unsupported, "elements of \(elementSize) bytes")
        }
        for o in 0..<outer {
          touch(x + o &* length &* row, length &* row, for: index.count)
          kernels.pointee.gather(
            out + o &* index.count &* row, x + o &* length &* row, base, 1, 0, index.count)
        }
      } else if outer > 1 {
        Parallel.ranges(outer, bytes: bytes, pool: pool) { start, end in
          swk_gather_rows(
            out + start &* index.count &* row, x + start &* length &* row, base, end - start, length, index.count, row)
        }
      } else {
        Parallel.ranges(index.count, bytes: bytes, pool: pool) { start, end in
          swk_gather_rows(out + start &* row, x, base + start, 1, length, end - start, row)
        }
      }
    }
  }

  /// A row of which many elements are read in any order comes into the cache in its own order first, if it stays there.
  private static func touch(_ row: UnsafeRawPointer, _ byteCount: Int, for count: Int) {
    if byteCount <= 128 << 10, count >= byteCount / 64 { swk_touch(row, byteCount) }
  }

  /// GatherElements: `out[i…] = x[i… with indices[i…] along axis]`; `out` and the indices (int32 or int64, as they stand
  /// in a tensor) have `indicesShape`, which nowhere but along `axis` exceeds `shape`.
  public static func elements(
    _ x: UnsafeRawPointer, _ shape: [Int], axis: Int, indices: UnsafeRawPointer, _ type: ElementType,
    _ indicesShape: [Int], to out: UnsafeMutableRawPointer, elementSize: Int, level: swk_level = .best
  ) throws {
    guard let kernels = swk_movement_get(level, elementSize) else {
      throw SwiftletError(.unsupported, "elements of \(elementSize) bytes")
    }
    try eachStretch(shape, axis: axis, indices: indices, type, indicesShape) { base, index, at, step in
      let from = x + base &* elementSize
      if step.other == 0 { touch(from, shape[axis] &* elementSize, for: step.n) }
      kernels.pointee.gather(out + at &* elementSize, from, index, step.axis, step.other, step.n)
    }
  }

  /// For stretches of the rows of the indices' last axis: the offset of their base in the data, their indices, checked,
  /// their offset in the indices, and the strides with which an index and a position within the row move in the data.
  static func eachStretch(
    _ shape: [Int], axis: Int, indices: UnsafeRawPointer, _ type: ElementType, _ indicesShape: [Int],
    _ body: (
      _ base: Int, _ index: UnsafePointer<Int64>, _ at: Int, _ step: (axis: Int, other: Int, n: Int)
    ) -> Void
  ) throws {
    let rank = shape.count, count = try Checked.count(indicesShape)
    guard indicesShape.count == rank, axis < rank,
      (0..<rank).allSatisfy({ $0 == axis || indicesShape[$0] <= shape[$0] })
    else { throw SwiftletError(.shape, "indices of shape \(indicesShape) for data of shape \(shape), axis \(axis)") }
    if count == 0 { return }
    let strides = Broadcast.strides(of: shape), n = indicesShape[rank - 1], other = axis == rank - 1 ? 0 : 1
    var position = [Int](repeating: 0, count: rank), base = 0
    // Few enough at a time to stay in the cache between their check and their use.
    try withUnsafeTemporaryAllocation(of: Int64.self, capacity: min(count, 1024)) { block in
      guard let checked = block.baseAddress else { return }
      var at = 0, checkedEnd = 0, checkedStart = 0, column = 0
      while at < count {
        if at == checkedEnd {
          checkedStart = at
          checkedEnd = min(count, at + block.count)
          try check(indices, type, checkedStart..<checkedEnd, limit: shape[axis], to: checked)
        }
        let stretch = min(n - column, checkedEnd - at)
        body(base &+ column &* other, checked + (at - checkedStart), at, (axis: strides[axis], other: other, n: stretch))
        at += stretch
        column += stretch
        if column < n { continue }
        column = 0
        var k = rank - 2
        while k >= 0 {
          position[k] += 1
          if k != axis { base &+= strides[k] }
          if position[k] < indicesShape[k] { break }
          if k != axis { base &-= position[k] &* strides[k] }
          position[k] = 0
          k -= 1
        }
      }
    }
  }
}
