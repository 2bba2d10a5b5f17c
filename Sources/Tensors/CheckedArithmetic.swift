/// Arithmetic on numbers that come from a model or a caller: overflow is an error, never a trap or a wrap.
public enum Checked {
  @inlinable public static func add(_ a: Int, _ b: Int, _ what: @autoclosure () -> String = "size") throws -> Int {
    let (r, o) = a.addingReportingOverflow(b)
    if o { throw SwiftletError(.runtime, "\(what()) overflows: \(a) + \(b)") }
    return r
  }
  @inlinable public static func subtract(_ a: Int, _ b: Int, _ what: @autoclosure () -> String = "size") throws -> Int {
    let (r, o) = a.subtractingReportingOverflow(b)
    if o { throw SwiftletError(.runtime, "\(what()) overflows: \(a) - \(b)") }
    return r
  }
  @inlinable public static func multiply(_ a: Int, _ b: Int, _ what: @autoclosure () -> String = "size") throws -> Int {
    let (r, o) = a.multipliedReportingOverflow(by: b)
    if o { throw SwiftletError(.runtime, "\(what()) overflows: \(a) * \(b)") }
    return r
  }
  /// What the other dimensions of a tensor without elements may come to: loops over them end, sums of them don't overflow.
  public static let emptyLimit = 1 << 32
  /// Elements of a shape; negative dimensions and products that overflow are errors. A zero-sized dimension gives 0
  /// only if the other dimensions' product is at most `emptyLimit`.
  public static func count(_ shape: [Int]) throws -> Int {
    var n = 1
    var zero = false
    for d in shape {
      if d < 0 { throw SwiftletError(.shape, "negative dimension \(d) in shape \(shape)") }
      if d == 0 { zero = true } else { n = try multiply(n, d, "the number of elements of \(shape)") }
    }
    guard zero else { return n }
    if n > emptyLimit { throw SwiftletError(.limit, "\(shape) has no elements, but sizes beyond all measure") }
    return 0
  }
  /// `axis` in [-rank, rank) as a number in [0, rank).
  public static func axis(_ axis: Int, rank: Int, _ what: String = "axis") throws -> Int {
    guard axis >= -rank, axis < rank else {
      throw SwiftletError(.runtime, "\(what) \(axis) is out of range for rank \(rank)")
    }
    return axis < 0 ? axis + rank : axis
  }
  /// An Int from a floating-point number; NaN, infinities and values out of range are errors.
  public static func int(_ x: Double, _ what: @autoclosure () -> String = "value") throws -> Int {
    guard let r = Int(exactly: x.rounded(.towardZero)) else {
      throw SwiftletError(.runtime, "\(what()) \(x) is not a representable integer")
    }
    return r
  }
}
