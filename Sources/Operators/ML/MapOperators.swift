import Tensors

/// Labels and maps of ai.onnx.ml: CastMap, CategoryMapper, DictVectorizer, ZipMap.
enum MapOperators {
  static let definitions = [castMap, categoryMapper, dictVectorizer, zipMap]
  private static let domain = "ai.onnx.ml"

  private static let castMap = OperatorDefinition(
    "CastMap", domain: domain, since: [1], inputs: [.required("X", "T1")], outputs: [.required("Y", "T2")],
    types: ["T1": .containers],
    attributes: [.string("cast_to", "TO_FLOAT"), .string("map_form", "DENSE"), .int("max_map", 1)], exactness: .exact,
    infer: { c in
      let isDense = try c.string("map_form") == "DENSE"
      c.set(0, try target(c.string("cast_to")), [.known(1), isDense ? .unknown : .known(try c.int("max_map"))])
    },
    kernel: { c in
      let type = try target(c.string("cast_to"))
      let isDense = try c.string("map_form") == "DENSE"
      let size = try c.int("max_map")
      return { r in
        guard case .map(let map) = try r.value(0), map.keys.type == .int64 else {
          throw SwiftletError(.type, "CastMap takes a map with int64 keys")
        }
        let keys = try map.keys.ints()
        let order = keys.indices.sorted { keys[$0] < keys[$1] }
        let sparse = isDense ? 0 : max(size, 0)
        let held = try r.hold(sparse, of: (Int?, Double).self)
        defer { withExtendedLifetime(held) {} }
        var values = [Int?](repeating: nil, count: sparse)
        if isDense {
          values = order
        } else {
          for i in order {
            guard keys[i] >= 0, keys[i] < size else { throw SwiftletError(.runtime, "key \(keys[i]) is out of range for \(size)") }
            values[keys[i]] = i
          }
        }
        let shape = [1, values.count]
        if type == .string {
          // Six decimals, as onnxruntime (std::to_string) has them: the specification doesn't say.
          let text = map.values.type == .float
            ? map.values.elements(Float.self).map { StringConversion.fixed(Double($0)) } : try LabelValue.strings(of: map.values)
          return try r.setOutput(0, Tensor(strings: values.map { $0.map { text[$0] } ?? "" }, shape))
        }
        let numbers = map.values.type == .string ? try map.values.strings.map(LabelValue.number) : try map.values.doubles()
        let list = values.map { $0.map { numbers[$0] } ?? 0 }
        if type == .float { return try r.setFloats(0, list, shape) }
        try r.setOutput(0, Tensor(try list.map { Int64(try Checked.int($0)) }, shape))
      }
    })

  private static func target(_ name: String) throws -> ElementType {
    switch name {
    case "TO_FLOAT": return .float
    case "TO_STRING": return .string
    case "TO_INT64": return .int64
    default: throw SwiftletError(.invalidModel, "cast_to '\(name)' is not known")
    }
  }

  private static let categoryMapper = OperatorDefinition(
    "CategoryMapper", domain: domain, since: [1], inputs: [.required("X", "T1")], outputs: [.required("Y", "T2")],
    types: ["T1": [.string, .int64]],
    attributes: [
      .ints("cats_int64s"), .strings("cats_strings"), .int("default_int64", -1), .string("default_string", "_Unused"),
    ],
    exactness: .exact,
    infer: { c in c.set(0, c.elementType(0).map { $0 == .string ? .int64 : .string }, c.shape(0)) },
    kernel: { c in
      let ints = try c.optionalInts("cats_int64s") ?? []
      let strings = try c.optionalStrings("cats_strings") ?? []
      guard ints.count == strings.count else { throw SwiftletError(.invalidModel, "cats_int64s and cats_strings differ in length") }
      let toInt = Dictionary(zip(strings, ints), uniquingKeysWith: { a, _ in a })
      let toString = Dictionary(zip(ints, strings), uniquingKeysWith: { a, _ in a })
      let defaultInt = try c.int("default_int64")
      let defaultString = try c.string("default_string")
      return { r in
        let x = try r.input(0)
        try r.setOutput(
          0,
          x.type == .string
            ? Tensor(x.strings.map { Int64(toInt[$0] ?? defaultInt) }, x.shape)
            : Tensor(strings: x.ints().map { toString[$0] ?? defaultString }, x.shape))
      }
    })

  private static let dictVectorizer = OperatorDefinition(
    "DictVectorizer", domain: domain, since: [1], inputs: [.required("X", "T1")], outputs: [.required("Y", "T2")],
    types: ["T1": .containers], attributes: [.ints("int64_vocabulary"), .strings("string_vocabulary")], exactness: .exact,
    infer: { c in
      let n = try c.optionalStrings("string_vocabulary")?.count ?? c.optionalInts("int64_vocabulary")?.count ?? 0
      guard case .map(_, let value)? = c.type(0) else { return }
      c.set(0, value.elementType, [.known(1), .known(n)])
    },
    kernel: { c in
      let strings = try c.optionalStrings("string_vocabulary") ?? []
      let ints = try c.optionalInts("int64_vocabulary") ?? []
      return { r in
        guard case .map(let map) = try r.value(0) else { throw SwiftletError(.type, "DictVectorizer takes a map") }
        var at: [Int?]
        if map.keys.type == .string {
          let index = Dictionary(map.keys.strings.enumerated().map { ($1, $0) }, uniquingKeysWith: { _, b in b })
          at = strings.map { index[$0] }
        } else {
          let index = Dictionary(try map.keys.ints().enumerated().map { ($1, $0) }, uniquingKeysWith: { _, b in b })
          at = ints.map { index[$0] }
        }
        let shape = [1, at.count]
        if map.values.type == .string {
          return try r.setOutput(0, Tensor(strings: at.map { $0.map { map.values.strings[$0] } ?? "" }, shape))
        }
        let y = try r.output(0, map.values.type, shape)
        let size = map.values.type.bits / 8
        y.data.initializeMemory(as: UInt8.self, repeating: 0, count: y.byteCount)
        for (j, i) in at.enumerated() {
          if let i { (y.data + j * size).copyMemory(from: map.values.data + i * size, byteCount: size) }
        }
      }
    })

  /// A map from label to score for each row.
  private static let zipMap = OperatorDefinition(
    "ZipMap", domain: domain, since: [1], inputs: [.required("X", "T")], outputs: [.required("Z", "Z")],
    types: ["T": TypeSet(.float)], attributes: [.ints("classlabels_int64s"), .strings("classlabels_strings")],
    exactness: .exact,
    infer: { c in
      let labels = try ClassLabels(c, ints: "classlabels_int64s", strings: "classlabels_strings")
      c.set(0, .sequence(.map(key: labels?.elementType ?? .int64, value: .tensor(.float, nil))))
    },
    kernel: { c in
      guard let labels = try ClassLabels(c, ints: "classlabels_int64s", strings: "classlabels_strings") else {
        throw SwiftletError(.invalidModel, "ZipMap needs class labels")
      }
      let keys = try labels.tensor(Array(0..<labels.count))
      return { r in
        let x = try r.input(0)
        guard x.shape.last == labels.count, x.rank == 1 || x.rank == 2 else {
          throw SwiftletError(.shape, "ZipMap: \(labels.count) labels for scores of shape \(x.shape)")
        }
        let maps = try (0..<(x.rank == 1 ? 1 : x.shape[0])).map { row in
          Value.map(try MapValue(keys: keys, values: x.view(from: row * labels.count, shape: [labels.count]).copied()))
        }
        try r.setOutput(
          0, .sequence(maps, elementType: .map(key: labels.elementType, value: .tensor(.float, nil))))
      }
    })
}
