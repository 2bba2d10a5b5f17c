import CKernels
import Tensors

public enum Select {
  /// `out[...] = condition[...] ? x[...] : y[...]`, all three broadcast to `outShape`; `condition` is one byte an element,
  /// x, y and out have elements of `elementSize` (1, 2, 4, 8 or 16) bytes.
  public static func apply(
    _ condition: UnsafeRawPointer, _ conditionShape: [Int], _ x: UnsafeRawPointer, _ xShape: [Int],
    _ y: UnsafeRawPointer, _ yShape: [Int], to out: UnsafeMutableRawPointer, _ outShape: [Int], elementSize: Int,
    pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    guard elementSize > 0, let f = swk_where_get(level, elementSize) else {
      throw SwiftletError(.unsupported, "elements of \(elementSize) bytes")
    }
    let count = try Checked.count(outShape)
    if count == 0 { return }
    let nest = Nest(
      outShape,
      [
        try Broadcast.strides(of: conditionShape, as: outShape), try Broadcast.strides(of: xShape, as: outShape),
        try Broadcast.strides(of: yShape, as: outShape),
      ])
    let c = condition.assumingMemoryBound(to: UInt8.self)
    func call(_ offsets: UnsafePointer<Int>, _ outOffset: Int, rows: Int, n: Int) {
      var shape = swk_where_shape(
        rows: rows, n: n, c_row: nest.row(0), x_row: nest.row(1), y_row: nest.row(2), c_step: Int32(nest.step(0)),
        x_step: Int32(nest.step(1)), y_step: Int32(nest.step(2)))
      f(c + offsets[0], x + offsets[1] * elementSize, y + offsets[2] * elementSize, out + outOffset * elementSize, &shape)
    }
    let bytes = count &* (1 &+ 3 &* elementSize)
    if nest.rows == 1 {
      Parallel.ranges(nest.n, bytes: bytes, multipleOf: 64, pool: pool) { start, end in
        let offsets = [start * nest.step(0), start * nest.step(1), start * nest.step(2)]
        call(offsets, start, rows: 1, n: end - start)
      }
    } else {
      Parallel.ranges(nest.rows, bytes: bytes, pool: pool) { start, end in
        nest.forEachRun(start, end) { offsets, row, rows in call(offsets, row * nest.n, rows: rows, n: nest.n) }
      }
    }
  }
}
