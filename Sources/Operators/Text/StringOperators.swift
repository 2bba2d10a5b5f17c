import Kernels
import Tensors

/// StringConcat, StringSplit, StringNormalizer, RegexFullMatch. Strings are compared byte by byte.
enum StringOperators {
  static let definitions = [concat, split, normalizer, fullMatch]

  private static let concat = OperatorDefinition(
    "StringConcat", since: [20], inputs: [.required("X", "T"), .required("Y", "T")], outputs: [.required("Z", "T")],
    types: ["T": .string], exactness: .exact,
    infer: { c in c.set(0, .string, try ShapeRule.broadcast([c.shape(0), c.shape(1)])) },
    kernel: { _ in
      { r in
        let inputs = try [r.input(0), r.input(1)]
        let shape = try Broadcast.shape(inputs.map(\.shape))
        let wide = try inputs.map { x in
          try Movement.moved(r, [x], shape) { from, to, size in
            try StridedCopy.broadcast(from[0], x.shape, to: to, shape, elementSize: size)
          }
        }
        try r.setOutput(0, Tensor(strings: zip(wide[0].strings, wide[1].strings).map { $0 + $1 }, shape))
      }
    })

  // MARK: Split

  private static let split = OperatorDefinition(
    "StringSplit", since: [20], inputs: [.required("X", "T1")], outputs: [.required("Y", "T1"), .required("Z", "T2")],
    types: ["T1": .string, "T2": .int64], attributes: [.string("delimiter"), .int("maxsplit")], exactness: .exact,
    infer: { c in
      c.set(0, .string, c.shape(0).map { $0 + [.unknown] })
      c.set(1, .int64, c.shape(0))
    },
    kernel: { c in
      let delimiter = try c.optionalString("delimiter").flatMap { $0.isEmpty ? nil : Array($0.utf8) }
      let limit = try c.optionalInt("maxsplit").flatMap { $0 < 0 ? nil : $0 } ?? .max
      return { r in
        let x = try r.input(0)
        let parts = x.strings.map { s in delimiter.map { Self.parts(s, by: $0, limit) } ?? words(s, limit) }
        let width = parts.map(\.count).max() ?? 0
        guard try Checked.multiply(parts.count, width) < 1 << 28 else {
          throw SwiftletError(.limit, "\(parts.count) strings of up to \(width) parts")
        }
        let padded = parts.flatMap { $0 + Array(repeating: "", count: width - $0.count) }
        try r.setOutput(0, Tensor(strings: padded, x.shape + [width]))
        if r.hasOutput(1) { try r.setOutput(1, Tensor(parts.map { Int64($0.count) }, x.shape)) }
      }
    })

  private static func parts(_ s: String, by delimiter: [UInt8], _ limit: Int) -> [String] {
    let bytes = Array(s.utf8)
    var result: [String] = []
    var start = 0
    var i = 0
    while i + delimiter.count <= bytes.count, result.count < limit {
      if bytes[i..<i + delimiter.count].elementsEqual(delimiter) {
        result.append(String(decoding: bytes[start..<i], as: UTF8.self))
        i += delimiter.count
        start = i
      } else {
        i += 1
      }
    }
    return result + [String(decoding: bytes[start...], as: UTF8.self)]
  }

  /// Between runs of whitespace; what is left after `limit` splits stays whole.
  private static func words(_ s: String, _ limit: Int) -> [String] {
    func isSpace(_ u: Unicode.Scalar) -> Bool { u.properties.isWhitespace || (0x1c...0x1f).contains(u.value) }
    var rest = s.unicodeScalars[...]
    var result: [String] = []
    while true {
      rest = rest.drop(while: isSpace)
      if rest.isEmpty { return result }
      if result.count == limit { return result + [String(rest)] }
      let word = rest.prefix { !isSpace($0) }
      result.append(String(word))
      rest = rest[word.endIndex...]
    }
  }

  // MARK: Normalizer

  /// Case mappings are Unicode's, the same in every locale.
  private static let normalizer = OperatorDefinition(
    "StringNormalizer", since: [10], inputs: [.required("X", "T")], outputs: [.required("Y", "T")],
    types: ["T": .string],
    attributes: [
      .string("case_change_action", "NONE"), .int("is_case_sensitive", 0), .string("locale"), .strings("stopwords"),
    ], exactness: .exact,
    infer: { c in
      guard let x = c.shape(0) else { return c.set(0, .string, nil) }
      guard x.count == 1 || (x.count == 2 && x[0].value ?? 1 == 1) else {
        throw SwiftletError(.shape, "[C] or [1, C] is due, not \(x)")
      }
      c.set(0, .string, x.count == 1 ? [.unknown] : [.known(1), .unknown])
    },
    kernel: { c in
      let action = try c.string("case_change_action")
      guard ["NONE", "LOWER", "UPPER"].contains(action) else {
        throw SwiftletError(.invalidModel, "case_change_action '\(action)'")
      }
      let sensitive = try c.bool("is_case_sensitive")
      @Sendable func key(_ s: String) -> [UInt8] { Array((sensitive ? s : s.lowercased()).utf8) }
      let stopwords = Set((try c.optionalStrings("stopwords") ?? []).map(key))
      return { r in
        let x = try r.input(0)
        guard x.rank == 1 || (x.rank == 2 && x.shape[0] == 1) else {
          throw SwiftletError(.shape, "[C] or [1, C] is due, not \(x.shape)")
        }
        var kept = stopwords.isEmpty ? x.strings : x.strings.filter { !stopwords.contains(key($0)) }
        switch action {
        case "LOWER": kept = kept.map { $0.lowercased() }
        case "UPPER": kept = kept.map { $0.uppercased() }
        default: break
        }
        if kept.isEmpty { kept = [""] }
        try r.setOutput(0, Tensor(strings: kept, x.rank == 1 ? [kept.count] : [1, kept.count]))
      }
    })

  private static let fullMatch = OperatorDefinition(
    "RegexFullMatch", since: [20], inputs: [.required("X", "T1")], outputs: [.required("Y", "T2")],
    types: ["T1": .string, "T2": .bool], attributes: [.required(.string, "pattern")], exactness: .exact,
    infer: { c in c.set(0, .bool, c.shape(0)) },
    kernel: { c in
      let expression = try RegularExpression(c.string("pattern"))
      return { r in
        let x = try r.input(0)
        let y = try r.output(0)
        for (i, s) in x.strings.enumerated() { y.pointer(UInt8.self)[i] = expression.matchesWhole(s) ? 1 : 0 }
      }
    })
}
