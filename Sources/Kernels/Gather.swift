import CKernels
import Tensors

/// Reading along indices. Indices come from tensors: they are checked here, negative ones count from the end.
public enum Gather {
  /// Indices (int32 or int64) as numbers in [0, limit). Throws on one that is out of [-limit, limit).
  public static func checkedIndices(_ indices: UnsafeRawPointer, _ type: ElementType, _ count: Int, limit: Int) throws
    -> [Int64]
  {
    func read<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) throws -> [Int64] {
      try (0..<count).map {
        let raw = Int64(indices.loadUnaligned(fromByteOffset: $0 &* MemoryLayout<T>.size, as: T.self))
        guard raw >= -limit, raw < limit else {
          throw SwiftletError(.runtime, "index \(raw) is out of range for an axis of \(limit)")
        }
        return raw < 0 ? raw + Int64(limit) : raw
      }
    }
    switch type {
    case .int64: return try read(Int64.self)
    case .int32: return try read(Int32.self)
    default: throw SwiftletError(.type, "indices of type \(type.name)")
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

  /// GatherElements: `out[i…] = x[i… with indices[i…] along axis]`; `out` and the indices have `indicesShape`, which
  /// nowhere but along `axis` exceeds `shape`.
  public static func elements(
    _ x: UnsafeRawPointer, _ shape: [Int], axis: Int, indices: [Int64], _ indicesShape: [Int],
    to out: UnsafeMutableRawPointer, elementSize: Int, level: swk_level = .best
  ) throws {
    try eachRow(shape, axis: axis, indices: indices, indicesShape, elementSize, level) { kernels, base, index, at, step in
      kernels.gather(out + at &* elementSize, x + base &* elementSize, index, step.axis, step.other, step.n)
    }
  }

  /// ScatterElements without a reduction: `x[i… with indices[i…] along axis] = updates[i…]`, in place; later ones win.
  public static func scatterElements(
    _ x: UnsafeMutableRawPointer, _ shape: [Int], axis: Int, indices: [Int64], _ indicesShape: [Int],
    updates: UnsafeRawPointer, elementSize: Int, level: swk_level = .best
  ) throws {
    try eachRow(shape, axis: axis, indices: indices, indicesShape, elementSize, level) { kernels, base, index, at, step in
      kernels.scatter(x + base &* elementSize, updates + at &* elementSize, index, step.axis, step.other, step.n)
    }
  }

  /// For each row of the indices' last axis: the offset of its base in the data, the row's indices, its offset, and the
  /// strides with which an index and a position within the row move in the data.
  private static func eachRow(
    _ shape: [Int], axis: Int, indices: [Int64], _ indicesShape: [Int], _ elementSize: Int, _ level: swk_level,
    _ body: (
      _ kernels: swk_movement, _ base: Int, _ index: UnsafePointer<Int64>, _ at: Int,
      _ step: (axis: Int, other: Int, n: Int)
    ) -> Void
  ) throws {
    guard let kernels = swk_movement_get(level, elementSize) else {
      throw SwiftletError(.unsupported, "elements of \(elementSize) bytes")
    }
    let rank = shape.count
    guard indicesShape.count == rank, axis < rank, try Checked.count(indicesShape) == indices.count,
      (0..<rank).allSatisfy({ $0 == axis || indicesShape[$0] <= shape[$0] })
    else { throw SwiftletError(.shape, "indices of shape \(indicesShape) for data of shape \(shape), axis \(axis)") }
    if indices.isEmpty { return }
    let strides = Broadcast.strides(of: shape), n = indicesShape[rank - 1]
    let step = (axis: strides[axis], other: axis == rank - 1 ? 0 : 1, n: n)
    var position = [Int](repeating: 0, count: rank)
    indices.withUnsafeBufferPointer { buffer in
      guard let index = buffer.baseAddress else { return }
      for row in 0..<indices.count / n {
        var base = 0
        for k in 0..<rank - 1 where k != axis { base &+= position[k] &* strides[k] }
        body(kernels.pointee, base, index + row * n, row * n, step)
        var k = rank - 2
        while k >= 0 {
          position[k] += 1
          if position[k] < indicesShape[k] { break }
          position[k] = 0
          k -= 1
        }
      }
    }
  }
}
