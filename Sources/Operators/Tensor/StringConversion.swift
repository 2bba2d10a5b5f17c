import Glibc
import Kernels
import Tensors

/// Numbers written as strings and read from them, as Cast does it: the shortest digits that read back as the same
/// number, with an exponent below 1e-4 and from 1e16 on (NumPy's format).
enum StringConversion {
  static func strings(_ x: Tensor) throws -> [String] {
    func integers<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) -> [String] {
      let p = UnsafeRawPointer(x.data)
      return (0..<x.count).map { "\(p.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: T.self))" }
    }
    switch x.type {
    case .bool:
      let p = x.data.assumingMemoryBound(to: UInt8.self)
      return (0..<x.count).map { p[$0] == 0 ? "False" : "True" }
    case .uint8: return integers(UInt8.self)
    case .int8: return integers(Int8.self)
    case .uint16: return integers(UInt16.self)
    case .int16: return integers(Int16.self)
    case .uint32: return integers(UInt32.self)
    case .int32: return integers(Int32.self)
    case .uint64: return integers(UInt64.self)
    case .int64: return integers(Int64.self)
    case .double: return try x.doubles().map { layout($0.description) }
    case .float: return try x.doubles().map { layout(Float($0).description) }
    case .float16: return try x.doubles().map { shortest($0) { Half.bits($0) == Half.bits($1) } }
    case .bfloat16: return try x.doubles().map { shortest($0) { Half.bfloat16Bits($0) == Half.bfloat16Bits($1) } }
    case .string: return x.strings
    default:
      let wide = try Tensor(allocating: x.type.isInteger ? .int8 : .float, x.shape)
      try Cast.apply(x.type, x.data, to: wide.type, wide.data, x.count)
      return try strings(wide)
    }
  }

  /// The fewest digits with which a 16-bit float is the same again.
  private static func shortest(_ x: Double, _ isSame: (Float, Float) -> Bool) -> String {
    guard x.isFinite else { return layout(x.description) }
    for digits in 1...9 {
      let text = format(x, digits)
      if isSame(strtof(text, nil), Float(x)) { return layout(text) }
    }
    return layout(Float(x).description)
  }
  private static func format(_ x: Double, _ digits: Int) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 48) { buffer in
      withVaList([Int32(digits - 1), x]) { _ = vsnprintf(buffer.baseAddress, buffer.count, "%.*e", $0) }
      return buffer.baseAddress.map { String(cString: $0) } ?? ""
    }
  }

  /// The same number written NumPy's way.
  private static func layout(_ text: String) -> String {
    if text.contains("i" as Character) { return text }  // inf
    if text.contains("n" as Character) { return "nan" }
    var digits: [Character] = []
    var exponent = 0
    var point: Int?
    var isNegative = false
    let parts = text.split(whereSeparator: { $0 == "e" || $0 == "E" })
    for ch in parts.first ?? "" {
      if ch == "-" { isNegative = true } else if ch == "." { point = digits.count } else { digits.append(ch) }
    }
    if parts.count > 1 { exponent = Int(parts[1].drop { $0 == "+" }) ?? 0 }
    exponent += (point ?? digits.count) - 1
    while digits.count > 1, digits.first == "0" {
      digits.removeFirst()
      exponent -= 1
    }
    while digits.count > 1, digits.last == "0" { digits.removeLast() }
    let sign = isNegative ? "-" : ""
    if digits == ["0"] { return sign + "0.0" }
    if exponent < -4 || exponent >= 16 {
      let fraction = digits.count > 1 ? "." + String(digits.dropFirst()) : ""
      let magnitude = abs(exponent)
      return sign + String(digits[0]) + fraction + (exponent < 0 ? "e-" : "e+") + (magnitude < 10 ? "0" : "") + "\(magnitude)"
    }
    if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + String(digits) }
    if digits.count <= exponent + 1 {
      return sign + String(digits) + String(repeating: "0", count: exponent + 1 - digits.count) + ".0"
    }
    return sign + String(digits[...exponent]) + "." + String(digits[(exponent + 1)...])
  }

  /// With six decimals, as C's %f writes it.
  static func fixed(_ x: Double) -> String {
    guard x.isFinite else { return x.isNaN ? "nan" : x < 0 ? "-inf" : "inf" }
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 400) { buffer in
      guard let base = buffer.baseAddress else { return "" }
      _ = withVaList([x]) { vsnprintf(base, buffer.count, "%f", $0) }
      return String(cString: base)
    }
  }

  /// A tensor of int64, uint64, double or float that holds the numbers that the strings say.
  static func numbers(_ x: Tensor, for type: ElementType) throws -> Tensor {
    if type == .uint64 { return try Tensor(.uint64, x.strings.map { try UInt64($0) ?? UInt64(bitPattern: integer($0)) }, x.shape) }
    if type == .bool { return try Tensor(x.strings.map { try truth($0) ? 1 : 0 } as [Int64], x.shape) }
    if type.isInteger { return try Tensor(x.strings.map(integer), x.shape) }
    if type == .double { return try Tensor(x.strings.map(double), x.shape) }
    return try Tensor(x.strings.map { try single($0) }, x.shape)
  }
  private static func integer(_ s: String) throws -> Int64 {
    let text = s.hasPrefix("+") ? String(s.dropFirst()) : s
    if let n = Int64(text) { return n }
    return Int64(try Checked.int(try double(s), "the string '\(s)'"))
  }
  private static func truth(_ s: String) throws -> Bool {
    switch s {
    case "True", "true": true
    case "False", "false": false
    default: try double(s) != 0
    }
  }
  static func double(_ s: String) throws -> Double { try parse(s, strtod) }
  static func single(_ s: String) throws -> Float { try parse(s, strtof) }
  private static func parse<T>(
    _ s: String, _ read: (UnsafePointer<CChar>, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> T
  ) throws -> T {
    try s.withCString { start in
      var end: UnsafeMutablePointer<CChar>?
      let value = read(start, &end)
      var rest = end
      while let p = rest, isspace(Int32(p.pointee)) != 0 { rest = p + 1 }
      guard let end, UnsafePointer(end) != start, rest?.pointee == 0 else {
        throw SwiftletError(.runtime, "the string '\(s)' is no number")
      }
      return value
    }
  }
}
