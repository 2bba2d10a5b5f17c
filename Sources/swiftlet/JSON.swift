/// A JSON value to be written. Members of objects keep their order.
enum JSON {
  case null
  case bool(Bool)
  case int(Int)
  case number(Double)
  case string(String)
  case array([JSON])
  case object([(String, JSON)])

  /// - Parameter indent: spaces per level; nil: all on one line. Arrays of plain values stay on one line.
  func text(indent: Int? = 2) -> String {
    var s = ""
    write(to: &s, indent, level: 0)
    return s
  }

  private var isPlain: Bool {
    switch self {
    case .array, .object: false
    default: true
    }
  }

  private func write(to s: inout String, _ indent: Int?, level: Int) {
    func list(_ open: String, _ close: String, _ count: Int, flat: Bool, _ element: (Int, inout String) -> Void) {
      let step = flat ? nil : indent
      s += open
      for i in 0..<count {
        if i > 0 { s += step == nil ? ", " : "," }
        if let step { s += "\n" + String(repeating: " ", count: step * (level + 1)) }
        element(i, &s)
      }
      if let step, count > 0 { s += "\n" + String(repeating: " ", count: step * level) }
      s += close
    }
    switch self {
    case .null: s += "null"
    case .bool(let b): s += b ? "true" : "false"
    case .int(let i): s += String(i)
    // JSON has no such numbers: they are written as texts that Python's float() and JavaScript's Number() understand.
    case .number(let x) where x.isNaN: s += "\"NaN\""
    case .number(let x) where x.isInfinite: s += x < 0 ? "\"-Infinity\"" : "\"Infinity\""
    case .number(let x):
      if let i = Int(exactly: x), abs(x) < 1e15, !(x == 0 && x.sign == .minus) { s += String(i) } else { s += "\(x)" }
    case .string(let t): Self.quote(t, to: &s)
    case .array(let a):
      list("[", "]", a.count, flat: a.allSatisfy(\.isPlain)) { a[$0].write(to: &$1, indent, level: level + 1) }
    case .object(let o):
      list("{", "}", o.count, flat: false) {
        Self.quote(o[$0].0, to: &$1)
        $1 += ": "
        o[$0].1.write(to: &$1, indent, level: level + 1)
      }
    }
  }

  private static func quote(_ text: String, to s: inout String) {
    s += "\""
    for u in text.unicodeScalars {
      switch u {
      case "\"", "\\": s += "\\\(u)"
      case "\n": s += "\\n"
      case "\t": s += "\\t"
      case "\r": s += "\\r"
      case _ where u.value < 32:
        let hex = String(u.value, radix: 16)
        s += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: s.unicodeScalars.append(u)
      }
    }
    s += "\""
  }
}
