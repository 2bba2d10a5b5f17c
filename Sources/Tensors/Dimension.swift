/// A dimension as known before a run: a number, a name that the model gives, or nothing.
public enum Dimension: Hashable, Sendable, CustomStringConvertible {
  case known(Int)
  case symbol(String)
  case unknown

  public var value: Int? {
    if case .known(let n) = self { n } else { nil }
  }
  public var isKnown: Bool { value != nil }
  public var description: String {
    switch self {
    case .known(let n): String(n)
    case .symbol(let s): s
    case .unknown: "?"
    }
  }

  /// The product, where it can be told: numbers, or one factor being 1. Overflow gives unknown (the run will say more).
  public static func * (a: Dimension, b: Dimension) -> Dimension {
    switch (a, b) {
    case (.known(let x), .known(let y)):
      let (r, o) = x.multipliedReportingOverflow(by: y)
      return o ? .unknown : .known(r)
    case (.known(1), let d), (let d, .known(1)): return d
    case (.known(0), _), (_, .known(0)): return .known(0)
    default: return .unknown
    }
  }
  public static func + (a: Dimension, b: Dimension) -> Dimension {
    switch (a, b) {
    case (.known(let x), .known(let y)):
      let (r, o) = x.addingReportingOverflow(y)
      return o ? .unknown : .known(r)
    case (.known(0), let d), (let d, .known(0)): return d
    default: return .unknown
    }
  }
  /// Applies a function to a known dimension.
  public func map(_ f: (Int) throws -> Int) rethrows -> Dimension {
    if case .known(let n) = self { .known(try f(n)) } else { .unknown }
  }
  /// What two statements about the same dimension say together: a number wins over a name, a name over nothing.
  /// nil when two numbers disagree.
  public func merged(_ other: Dimension) -> Dimension? {
    switch (self, other) {
    case (.known(let a), .known(let b)): a == b ? self : nil
    case (.known, _): self
    case (_, .known): other
    case (.symbol, _): self
    default: other
    }
  }
}

public typealias SymbolicShape = [Dimension]

extension Array where Element == Dimension {
  public init(_ shape: [Int]) { self = shape.map { .known($0) } }
  /// All dimensions as numbers, or nil.
  public var known: [Int]? {
    var r: [Int] = []
    r.reserveCapacity(count)
    for d in self {
      guard case .known(let n) = d else { return nil }
      r.append(n)
    }
    return r
  }
  public var product: Dimension { reduce(.known(1), *) }
}
