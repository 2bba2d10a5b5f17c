import Tensors

/// Feature preparation of ai.onnx.ml: ArrayFeatureExtractor, Binarizer, FeatureVectorizer, Imputer, Normalizer,
/// OneHotEncoder, Scaler.
enum FeatureOperators {
  static let definitions = [
    arrayFeatureExtractor, binarizer, featureVectorizer, imputer, normalizer, oneHotEncoder, scaler,
  ]
  private static let domain = "ai.onnx.ml"

  /// Selects columns: X [..., C], Y indices -> Z [..., count(Y)]; a vector X gives [1, count(Y)].
  private static let arrayFeatureExtractor = OperatorDefinition(
    "ArrayFeatureExtractor", domain: domain, since: [1], inputs: [.required("X", "T"), .required("Y", "I")],
    outputs: [.required("Z", "T")], types: ["T": [.features, .string], "I": .int64], exactness: .exact,
    infer: { c in
      guard let x = c.shape(0) else { return c.set(0, c.elementType(0), nil) }
      let n = c.shape(1)?.product ?? .unknown
      c.set(0, c.elementType(0), x.count <= 1 ? [.known(1), n] : Array(x.dropLast()) + [n])
    },
    kernel: { _ in
      { r in
        let x = try r.input(0)
        let indices = try r.input(1).ints()
        guard let columns = x.shape.last else { throw SwiftletError(.shape, "X must have at least one axis") }
        for i in indices where i < 0 || i >= columns {
          throw SwiftletError(.runtime, "index \(i) is out of range for \(columns) features")
        }
        let shape = x.rank == 1 ? [1, indices.count] : Array(x.shape.dropLast()) + [indices.count]
        let rows = columns == 0 ? 0 : x.count / columns
        if x.type == .string {
          let s = (0..<rows).flatMap { row in indices.map { x.strings[row * columns + $0] } }
          return try r.setOutput(0, Tensor(strings: s, shape))
        }
        let z = try r.output(0, x.type, shape)
        let size = x.type.bits / 8
        for row in 0..<rows {
          for (j, i) in indices.enumerated() {
            (z.data + (row * indices.count + j) * size).copyMemory(from: x.data + (row * columns + i) * size, byteCount: size)
          }
        }
      }
    })

  private static let binarizer = OperatorDefinition(
    "Binarizer", domain: domain, since: [1], inputs: [.required("X", "T")], outputs: [.required("Y", "T")],
    types: ["T": .features], attributes: [.float("threshold", 0)], exactness: .exact, infer: { $0.set(0, like: 0) },
    kernel: { c in
      let threshold = try Double(c.float("threshold"))
      return { r in
        let x = try r.input(0)
        let y = try r.output(0)
        func run<T: BitwiseCopyable>(_ zero: T, _ one: T) throws {
          let p = y.pointer(T.self)
          for (i, v) in try x.doubles().enumerated() { p[i] = v > threshold ? one : zero }
        }
        switch x.type {
        case .float: try run(Float(0), 1)
        case .double: try run(Double(0), 1)
        case .int32: try run(Int32(0), 1)
        default: try run(Int64(0), 1)
        }
      }
    })

  private static let featureVectorizer = OperatorDefinition(
    "FeatureVectorizer", domain: domain, since: [1], inputs: [.variadic("X", "T1*")], outputs: [.required("Y", "Y")],
    types: ["T1*": .features], attributes: [.ints("inputdimensions")],
    infer: { c in
      var width = Dimension.known(0)
      for i in 0..<c.inputCount {
        guard let s = c.shape(i) else { return c.set(0, .float, nil) }
        width = width + (s.last ?? .unknown)
      }
      c.set(0, .float, [FeatureMatrix.rows(c.shape(0)), width])
    },
    kernel: { c in
      let dimensions = try c.optionalInts("inputdimensions")
      return { r in
        let parts = try r.variadic().map(FeatureMatrix.init)
        if let dimensions, dimensions != parts.map(\.columns) {
          throw SwiftletError(.shape, "inputdimensions \(dimensions), the inputs have \(parts.map(\.columns)) features")
        }
        let rows = parts[0].rows
        guard parts.allSatisfy({ $0.rows == rows }) else { throw SwiftletError(.shape, "inputs of different row counts") }
        let y = (0..<rows).flatMap { row in
          parts.flatMap { $0.values[row * $0.columns..<(row + 1) * $0.columns] }
        }
        try r.setFloats(0, y, [rows, parts.reduce(0) { $0 + $1.columns }])
      }
    })

  /// Replaces a marker value (or NaN) by a value for all or one for each feature.
  private static let imputer = OperatorDefinition(
    "Imputer", domain: domain, since: [1], inputs: [.required("X", "T")], outputs: [.required("Y", "T")],
    types: ["T": .features],
    attributes: [
      .floats("imputed_value_floats"), .ints("imputed_value_int64s"), .float("replaced_value_float", 0),
      .int("replaced_value_int64", 0),
    ],
    exactness: .exact, infer: { $0.set(0, like: 0) },
    kernel: { c in
      let floats = try c.optionalFloats("imputed_value_floats") ?? []
      let ints = try c.optionalInts("imputed_value_int64s") ?? []
      let replacedFloat = try c.float("replaced_value_float")
      let replacedInt = try c.int("replaced_value_int64")
      return { r in
        let x = try r.input(0)
        let y = try r.output(0)
        let columns = x.shape.last ?? 1
        func run<T: BitwiseCopyable>(_ values: [T], _ isReplaced: (T) -> Bool) throws {
          guard values.count == 1 || values.count == columns else {
            throw SwiftletError(.invalidModel, "\(values.count) imputed values for \(columns) features")
          }
          let (p, q) = (x.pointer(T.self), y.pointer(T.self))
          for i in 0..<x.count { q[i] = isReplaced(p[i]) ? values[values.count == 1 ? 0 : i % columns] : p[i] }
        }
        switch x.type {
        case .float: try run(floats) { $0 == replacedFloat || (replacedFloat.isNaN && $0.isNaN) }
        case .double: try run(floats.map(Double.init)) { $0 == Double(replacedFloat) || (replacedFloat.isNaN && $0.isNaN) }
        case .int32: try run(ints.map { Int32(truncatingIfNeeded: $0) }) { Int($0) == replacedInt }
        default: try run(ints.map(Int64.init)) { Int($0) == replacedInt }
        }
      }
    })

  private static let normalizer = OperatorDefinition(
    "Normalizer", domain: domain, since: [1], inputs: [.required("X", "T")], outputs: [.required("Y", "Y")],
    types: ["T": .features], attributes: [.string("norm", "MAX")],
    infer: { $0.set(0, .float, $0.shape(0)) },
    kernel: { c in
      let norm = try c.string("norm")
      guard ["MAX", "L1", "L2"].contains(norm) else { throw SwiftletError(.invalidModel, "norm '\(norm)' is not known") }
      return { r in
        let t = try r.input(0)
        let x = try FeatureMatrix(t)
        var y = x.values
        for row in 0..<x.rows {
          let range = row * x.columns..<(row + 1) * x.columns
          let length: Double =
            switch norm {
            case "L1": x.values[range].reduce(0) { $0 + abs($1) }
            case "L2": x.values[range].reduce(0) { $0 + $1 * $1 }.squareRoot()
            default: x.values[range].max() ?? 0
            }
          for i in range { y[i] = length == 0 ? (norm == "MAX" ? y[i] : 0) : y[i] / length }
        }
        try r.setFloats(0, y, t.shape)
      }
    })

  private static let oneHotEncoder = OperatorDefinition(
    "OneHotEncoder", domain: domain, since: [1], inputs: [.required("X", "T")], outputs: [.required("Y", "Y")],
    types: ["T": [.features, .string]],
    attributes: [.ints("cats_int64s"), .strings("cats_strings"), .int("zeros", 1)], exactness: .exact,
    infer: { c in
      let n = try c.optionalStrings("cats_strings")?.count ?? c.optionalInts("cats_int64s")?.count ?? 0
      c.set(0, .float, c.shape(0).map { $0 + [.known(n)] })
    },
    kernel: { c in
      let strings = try c.optionalStrings("cats_strings") ?? []
      let ints = try c.optionalInts("cats_int64s") ?? []
      let keepsUnknown = try c.bool("zeros")
      let stringIndex = Dictionary(strings.enumerated().map { ($1, $0) }, uniquingKeysWith: { a, _ in a })
      let intIndex = Dictionary(ints.enumerated().map { (Double($1), $0) }, uniquingKeysWith: { a, _ in a })
      return { r in
        let x = try r.input(0)
        let found: [Int?] =
          x.type == .string
          ? x.strings.map { stringIndex[$0] } : try x.doubles().map { intIndex[$0.rounded(.towardZero)] }
        let n = x.type == .string ? strings.count : ints.count
        let y = try r.output(0, .float, x.shape + [n])
        let p = y.pointer(Float.self)
        p.update(repeating: 0, count: y.count)
        for (i, k) in found.enumerated() {
          if let k { p[i * n + k] = 1 } else if !keepsUnknown {
            throw SwiftletError(.runtime, "element \(i) is none of the categories")
          }
        }
      }
    })

  private static let scaler = OperatorDefinition(
    "Scaler", domain: domain, since: [1], inputs: [.required("X", "T")], outputs: [.required("Y", "Y")],
    types: ["T": .features], attributes: [.floats("offset"), .floats("scale")],
    infer: { $0.set(0, .float, $0.shape(0)) },
    kernel: { c in
      let offset = try c.optionalFloats("offset") ?? [0]
      let scale = try c.optionalFloats("scale") ?? [1]
      return { r in
        let x = try r.input(0)
        let columns = x.shape.last ?? 1
        guard offset.count == 1 || offset.count == columns, scale.count == 1 || scale.count == columns else {
          throw SwiftletError(.invalidModel, "\(offset.count) offsets and \(scale.count) scales for \(columns) features")
        }
        let y = try r.output(0, .float, x.shape)
        let p = y.pointer(Float.self)
        for (i, v) in try x.doubles().enumerated() {
          let o = offset[offset.count == 1 ? 0 : i % columns]
          let s = scale[scale.count == 1 ? 0 : i % columns]
          p[i] = (Float(v) - o) * s
        }
      }
    })
}
