import Tensors

/// What a regular expression says.
indirect enum RegularExpressionNode: Sendable {
  case empty
  case character(CharacterSet)
  case assertion(RegularExpression.Assertion)
  case sequence([RegularExpressionNode])
  case alternatives([RegularExpressionNode])
  /// nil: without end.
  case repeated(RegularExpressionNode, minimum: Int, maximum: Int?)
}

/// Reads RE2's syntax (https://github.com/google/re2/wiki/Syntax); scripts (`\p{Greek}`) and `\C` are refused.
struct RegularExpressionParser {
  private struct Flags {
    var ignoresCase = false
    var isMultiline = false
    var dotMatchesNewline = false
  }
  private let pattern: String
  private let text: [Unicode.Scalar]
  private var at = 0
  private var flags = Flags()
  private var depth = 0

  init(_ pattern: String) {
    self.pattern = pattern
    text = Array(pattern.unicodeScalars)
  }

  mutating func parse() throws -> RegularExpressionNode {
    let e = try alternatives()
    guard at == text.count else { throw bad("unexpected ')'") }
    return e
  }

  private func bad(_ what: String) -> SwiftletError {
    SwiftletError(.invalidModel, "the regular expression '\(pattern)' at character \(at): \(what)")
  }
  private var next: Unicode.Scalar? { at < text.count ? text[at] : nil }
  private mutating func take() throws -> Unicode.Scalar {
    guard let c = next else { throw bad("unexpected end") }
    at += 1
    return c
  }
  private mutating func skip(_ s: String) -> Bool {
    let wanted = Array(s.unicodeScalars)
    guard at + wanted.count <= text.count, text[at..<at + wanted.count].elementsEqual(wanted) else { return false }
    at += wanted.count
    return true
  }
  /// Up to and over `end`.
  private mutating func until(_ end: Unicode.Scalar) throws -> String {
    guard let close = text[at...].firstIndex(of: end) else { throw bad("'\(end)' is missing") }
    defer { at = close + 1 }
    return String(String.UnicodeScalarView(text[at..<close]))
  }

  private mutating func alternatives() throws -> RegularExpressionNode {
    depth += 1
    defer { depth -= 1 }
    guard depth < 200 else { throw bad("groups are nested too deeply") }
    var list = [try sequence()]
    while skip("|") { list.append(try sequence()) }
    return list.count == 1 ? list[0] : .alternatives(list)
  }

  private mutating func sequence() throws -> RegularExpressionNode {
    var list: [RegularExpressionNode] = []
    while let c = next, c != "|", c != ")" {
      if skip("\\Q") {
        while at < text.count, !skip("\\E") { list.append(.character(literal(try take()))) }
        continue
      }
      guard let e = try atom() else { continue }
      list.append(try repeated(e))
    }
    return list.isEmpty ? .empty : .sequence(list)
  }

  private mutating func repeated(_ e: RegularExpressionNode) throws -> RegularExpressionNode {
    var e = e
    var count = 0
    while let bounds = try bounds() {
      count += 1
      // Two in a row are an error, as in RE2; one more layer than that can't arise.
      guard count == 1 else { throw bad("nothing to repeat") }
      e = .repeated(e, minimum: bounds.minimum, maximum: bounds.maximum)
      _ = skip("?")
    }
    return e
  }
  private mutating func bounds() throws -> (minimum: Int, maximum: Int?)? {
    if skip("*") { return (0, nil) }
    if skip("+") { return (1, nil) }
    if skip("?") { return (0, 1) }
    guard next == "{" else { return nil }
    let start = at
    at += 1
    guard let minimum = number() else {
      at = start
      return nil
    }
    var maximum: Int? = minimum
    if skip(",") { maximum = next == "}" ? nil : number() ?? -1 }
    guard skip("}"), maximum != -1 else {
      at = start
      return nil
    }
    guard minimum <= 1000, maximum ?? 0 <= 1000, maximum.map({ $0 >= minimum }) ?? true else {
      throw bad("a bad count of repetitions")
    }
    return (minimum, maximum)
  }
  private mutating func number() -> Int? {
    var n: Int?
    while let c = next, let d = c.properties.numericType == .decimal ? Int(String(c)) : nil, n ?? 0 < 100_000 {
      n = (n ?? 0) * 10 + d
      at += 1
    }
    return n
  }

  private func literal(_ c: Unicode.Scalar) -> CharacterSet { CharacterSet(c, ignoresCase: flags.ignoresCase) }

  /// nil: flags, which are no expression.
  private mutating func atom() throws -> RegularExpressionNode? {
    // A brace that is no repetition stands for itself.
    let c = try take()
    switch c {
    case "(": return try group()
    case "[": return .character(try characterClass())
    case ".":
      return .character(flags.dotMatchesNewline ? .any : CharacterSet(0...0x09, 0x0b...0x10ffff))
    case "^": return .assertion(flags.isMultiline ? .lineStart : .textStart)
    case "$": return .assertion(flags.isMultiline ? .lineEnd : .textEnd)
    case "*", "+", "?": throw bad("nothing to repeat")
    case "\\":
      switch next {
      case "A": at += 1; return .assertion(.textStart)
      case "z": at += 1; return .assertion(.textEnd)
      case "b": at += 1; return .assertion(.wordBoundary)
      case "B": at += 1; return .assertion(.noWordBoundary)
      default: return .character(try escape())
      }
    default: return .character(literal(c))
    }
  }

  private mutating func group() throws -> RegularExpressionNode? {
    let outer = flags
    if skip("?") {
      if skip("P<") || skip("<") {
        guard next != "=", next != "!" else { throw bad("lookbehind is not part of RE2's syntax") }
        let name = try until(">")
        guard !name.isEmpty else { throw bad("a group without a name") }
      } else {
        var isOn = true
        loop: while true {
          switch try take() {
          case "i": flags.ignoresCase = isOn
          case "m": flags.isMultiline = isOn
          case "s": flags.dotMatchesNewline = isOn
          case "U": break
          case "-" where isOn: isOn = false
          case ":": break loop
          case ")": return nil
          default: throw bad("an unknown kind of group")
          }
        }
      }
    }
    let e = try alternatives()
    guard skip(")") else { throw bad("')' is missing") }
    flags = outer
    return e
  }

  /// After the backslash.
  private mutating func escape() throws -> CharacterSet {
    let c = try take()
    switch c {
    case "d": return .digit
    case "D": return CharacterSet.digit.negated
    case "w": return .word
    case "W": return CharacterSet.word.negated
    case "s": return .space
    case "S": return CharacterSet.space.negated
    case "p", "P":
      var name = try take() == "{" ? until("}") : String(text[at - 1])
      var set = CharacterSet()
      if name.hasPrefix("^") {
        name.removeFirst()
        set.isNegated = true
      }
      let known = ["Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf",
        "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co"]
      if name == "Any" {
        set.ranges = CharacterSet.any.ranges
      } else {
        guard known.contains(where: { $0 == name || $0.hasPrefix(name) && name.count == 1 }) else {
          throw SwiftletError(.unsupported, "the character class \\p{\(name)}")
        }
        set.categories = [name]
      }
      return c == "P" ? set.negated : set
    default: return literal(try escapedScalar(c))
    }
  }

  /// One character, for classes too.
  private mutating func escapedScalar(_ c: Unicode.Scalar) throws -> Unicode.Scalar {
    func scalar(_ digits: String, _ radix: Int) throws -> Unicode.Scalar {
      guard let v = UInt32(digits, radix: radix), let u = Unicode.Scalar(v) else { throw bad("a bad character code") }
      return u
    }
    switch c {
    case "a": return "\u{07}"
    case "f": return "\u{0c}"
    case "t": return "\t"
    case "n": return "\n"
    case "r": return "\r"
    case "v": return "\u{0b}"
    case "x":
      if skip("{") { return try scalar(until("}"), 16) }
      return try scalar(String(try take()) + String(try take()), 16)
    case "0"..."7":
      var digits = String(c)
      while digits.count < 3, let d = next, ("0"..."7").contains(d) {
        digits.unicodeScalars.append(d)
        at += 1
      }
      // A lone digit would be a backreference, which RE2 doesn't have.
      guard digits.count > 1 || c == "0" else { throw bad("backreferences are not part of RE2's syntax") }
      return try scalar(digits, 8)
    default:
      guard c.value < 0x80, !CharacterSet.word.contains(c) || c == "_" else { throw bad("an unknown escape") }
      return c
    }
  }

  private static let posix: [String: CharacterSet] = [
    "alnum": CharacterSet(0x30...0x39, 0x41...0x5a, 0x61...0x7a), "alpha": CharacterSet(0x41...0x5a, 0x61...0x7a),
    "ascii": CharacterSet(0...0x7f), "blank": CharacterSet(0x09...0x09, 0x20...0x20),
    "cntrl": CharacterSet(0...0x1f, 0x7f...0x7f), "digit": .digit, "graph": CharacterSet(0x21...0x7e),
    "lower": CharacterSet(0x61...0x7a), "print": CharacterSet(0x20...0x7e),
    "punct": CharacterSet(0x21...0x2f, 0x3a...0x40, 0x5b...0x60, 0x7b...0x7e), "space": CharacterSet(0x09...0x0d, 0x20...0x20),
    "upper": CharacterSet(0x41...0x5a), "word": .word, "xdigit": CharacterSet(0x30...0x39, 0x41...0x46, 0x61...0x66),
  ]

  /// After the opening bracket.
  private mutating func characterClass() throws -> CharacterSet {
    var set = CharacterSet()
    set.ignoresCase = flags.ignoresCase
    set.isNegated = skip("^")
    var isFirst = true
    while isFirst || next != "]" {
      isFirst = false
      if skip("[:") {
        let isNegated = skip("^")
        let name = try until(":")
        guard skip("]"), let found = Self.posix[name] else { throw bad("the character class '\(name)'") }
        set.others.append(isNegated ? found.negated : found)
        continue
      }
      let low = try take()
      if low == "\\", let e = next, "dDwWsSpP".unicodeScalars.contains(e) {
        set.others.append(try escape())
        continue
      }
      let from = low == "\\" ? try escapedScalar(take()) : low
      var to = from
      if next == "-", at + 1 < text.count, text[at + 1] != "]" {
        at += 1
        let high = try take()
        to = high == "\\" ? try escapedScalar(take()) : high
      }
      guard from.value <= to.value else { throw bad("a range that ends before it begins") }
      set.ranges.append(from.value...to.value)
    }
    at += 1
    return set
  }
}
