import CKernels
import Tensors

public enum SoftmaxKind: Sendable {
  case softmax, logSoftmax
  /// 1 at the first greatest element, 0 elsewhere.
  case hardmax
}

public enum Softmax {
  /// `out` = softmax of `x` along `axis` of `shape`; `out` may be `x`. (Before opset 13 the axes from `axis` on count
  /// as one: give the flattened shape.) float, double, float16, bfloat16.
  public static func apply(
    _ kind: SoftmaxKind, _ type: ElementType, _ x: UnsafeRawPointer, _ shape: [Int], axis: Int,
    to out: UnsafeMutableRawPointer, pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    let (outer, n, inner) = try Reduction.split(shape, axis)
    if outer &* n &* inner == 0 { return }
    if kind == .hardmax { return try hardmax(type, x, shape, axis, outer, n, inner, out, pool, level) }
    let isShared = kind == .softmax && type == .float16
    let form = kind == .logSoftmax ? SWK_SOFTMAX_LOG : isShared ? SWK_SOFTMAX_POWERS : SWK_SOFTMAX
    try InFloat.run(type, x, to: out, outer &* n &* inner, "softmax", pool, level) { kernels, size, x, out in
      let bytes = outer &* n &* inner &* size &* 4
      if inner == 1 {
        Parallel.ranges(outer, bytes: bytes, pool: pool) { start, end in
          let offset = start * n * size
          kernels.softmax_runs(x + offset, end - start, n, form, nil, out + offset)
        }
      } else {
        // Pieces of the inner dimension, so that few outer ones keep all threads busy too.
        let width = min(inner, 256), pieces = (inner - 1) / width + 1
        Parallel.ranges(outer &* pieces, bytes: bytes, pool: pool) { start, end in
          for piece in start..<end {
            let first = piece % pieces * width, offset = (piece / pieces * n * inner + first) * size
            kernels.softmax_columns(x + offset, n, min(width, inner - first), inner, form, out + offset)
          }
        }
      }
    }
    if isShared { try share(type, out, [outer, n, inner], pool, level) }
  }

  /// Divides the powers by their sums. float16 does so with powers and sums in its own type, as NumPy and the function
  /// that ONNX defines Softmax by; of the 8 bits of bfloat16 too little would be left.
  private static func share(
    _ type: ElementType, _ x: UnsafeMutableRawPointer, _ shape: [Int], _ pool: ThreadPool?, _ level: swk_level
  ) throws {
    let sums = try Allocator.system.allocate(try type.byteCount(shape[0] &* shape[2]))
    try Reduction.apply(.sum, type, x, shape, axes: [1], to: sums.base, pool: pool, level: level)
    try Binary.apply(
      .divide, type, x, shape, sums.base, [shape[0], 1, shape[2]], to: x, shape, pool: pool, level: level)
    withExtendedLifetime(sums) {}
  }

  /// Runs of `n` attention scores in place; zeros where all of a run are -infinity. `sink` is a score of nothing: it
  /// counts in the sum. float or double.
  public static func attention(
    _ type: ElementType, _ x: UnsafeMutableRawPointer, _ n: Int, runs: Int = 1, sink: Double? = nil,
    level: swk_level = .best
  ) throws {
    guard let kernels = swk_rows_get(level, type.swk) else { throw Binary.unsupported("softmax", type) }
    if let sink {
      withUnsafePointer(to: sink) { kernels.pointee.softmax_runs(x, runs, n, SWK_SOFTMAX_MASKED, $0, x) }
    } else {
      kernels.pointee.softmax_runs(x, runs, n, SWK_SOFTMAX_MASKED, nil, x)
    }
  }

  private static func hardmax(
    _ type: ElementType, _ x: UnsafeRawPointer, _ shape: [Int], _ axis: Int, _ outer: Int, _ n: Int, _ inner: Int,
    _ out: UnsafeMutableRawPointer, _ pool: ThreadPool?, _ level: swk_level
  ) throws {
    guard type.isHalf || type == .float || type == .double, let size = type.size else {
      throw Binary.unsupported("hardmax", type)
    }
    let positions = try Allocator.system.allocate(try ElementType.int64.byteCount(outer &* inner))
    let position = positions.base.assumingMemoryBound(to: Int64.self)
    try Reduction.arg(
      max: true, type, x, shape, axis: axis, selectLastIndex: false, to: position, pool: pool, level: level)
    out.initializeMemory(as: UInt8.self, repeating: 0, count: outer &* n &* inner &* size)
    let one = try Allocator.system.allocate(size)
    try Cast.apply(.float, [1 as Float], to: type, one.base, 1)
    for o in 0..<outer {
      for i in 0..<inner {
        let at = (o &* n &+ Int(position[o &* inner &+ i])) &* inner &+ i
        (out + at &* size).copyMemory(from: one.base, byteCount: size)
      }
    }
    withExtendedLifetime(positions) {}
  }
}

/// The 16-bit floats by way of float, for kernels of whole rows.
enum InFloat {
  /// Calls `body` with the row kernels, the size of their elements, and the operands in that type.
  static func run(
    _ type: ElementType, _ x: UnsafeRawPointer, to out: UnsafeMutableRawPointer, _ count: Int, _ what: String,
    _ pool: ThreadPool?, _ level: swk_level,
    _ body: (_ kernels: swk_rows, _ size: Int, _ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer) throws -> Void
  ) throws {
    let work: ElementType = type.isHalf ? .float : type
    guard let kernels = swk_rows_get(level, work.swk) else { throw Binary.unsupported(what, type) }
    guard type.isHalf else { return try body(kernels.pointee, work.bits / 8, x, out) }
    let source = try Allocator.system.allocate(try work.byteCount(count))
    let result = try Allocator.system.allocate(try work.byteCount(count))
    try Cast.apply(type, x, to: work, source.base, count, pool: pool, level: level)
    try body(kernels.pointee, 4, source.base, result.base)
    try Cast.apply(work, result.base, to: type, out, count, pool: pool, level: level)
    withExtendedLifetime(source) {}
  }
}
