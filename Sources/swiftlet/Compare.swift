import Swiftlet

/// How far an output may be from its reference: |a - b| <= absolute + relative * |reference|.
struct Tolerance: Codable {
  var relative = 1e-3
  var absolute = 1e-7
  /// Results of random operators: type, shape and distribution are compared, not values.
  var isRandom = false
}

/// Why an output is not as it should be.
struct Mismatch: Error {
  let reason: String
  /// Whether only values differ, not structure, type or shape.
  var isOfValues = false
}

/// Compares outputs with references by the rules of the ONNX backend suite: same structure, types and shapes; NaN equals
/// NaN; strings exactly; bfloat16 with a relative tolerance of at least 2^-6.
enum Comparison {
  /// - Returns: the largest absolute difference.
  @discardableResult
  static func check(_ got: Value, against reference: Value, _ tolerance: Tolerance, _ what: String) throws -> Double {
    switch (reference, got) {
    case (.tensor(let a), .tensor(let b)): return try check(b, against: a, tolerance, what)
    case (.sequence(let a, _), .sequence(let b, _)):
      guard a.count == b.count else { throw Mismatch(reason: "\(what): \(b.count) elements instead of \(a.count)") }
      return try a.indices.map { try check(b[$0], against: a[$0], tolerance, "\(what)[\($0)]") }.max() ?? 0
    case (.optional(nil, _), .optional(nil, _)): return 0
    case (.optional(let a?, _), .optional(let b?, _)): return try check(b, against: a, tolerance, what)
    // An optional that holds a value is as good as the value.
    case (.optional(let a?, _), _): return try check(got, against: a, tolerance, what)
    case (_, .optional(let b?, _)): return try check(b, against: reference, tolerance, what)
    case (.map(let a), .map(let b)):
      try check(b.keys, against: a.keys, Tolerance(relative: 0, absolute: 0), what + " (keys)")
      return try check(b.values, against: a.values, tolerance, what + " (values)")
    default: throw Mismatch(reason: "\(what): \(got.type) instead of \(reference.type)")
    }
  }

  @discardableResult
  private static func check(
    _ got: Tensor, against reference: Tensor, _ tolerance: Tolerance, _ what: String
  ) throws -> Double {
    guard got.type == reference.type, got.shape == reference.shape else {
      throw Mismatch(reason: "\(what): \(Value.tensor(got).type) instead of \(Value.tensor(reference).type)")
    }
    if got.type == .string {
      if let i = got.strings.indices.first(where: { got.strings[$0] != reference.strings[$0] }) {
        throw Mismatch(
          reason: "\(what): \"\(got.strings[i])\" instead of \"\(reference.strings[i])\" at \(position(i, got))", isOfValues: true)
      }
      return 0
    }
    let a = try reference.numbers()
    let b = try got.numbers()
    if tolerance.isRandom {
      try checkDistribution(b, a, what)
      return 0
    }
    let relative = got.type == .bfloat16 ? max(tolerance.relative, 1.0 / 64) : tolerance.relative
    var wrong = 0
    var first = -1
    var largest = 0.0
    for i in a.indices {
      if a[i] == b[i] || a[i].isNaN && b[i].isNaN { continue }
      let d = abs(a[i] - b[i])
      if !(d <= largest) { largest = d }
      guard !a[i].isFinite || !(d <= tolerance.absolute + relative * abs(a[i])) else { continue }
      if first < 0 { first = i }
      wrong += 1
    }
    guard wrong > 0 else { return largest }
    let at = got.type.isComplex ? first / 2 : first
    throw Mismatch(
      reason: "\(what): \(wrong) of \(a.count) values differ, max error \(largest.short(3)); "
        + "\(b[first].short(8)) instead of \(a[first].short(8)) at \(position(at, got))",
      isOfValues: true)
  }

  private static func position(_ linear: Int, _ t: Tensor) -> String {
    var rest = linear
    var index: [Int] = []
    for d in t.shape.reversed() where d > 0 {
      index.insert(rest % d, at: 0)
      rest /= d
    }
    return "[" + index.map(String.init).joined(separator: ",") + "]"
  }

  /// Whether random values may come from the reference's distribution. Values that are switched off (zero) at random:
  /// as many of them as chance allows, and the others agree. Other values: mean and spread as chance allows.
  private static func checkDistribution(_ got: [Double], _ reference: [Double], _ what: String) throws {
    guard !got.isEmpty else { return }
    let n = Double(got.count)
    if let bad = got.first(where: { !$0.isFinite }) { throw Mismatch(reason: "\(what): \(bad) as a random value") }
    if reference.contains(0) {
      let zeros = Double(got.count { $0 == 0 })
      let due = Double(reference.count { $0 == 0 })
      let share = (zeros + due) / (2 * n)
      guard abs(zeros - due) <= 5 * (2 * n * share * (1 - share)).squareRoot() else {
        throw Mismatch(reason: "\(what): \(Int(zeros)) zeros of \(got.count) values, where \(Int(due)) were expected or about so")
      }
      for (g, r) in zip(got, reference) where g != 0 && r != 0 && abs(g - r) > 1e-3 * abs(r) {
        throw Mismatch(reason: "\(what): \(g.short()) instead of \(r.short()) or 0")
      }
      return
    }
    func moments(_ x: [Double]) -> (mean: Double, deviation: Double) {
      let mean = x.reduce(0, +) / n
      return (mean, (x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n).squareRoot())
    }
    let a = moments(reference)
    let b = moments(got)
    let spread = max(a.deviation, b.deviation)
    guard abs(a.mean - b.mean) <= 5 * spread * (2 / n).squareRoot() + 1e-6 else {
      throw Mismatch(reason: "\(what): mean \(b.mean.short()) where \(a.mean.short()) was expected or about so")
    }
    guard abs(a.deviation - b.deviation) <= 5 * spread / n.squareRoot() + 1e-6 else {
      throw Mismatch(reason: "\(what): deviation \(b.deviation.short()) where \(a.deviation.short()) was expected or about so")
    }
  }
}
