import CKernels
import Tensors

/// Elements as integers in the same order: what sorting and searching work on. NaN comes last and equals NaN; the two
/// zeros are equal.
public struct SortKeys: Sendable {
  private let kernel: swk_order_keys_fn
  private let size: Int
  private let above: swk_above_fn

  /// Of float, double, bool, integers of 8 to 64 bits; the numbers of which complex ones consist.
  public init(_ type: ElementType, level: swk_level = .best) throws {
    let part: ElementType = type == .complex64 ? .float : type == .complex128 ? .double : type
    guard let kernel = swk_order_keys_get(level, part.swk) else { throw Binary.unsupported("an order", type) }
    self.kernel = kernel
    size = part.bits / 8
    above = swk_above_get(level)
  }

  /// The keys of `count` elements, the first of them number `first` of `x`, the others each `step` further.
  /// - Parameter reversed: makes the greatest the least.
  public func fill(
    _ x: UnsafeRawPointer, from first: Int, step: Int, _ count: Int, reversed: Bool = false,
    to keys: UnsafeMutablePointer<Int64>
  ) {
    kernel(x + first &* size, step, count, reversed ? -1 : 0, keys)
  }

  /// The position of the first key in `range` that is greater than `least`, the range's end if none is.
  public func first(above least: Int64, _ keys: UnsafePointer<Int64>, _ range: Range<Int>) -> Int {
    range.lowerBound &+ above(keys + range.lowerBound, range.count, least)
  }
}
