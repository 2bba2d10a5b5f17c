import Tensors

/// Regular expressions in RE2's syntax, for matching whole strings. The pattern becomes a program for a machine that
/// follows all alternatives at once, so that time grows with pattern times text and never more.
struct RegularExpression: Sendable {
  enum Instruction: Sendable {
    case character(CharacterSet)
    case jump(Int)
    case split(Int, Int)
    case assertion(Assertion)
    case match
  }
  enum Assertion: Sendable { case textStart, textEnd, lineStart, lineEnd, wordBoundary, noWordBoundary }

  /// Programs that would be longer are refused.
  static let instructionLimit = 100_000

  private let program: [Instruction]

  init(_ pattern: String) throws {
    var parser = RegularExpressionParser(pattern)
    let tree = try parser.parse()
    var program: [Instruction] = []
    try Self.emit(tree, &program)
    program.append(.match)
    self.program = program
  }

  private static func emit(_ e: RegularExpressionNode, _ p: inout [Instruction]) throws {
    guard p.count < instructionLimit else { throw SwiftletError(.limit, "the regular expression is too large") }
    switch e {
    case .empty: break
    case .character(let set): p.append(.character(set))
    case .assertion(let a): p.append(.assertion(a))
    case .sequence(let list): for e in list { try emit(e, &p) }
    case .alternatives(let list):
      var ends: [Int] = []
      for (i, e) in list.enumerated() {
        if i == list.count - 1 {
          try emit(e, &p)
        } else {
          let at = p.count
          p.append(.match)
          try emit(e, &p)
          ends.append(p.count)
          p.append(.match)
          p[at] = .split(at + 1, p.count)
        }
      }
      for at in ends { p[at] = .jump(p.count) }
    case .repeated(let e, let minimum, let maximum):
      for _ in 0..<minimum {
        let before = p.count
        try emit(e, &p)
        if p.count == before { break }  // what is empty once is empty any number of times
      }
      if let maximum {
        var exits: [Int] = []
        for _ in minimum..<max(minimum, maximum) {
          exits.append(p.count)
          p.append(.match)
          try emit(e, &p)
        }
        for at in exits { p[at] = .split(at + 1, p.count) }
      } else {
        let at = p.count
        p.append(.match)
        try emit(e, &p)
        p.append(.jump(at))
        p[at] = .split(at + 1, p.count)
      }
    }
  }

  func matchesWhole(_ text: String) -> Bool {
    var current = States(program.count)
    var next = States(program.count)
    var stack: [Int] = []
    var previous: Unicode.Scalar?
    var iterator = text.unicodeScalars.makeIterator()
    var now = iterator.next()
    follow(0, &current, &stack, previous, now)
    while let c = now {
      if current.list.isEmpty { return false }
      let after = iterator.next()
      next.clear()
      for pc in current.list {
        if case .character(let set) = program[pc], set.contains(c) { follow(pc + 1, &next, &stack, c, after) }
      }
      swap(&current, &next)
      previous = c
      now = after
    }
    return current.list.contains { if case .match = program[$0] { true } else { false } }
  }

  /// The end of the longest match that begins at `start`.
  func longestMatch(in text: ArraySlice<Unicode.Scalar>, from start: Int) -> Int? {
    var current = States(program.count), next = States(program.count), stack: [Int] = [], end: Int?
    func scalar(_ i: Int) -> Unicode.Scalar? { text.indices.contains(i) ? text[i] : nil }
    follow(0, &current, &stack, scalar(start - 1), scalar(start))
    var at = start
    while !current.list.isEmpty {
      if current.list.contains(where: { if case .match = program[$0] { true } else { false } }) { end = at }
      guard let c = scalar(at) else { break }
      next.clear()
      for pc in current.list {
        if case .character(let set) = program[pc], set.contains(c) { follow(pc + 1, &next, &stack, c, scalar(at + 1)) }
      }
      swap(&current, &next)
      at += 1
    }
    return end
  }

  /// Instructions that are to be looked at, each once.
  private struct States {
    private(set) var list: [Int] = []
    private var isIn: [Bool]
    init(_ count: Int) { isIn = Array(repeating: false, count: count) }
    mutating func insert(_ pc: Int) -> Bool {
      if isIn[pc] { return false }
      isIn[pc] = true
      list.append(pc)
      return true
    }
    mutating func clear() {
      for pc in list { isIn[pc] = false }
      list.removeAll(keepingCapacity: true)
    }
  }

  private func follow(
    _ start: Int, _ states: inout States, _ stack: inout [Int], _ before: Unicode.Scalar?, _ after: Unicode.Scalar?
  ) {
    stack.append(start)
    while let pc = stack.popLast() {
      guard states.insert(pc) else { continue }
      switch program[pc] {
      case .jump(let to): stack.append(to)
      case .split(let a, let b):
        stack.append(b)
        stack.append(a)
      case .assertion(let a): if Self.holds(a, before, after) { stack.append(pc + 1) }
      case .character, .match: break
      }
    }
  }

  private static func holds(_ a: Assertion, _ before: Unicode.Scalar?, _ after: Unicode.Scalar?) -> Bool {
    func isWord(_ c: Unicode.Scalar?) -> Bool { c.map { CharacterSet.word.contains($0) } ?? false }
    switch a {
    case .textStart: return before == nil
    case .textEnd: return after == nil
    case .lineStart: return before == nil || before == "\n"
    case .lineEnd: return after == nil || after == "\n"
    case .wordBoundary: return isWord(before) != isWord(after)
    case .noWordBoundary: return isWord(before) == isWord(after)
    }
  }
}

/// A set of Unicode scalars.
struct CharacterSet: Sendable {
  var ranges: [ClosedRange<UInt32>] = []
  /// Sets that belong to it as well.
  var others: [CharacterSet] = []
  /// General categories by the beginnings of their names: "L", "Lu"...
  var categories: [String] = []
  var isNegated = false
  var ignoresCase = false

  init(_ ranges: ClosedRange<UInt32>...) { self.ranges = ranges }
  init(_ c: Unicode.Scalar, ignoresCase: Bool) {
    ranges = [c.value...c.value]
    self.ignoresCase = ignoresCase
  }

  static let digit = CharacterSet(0x30...0x39)
  static let word = CharacterSet(0x30...0x39, 0x41...0x5a, 0x5f...0x5f, 0x61...0x7a)
  static let space = CharacterSet(0x09...0x0a, 0x0c...0x0d, 0x20...0x20)
  static let any = CharacterSet(0...0x10ffff)
  var negated: CharacterSet {
    var s = self
    s.isNegated.toggle()
    return s
  }

  func contains(_ c: Unicode.Scalar) -> Bool {
    var found = holds(c)
    if !found, ignoresCase {
      for mapped in [c.properties.lowercaseMapping, c.properties.uppercaseMapping] where !found {
        if let m = mapped.unicodeScalars.first, mapped.unicodeScalars.count == 1 { found = holds(m) }
      }
    }
    return found != isNegated
  }
  private func holds(_ c: Unicode.Scalar) -> Bool {
    if ranges.contains(where: { $0.contains(c.value) }) { return true }
    if others.contains(where: { $0.contains(c) }) { return true }
    guard !categories.isEmpty else { return false }
    let category = c.properties.generalCategory.abbreviation
    return categories.contains { category.hasPrefix($0) }
  }
}

extension Unicode.GeneralCategory {
  /// As in `\p{Lu}`.
  var abbreviation: String {
    switch self {
    case .uppercaseLetter: "Lu"
    case .lowercaseLetter: "Ll"
    case .titlecaseLetter: "Lt"
    case .modifierLetter: "Lm"
    case .otherLetter: "Lo"
    case .nonspacingMark: "Mn"
    case .spacingMark: "Mc"
    case .enclosingMark: "Me"
    case .decimalNumber: "Nd"
    case .letterNumber: "Nl"
    case .otherNumber: "No"
    case .connectorPunctuation: "Pc"
    case .dashPunctuation: "Pd"
    case .openPunctuation: "Ps"
    case .closePunctuation: "Pe"
    case .initialPunctuation: "Pi"
    case .finalPunctuation: "Pf"
    case .otherPunctuation: "Po"
    case .mathSymbol: "Sm"
    case .currencySymbol: "Sc"
    case .modifierSymbol: "Sk"
    case .otherSymbol: "So"
    case .spaceSeparator: "Zs"
    case .lineSeparator: "Zl"
    case .paragraphSeparator: "Zp"
    case .control: "Cc"
    case .format: "Cf"
    case .surrogate: "Cs"
    case .privateUse: "Co"
    case .unassigned: "Cn"
    @unknown default: "Cn"
    }
  }
}
