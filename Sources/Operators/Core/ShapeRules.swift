import Tensors

/// Shape rules that many operators share.
public enum ShapeRule {
  /// Multidirectional (NumPy) broadcasting of two shapes.
  public static func broadcast(_ a: [Int], _ b: [Int]) throws -> [Int] {
    let rank = max(a.count, b.count)
    var r = [Int](repeating: 1, count: rank)
    for i in 0..<rank {
      let x = i < rank - a.count ? 1 : a[i - (rank - a.count)]
      let y = i < rank - b.count ? 1 : b[i - (rank - b.count)]
      guard x == y || x == 1 || y == 1 else { throw SwiftletError(.shape, "shapes \(a) and \(b) don't broadcast") }
      r[i] = x == 1 ? y : x
    }
    return r
  }
  public static func broadcast(_ a: SymbolicShape, _ b: SymbolicShape) throws -> SymbolicShape {
    let rank = max(a.count, b.count)
    return try (0..<rank).map { i in
      let x = i < rank - a.count ? Dimension.known(1) : a[i - (rank - a.count)]
      let y = i < rank - b.count ? Dimension.known(1) : b[i - (rank - b.count)]
      switch (x, y) {
      case (.known(1), let d), (let d, .known(1)): return d
      case (.known(let p), .known(let q)):
        guard p == q else { throw SwiftletError(.shape, "shapes \(a) and \(b) don't broadcast") }
        return x
      // One known, larger than 1: the other must be the same or 1, so the result is known.
      case (.known(let p), _): return p > 1 ? x : .unknown
      case (_, .known(let q)): return q > 1 ? y : .unknown
      default: return x == y ? x : .unknown
      }
    }
  }
  /// nil when one of the shapes isn't known.
  public static func broadcast(_ shapes: [SymbolicShape?]) throws -> SymbolicShape? {
    var r: SymbolicShape = []
    for s in shapes {
      guard let s else { return nil }
      r = try broadcast(r, s)
    }
    return r
  }
  /// Axes in [0, rank), ascending, without duplicates.
  public static func axes(_ axes: [Int], rank: Int) throws -> [Int] {
    let r = try axes.map { try Checked.axis($0, rank: rank) }.sorted()
    for i in r.indices.dropFirst() where r[i] == r[i - 1] {
      throw SwiftletError(.invalidModel, "axis \(r[i]) is named twice in \(axes)")
    }
    return r
  }
  /// The target of Reshape: 0 copies the input's dimension (unless `allowZero`), one -1 takes what is left.
  public static func reshape(_ input: SymbolicShape?, target: [Dimension], allowZero: Bool) throws -> SymbolicShape {
    var result: SymbolicShape = []
    var open: Int?
    for (i, d) in target.enumerated() {
      switch d {
      case .known(-1):
        guard open == nil else { throw SwiftletError(.runtime, "Reshape: more than one -1 in \(target)") }
        open = i
        result.append(.unknown)
      case .known(0) where !allowZero:
        guard let input else {
          result.append(.unknown)
          continue
        }
        guard i < input.count else { throw SwiftletError(.runtime, "Reshape: 0 at \(i) beyond the input's rank \(input.count)") }
        result.append(input[i])
      case .known(let n):
        guard n >= 0 else { throw SwiftletError(.runtime, "Reshape: dimension \(n)") }
        result.append(d)
      default: result.append(d)
      }
    }
    guard let input else { return result }
    guard let open else {
      if let from = input.known, let to = result.known, try Checked.count(from) != Checked.count(to) {
        throw SwiftletError(.shape, "Reshape: \(from) doesn't have the elements of \(to)")
      }
      return result
    }
    // Equal symbols on both sides cancel out, so that a dynamic batch passes through.
    var left = input
    var right = result
    right.remove(at: open)
    for d in right where !d.isKnown {
      if let i = left.firstIndex(of: d), d != .unknown {
        left.remove(at: i)
        if let j = right.firstIndex(of: d) { right.remove(at: j) }
      }
    }
    if right == [] || right.allSatisfy({ $0 == .known(1) }), left.filter({ $0 != .known(1) }).count == 1 {
      result[open] = left.first { $0 != .known(1) } ?? .known(1)
      return result
    }
    guard let total = left.known, let given = right.known else { return result }
    let n = try Checked.count(total)
    let m = try Checked.count(given)
    if m == 0 {
      guard n == 0 else { throw SwiftletError(.shape, "Reshape: \(total) doesn't have the elements of \(target)") }
      if allowZero { throw SwiftletError(.runtime, "Reshape: -1 beside a zero dimension") }
      result[open] = .known(0)
      return result
    }
    guard n % m == 0 else { throw SwiftletError(.shape, "Reshape: \(n) elements can't have the shape \(target)") }
    result[open] = .known(n / m)
    return result
  }
  /// Both shapes said of the same value, put together; nil where they disagree.
  public static func merge(_ a: SymbolicShape?, _ b: SymbolicShape?) -> SymbolicShape? {
    guard let a else { return b }
    guard let b else { return a }
    guard a.count == b.count else { return nil }
    var r: SymbolicShape = []
    for (x, y) in zip(a, b) {
      guard let m = x.merged(y) else { return nil }
      r.append(m)
    }
    return r
  }
}
