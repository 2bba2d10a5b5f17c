import Kernels
import Tensors

/// Tokenizer (com.microsoft): strings cut at separators, into matches of an expression, or into characters; [C] or [N,
/// C] becomes [..., most tokens], filled up with `pad_value`.
enum Tokenizer {
  static let definitions = [
    OperatorDefinition(
      "Tokenizer", domain: "com.microsoft", since: [1], inputs: [.required("X", "T")], outputs: [.required("Y", "T")],
      types: ["T": .string],
      attributes: [
        .required(.int, "mark"), .required(.int, "mincharnum"), .required(.string, "pad_value"), .strings("separators"),
        .string("tokenexp"),
      ], exactness: .exact,
      infer: { c in
        if let x = c.shape(0) { try checkShape(x.count == 1 || x.count == 2, "X has the shape \(x)") }
        c.set(0, .string, c.shape(0).map { $0 + [.unknown] })
      },
      kernel: kernel)
  ]

  private enum Rule {
    case characters
    case separators([RegularExpression])
    case tokens(RegularExpression)
  }

  @Sendable private static func kernel(_ c: KernelContext) throws -> Kernel {
    let rule = try rule(c), least = try c.int("mincharnum"), marks = try c.bool("mark"), pad = try c.string("pad_value")
    try checkModel(least > 0, "mincharnum is \(least)")
    return { r in
      let x = try r.input(0)
      var rows: [[String]] = []
      for text in x.strings {
        let scalars = Array(text.unicodeScalars)
        let pieces = try cut(scalars, rule, r).filter { $0.count >= least }
        rows.append(pieces.map { String(String.UnicodeScalarView(scalars[$0])) })
      }
      let most = rows.map(\.count).max() ?? 0
      if most > 0, marks { rows = rows.map { ["\u{2}"] + $0 + ["\u{3}"] } }
      let width = most > 0 && marks ? most + 2 : most
      // What strings take isn't counted elsewhere: few long ones among many short ones make a large tensor of little.
      _ = try r.scratch(Checked.multiply(Checked.multiply(rows.count, width), MemoryLayout<String>.stride))
      guard rows.count * width < 1 << 28 else {
        throw SwiftletError(.limit, "\(rows.count) strings of up to \(width) tokens")
      }
      let all = rows.flatMap { $0 + Array(repeating: pad, count: width - $0.count) }
      try r.setOutput(0, Tensor(strings: all, x.count == 0 ? x.shape : x.shape + [width]))
    }
  }

  private static func rule(_ c: KernelContext) throws -> Rule {
    let separators = try c.optionalStrings("separators") ?? [], expression = try c.optionalString("tokenexp") ?? ""
    try checkModel(separators.isEmpty != expression.isEmpty, "either separators or tokenexp must be given")
    if expression == "." || separators == [""] { return .characters }
    if !expression.isEmpty { return .tokens(try RegularExpression(expression)) }
    try checkModel(!separators.contains(""), "an empty separator beside others")
    return .separators(try separators.map { try RegularExpression($0) })
  }

  private static func cut(_ text: [Unicode.Scalar], _ rule: Rule, _ r: RunContext) throws -> [Range<Int>] {
    switch rule {
    case .characters: return text.indices.map { $0..<$0 + 1 }
    case .tokens(let expression): return try matches(of: expression, in: text[...], r)
    case .separators(let expressions):
      var pieces = [0..<text.count]
      for expression in expressions {
        pieces = try pieces.flatMap { piece -> [Range<Int>] in
          var result: [Range<Int>] = [], start = piece.lowerBound
          for gap in try matches(of: expression, in: text[piece], r) {
            result.append(start..<gap.lowerBound)
            start = gap.upperBound
          }
          return (result + [start..<piece.upperBound]).filter { !$0.isEmpty }
        }
      }
      return pieces
    }
  }

  /// The longest matches that aren't empty, from the left, each behind the one before.
  private static func matches(
    of expression: RegularExpression, in text: ArraySlice<Unicode.Scalar>, _ r: RunContext
  ) throws -> [Range<Int>] {
    var result: [Range<Int>] = [], at = text.startIndex
    while at < text.endIndex {
      if let end = expression.longestMatch(in: text, from: at), end > at {
        result.append(at..<end)
        at = end
      } else {
        at += 1
      }
      if at % 64 == 0 { try r.checkCancelled() }
    }
    return result
  }
}
