import CKernels
import Tensors

extension Reduction {
  /// ArgMax and ArgMin: `out[o, i]` (int64) = the position along `axis` of the extreme value of `x`, seen as [outer, n,
  /// inner]. NaN is the most extreme. Among equals the first, or the last.
  public static func arg(
    max: Bool, _ type: ElementType, _ x: UnsafeRawPointer, _ shape: [Int], axis: Int, selectLastIndex: Bool,
    to out: UnsafeMutablePointer<Int64>, pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    let work: ElementType = type.isHalf ? .float : type
    guard let kernel = swk_arg_get(level, max, work.swk) else {
      throw Binary.unsupported(max ? "ArgMax" : "ArgMin", type)
    }
    let (outer, n, inner) = try split(shape, axis)
    if outer == 0 || inner == 0 { return }
    guard n > 0 else { throw SwiftletError(.shape, "the extreme of an empty axis of \(shape)") }
    let wide = try Cast.converted(type, x, to: work, outer &* n &* inner, pool: pool)
    let data = UnsafeRawPointer(wide?.base) ?? x
    let size = work.bits / 8
    Parallel.ranges(outer, bytes: outer &* n &* inner &* size, pool: pool) { start, end in
      if inner == 1 {
        kernel.pointee.runs(data + start * n * size, end - start, n, n, selectLastIndex, out + start)
      } else {
        for o in start..<end {
          kernel.pointee.columns(data + o * n * inner * size, n, inner, inner, selectLastIndex, out + o * inner)
        }
      }
    }
    withExtendedLifetime(wide) {}
  }

  /// CumSum (or the cumulative product): `out` = for each element, the sum of those before it along `axis` and, unless
  /// `exclusive`, itself; from the end if `reverse`. float, double, the 16-bit floats, and integers of 32 and 64 bits.
  public static func cumulate(
    product: Bool = false, _ type: ElementType, _ x: UnsafeRawPointer, _ shape: [Int], axis: Int, exclusive: Bool,
    reverse: Bool, to out: UnsafeMutableRawPointer, pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    let work: ElementType = type.isHalf ? .float : type
    guard let f = swk_cumulate_get(level, product, work.swk) else { throw Binary.unsupported("a cumulation", type) }
    let (outer, n, inner) = try split(shape, axis)
    let count = outer &* n &* inner, size = work.bits / 8
    if count == 0 { return }
    let wide = try Cast.converted(type, x, to: work, count, pool: pool)
    let result = work == type ? nil : try Allocator.system.allocate(try work.byteCount(count))
    let source = UnsafeRawPointer(wide?.base) ?? x, target = result?.base ?? out
    Parallel.ranges(outer, bytes: 2 &* count &* size, pool: pool) { start, end in
      let offset = start * n * inner * size
      f(source + offset, target + offset, end - start, n, inner, exclusive, reverse)
    }
    withExtendedLifetime(wide) {}
    if let result { try Cast.apply(work, result.base, to: type, out, count, pool: pool, level: level) }
  }

  /// A shape as [outer, n, inner] around an axis.
  static func split(_ shape: [Int], _ axis: Int) throws -> (outer: Int, n: Int, inner: Int) {
    guard shape.indices.contains(axis) else { throw SwiftletError(.shape, "axis \(axis) of a tensor of shape \(shape)") }
    return (
      try Checked.count(Array(shape[..<axis])), shape[axis], try Checked.count(Array(shape[(axis + 1)...]))
    )
  }
}
