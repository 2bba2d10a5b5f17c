import Tensors

/// Values as keys of maps: all types of LabelEncoder by one key type. NaN equals NaN.
enum LabelValue: Hashable {
  case string(String)
  case int(Int)
  case number(Double)
  case nan

  static func list(_ t: Tensor) throws -> [LabelValue] {
    if t.type == .string { return t.strings.map { .string($0) } }
    if t.type.isInteger { return try t.ints().map { .int($0) } }
    return try t.doubles().map { $0.isNaN ? .nan : .number($0) }
  }
  static func strings(of t: Tensor) throws -> [String] {
    if t.type == .string { return t.strings }
    if t.type == .float { return t.elements(Float.self).map { "\($0)" } }
    return try t.ints().map(String.init)
  }
  static func number(_ s: String) throws -> Double {
    guard let d = Double(s) else { throw SwiftletError(.runtime, "'\(s)' is not a number") }
    return d
  }
}

/// LabelEncoder: maps each element through a table, in all three versions.
enum LabelEncoder {
  private static let keyed: TypeSet = [.string, TypeSet(.int64, .float, .int32, .int16, .double)]

  static let definitions = [
    OperatorDefinition(
      "LabelEncoder", domain: "ai.onnx.ml", since: [1], inputs: [.required("X", "T1")], outputs: [.required("Y", "T2")],
      types: ["T1": [.string, .int64]],
      attributes: [.strings("classes_strings"), .int("default_int64", -1), .string("default_string", "_Unused")],
      exactness: .exact,
      infer: { c in c.set(0, c.elementType(0).map { $0 == .string ? .int64 : .string }, c.shape(0)) },
      kernel: { c in
        let classes = try c.optionalStrings("classes_strings") ?? []
        let index = Dictionary(classes.enumerated().map { ($1, $0) }, uniquingKeysWith: { a, _ in a })
        let defaultInt = try c.int("default_int64")
        let defaultString = try c.string("default_string")
        return { r in
          let x = try r.input(0)
          try r.setOutput(
            0,
            x.type == .string
              ? Tensor(x.strings.map { Int64(index[$0] ?? defaultInt) }, x.shape)
              : Tensor(
                strings: x.ints().map { classes.indices.contains($0) ? classes[$0] : defaultString }, x.shape))
        }
      }),
    OperatorDefinition(
      "LabelEncoder", domain: "ai.onnx.ml", since: [2, 4], inputs: [.required("X", "T1")],
      outputs: [.required("Y", "T2")], types: ["T1": keyed],
      attributes: [
        .strings("keys_strings"), .ints("keys_int64s"), .floats("keys_floats"), .optional(.tensor, "keys_tensor"),
        .strings("values_strings"), .ints("values_int64s"), .floats("values_floats"), .optional(.tensor, "values_tensor"),
        .string("default_string", "_Unused"), .int("default_int64", -1), .float("default_float", -0.0),
        .optional(.tensor, "default_tensor"),
      ],
      exactness: .exact,
      infer: { c in c.set(0, try table(c, "values").type, c.shape(0)) },
      kernel: { c in
        let keys = try LabelValue.list(table(c, "keys"))
        let values = try table(c, "values")
        guard keys.count == values.count else {
          throw SwiftletError(.invalidModel, "\(keys.count) keys and \(values.count) values")
        }
        let index = Dictionary(keys.enumerated().map { ($1, $0) }, uniquingKeysWith: { a, _ in a })
        let fallback = try fallback(c, values.type)
        return { r in
          let x = try r.input(0)
          let found = try LabelValue.list(x).map { index[$0] }
          if values.type == .string {
            return try r.setOutput(
              0, Tensor(strings: found.map { $0.map { values.strings[$0] } ?? fallback.strings[0] }, x.shape))
          }
          let y = try r.output(0, values.type, x.shape)
          let size = values.type.bits / 8
          for (j, i) in found.enumerated() {
            (y.data + j * size).copyMemory(from: i.map { values.data + $0 * size } ?? fallback.data, byteCount: size)
          }
        }
      }),
  ]

  private static func table(_ c: some NodeReading, _ what: String) throws -> Tensor {
    if let t = try c.optionalTensor("\(what)_tensor") { return t }
    if let s = try c.optionalStrings("\(what)_strings"), !s.isEmpty { return try Tensor(strings: s, [s.count]) }
    if let i = try c.optionalInts("\(what)_int64s"), !i.isEmpty { return try Tensor(ints: i) }
    if let f = try c.optionalFloats("\(what)_floats"), !f.isEmpty { return try Tensor(f) }
    throw SwiftletError(.invalidModel, "LabelEncoder needs \(what)")
  }
  /// One element of the values' type for what isn't in the table.
  private static func fallback(_ c: some NodeReading, _ type: ElementType) throws -> Tensor {
    if let t = try c.optionalTensor("default_tensor") {
      guard t.type == type, t.count == 1 else {
        throw SwiftletError(.invalidModel, "default_tensor must be one \(type.name), not \(t.type.name)\(t.shape)")
      }
      return t
    }
    switch type {
    case .string: return try Tensor(strings: [c.string("default_string")], [1])
    case .int64: return try Tensor([Int64(c.int("default_int64"))])
    case .float: return try Tensor([c.float("default_float")])
    case .double: return try Tensor([Double(c.float("default_float"))])
    case .int32: return try Tensor([Int32(truncatingIfNeeded: c.int("default_int64"))])
    default: return try Tensor(.int16, [Int16(truncatingIfNeeded: c.int("default_int64"))])
    }
  }
}
