import Glibc
import Graphs
import Kernels
@testable import Operators
import Tensors
import Testing

/// Calls of every operator with attributes and inputs as nobody would write them: each ends in a result or an error
/// that is ours, in bounded time and memory. A trap here would be a crash in somebody's product.
@Suite struct HostileCalls {
  /// SWIFTLET_HOSTILE=OPERATOR: only that operator, many times; prints its calls, so that the last line is the one that
  /// traps.
  private static let chosen = getenv("SWIFTLET_HOSTILE").map { String(cString: $0) }

  @Test func noOperatorTraps() throws {
    for definition in Registry.all where definition.attributes.allSatisfy({ $0.kind != .graph }) {
      if let chosen = Self.chosen, chosen != definition.qualifiedName { continue }
      var draw = Draw(seed: definition.qualifiedName.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
      for _ in 0..<(Self.chosen == nil ? 60 : 3000) {
        let call = try draw.call(definition)
        if Self.chosen != nil { fputs("\(definition.qualifiedName) \(call)\n", stderr) }
        let known = call.inputs.map { t in t.map { ValueType.tensor($0.type, draw.partly($0.shape)) } }
        let constants = call.inputs.enumerated().filter { _ in draw.chance(50) }
        do {
          _ = try NodeRunner.infer(
            definition.name, known, constants: Dictionary(uniqueKeysWithValues: constants.compactMap { i, t in t.map { (i, $0) } }),
            version: call.version, domain: definition.domain, outputs: definition.outputs.count, call.attributes)
        } catch is SwiftletError {}
        do {
          _ = try NodeRunner.run(
            definition.name, call.inputs, version: call.version, domain: definition.domain,
            outputs: definition.outputs.count, call.attributes, memoryLimit: 1 << 25, seconds: 2)
        } catch is SwiftletError {}
      }
    }
  }

  /// Values with which arithmetic on sizes, indices and positions goes wrong.
  private struct Draw {
    var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func below(_ n: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % max(n, 1)
    }
    mutating func pick<T>(_ list: [T]) -> T { list[below(list.count)] }
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
    mutating func int() -> Int {
      chance(70) ? pick([0, 1, 2, 3, -1, -2]) : pick([.max, .min, 1 << 31, 1 << 40, -(1 << 40), 255, -100, 1 << 62, .max - 1])
    }
    mutating func float() -> Float {
      chance(70) ? pick([0, 1, -1, 0.5, 2.5]) : pick([.nan, .infinity, -.infinity, 1e38, -1e38, 1e-40, 1e19])
    }

    mutating func call(
      _ d: OperatorDefinition
    ) throws -> (version: Int, inputs: [Tensor?], attributes: [String: Attribute]) {
      var types: [String: ElementType] = [:]
      var inputs: [Tensor?] = []
      let ranks = below(5)
      for p in d.inputs {
        var count = 1
        if case .variadic(let minimum) = p.kind { count = minimum + below(3) }
        for _ in 0..<count {
          if p.kind == .optional, chance(30) {
            inputs.append(nil)
            continue
          }
          let allowed = ElementType.allCases.filter { (d.allowed(p.type) ?? .tensors).contains($0) }
          guard !allowed.isEmpty else {
            inputs.append(nil)
            continue
          }
          let type = types[p.type] ?? pick(allowed)
          if p.type.utf8.last != UInt8(ascii: "*") { types[p.type] = type }
          inputs.append(try tensor(type, rank: chance(60) ? ranks : below(6)))
        }
      }
      while let last = inputs.last, last == nil { inputs.removeLast() }
      var attributes: [String: Attribute] = [:]
      for a in d.attributes where a.isRequired || chance(50) { attributes[a.name] = try attribute(a) }
      return (pick(d.since), inputs, attributes)
    }

    /// What may be known of a shape before a run.
    mutating func partly(_ shape: [Int]) -> SymbolicShape? {
      chance(10) ? nil : shape.map { chance(30) ? .unknown : chance(10) ? .symbol("N") : .known(chance(10) ? max(int(), 0) : $0) }
    }

    mutating func tensor(_ type: ElementType, rank: Int) throws -> Tensor {
      var shape = (0..<rank).map { _ in chance(5) ? 0 : 1 + below(3) }
      // Nothing, of a size with which arithmetic goes wrong.
      if rank > 1, chance(4) {
        let zero = below(rank)
        shape = shape.map { _ in 1 }
        shape[(zero + 1) % rank] = 1 << 20
        shape[zero] = 0
      }
      let count = shape.reduce(1, *)
      if type == .string { return try Tensor(strings: (0..<count).map { _ in pick(["", "a", "-7", "é", "1e999"]) }, shape) }
      let wide: Tensor
      if TypeSet.integers.contains(type) || type == .bool {
        wide = try Tensor((0..<count).map { _ in Int64(int()) }, shape)
      } else {
        wide = try Tensor((0..<count).map { _ in float() }, shape)
      }
      let t = try Tensor(allocating: type, shape)
      if type.isComplex || wide.count == 0 { return t }
      do { try Cast.apply(wide.type, wide.data, to: type, t.data, count) } catch is SwiftletError {}
      return t
    }

    mutating func attribute(_ a: AttributeSpec) throws -> Attribute {
      switch a.kind {
      case .int: return .int(int())
      case .float: return .float(float())
      case .string:
        if chance(40), let usual = a.defaultValue { return usual }
        return .string(pick(["", "SAME_UPPER", "SAME_LOWER", "VALID", "linear", "cubic", "reflect", "wrap", "add", "bidirectional", "MAX"]))
      case .ints: return .ints((0..<below(5)).map { _ in int() })
      case .floats: return .floats((0..<below(5)).map { _ in float() })
      case .strings: return .strings((0..<below(4)).map { _ in pick(["", "a", "Tanh", "BRANCH_LEQ", "LEAF"]) })
      case .tensor: return .tensor(try tensor(pick([.float, .int64, .uint8]), rank: below(3)))
      case .tensors: return .tensors([try tensor(.float, rank: 1)])
      case .type: return .type(.tensor(.float, nil))
      case .sparseTensor, .graph, .graphs: return .int(int())
      }
    }
  }
}

/// Points 6 and 7 of what kernels must survive, one by one: the error says which value is wrong.
@Suite struct WrongValues {
  private static func floats(_ shape: Int...) throws -> Tensor { try Tensor([Float](repeating: 1, count: shape.reduce(1, *)), shape) }
  private static func refused(
    _ op: String, _ inputs: [Tensor?], _ attributes: [String: Attribute] = [:], version: Int = 21, domain: String = "",
    outputs: Int = 1, saying: String = "", _ place: SourceLocation = #_sourceLocation
  ) {
    do {
      _ = try NodeRunner.run(
        op, inputs, version: version, domain: domain, outputs: outputs, attributes, memoryLimit: 1 << 26, seconds: 5)
      Issue.record("\(op) takes it", sourceLocation: place)
    } catch let e as SwiftletError {
      #expect(e.message.contains(saying), "\(e.message)", sourceLocation: place)
    } catch {
      Issue.record(error, sourceLocation: place)
    }
  }

  @Test func geometryMustFit() throws {
    let x = try Self.floats(1, 2, 4, 4), w = try Self.floats(2, 2, 3, 3)
    Self.refused("Conv", [x, w], ["strides": .ints([0, 1])], saying: "0")
    Self.refused("Conv", [x, w], ["strides": .ints([1])])
    Self.refused("Conv", [x, w], ["kernel_shape": .ints([3])])
    Self.refused("Conv", [x, w], ["kernel_shape": .ints([2, 2])])
    Self.refused("Conv", [x, w], ["dilations": .ints([1, -1])], saying: "-1")
    Self.refused("Conv", [x, w], ["pads": .ints([1, 1, 1])])
    Self.refused("Conv", [x, w], ["pads": .ints([.max, 1, .max, 1])])
    Self.refused("Conv", [x, w], ["group": .int(0)], saying: "0")
    Self.refused("Conv", [x, w], ["group": .int(3)])
    Self.refused("MaxPool", [x], ["kernel_shape": .ints([0, 2])])
    Self.refused("MaxPool", [x], ["kernel_shape": .ints([2, 2]), "strides": .ints([0, 0])])
    Self.refused("AveragePool", [x], ["kernel_shape": .ints([.max, .max])])
    Self.refused("DepthToSpace", [x], ["blocksize": .int(0)])
    Self.refused("SpaceToDepth", [x], ["blocksize": .int(-2)])
    Self.refused("DequantizeLinear", [try Tensor(.uint8, [UInt8](repeating: 1, count: 4), [4]), try Self.floats(4)],
      ["block_size": .int(.min), "axis": .int(0)])
  }
  @Test func axesMustBeThere() throws {
    let x = try Self.floats(2, 3)
    Self.refused("Transpose", [x], ["perm": .ints([0, 0])], saying: "[0, 0]")
    Self.refused("Transpose", [x], ["perm": .ints([0, 2])])
    Self.refused("Softmax", [x], ["axis": .int(2)], saying: "2")
    Self.refused("Concat", [x, x], ["axis": .int(.min)])
    Self.refused("Squeeze", [x, try Tensor(ints: [7])], saying: "7")
    Self.refused("ReduceSum", [x, try Tensor(ints: [-3])], saying: "-3")
    Self.refused("Unsqueeze", [x, try Tensor(ints: [0, 0])])
    Self.refused("ArgMax", [x], ["axis": .int(5)])
    Self.refused("Flatten", [x], ["axis": .int(3)])
  }
  /// What a type can't do is said when the model is loaded.
  @Test func typesThatAModeLacksAreRefusedBeforeTheRun() throws {
    let words = ValueType.tensor(.string, SymbolicShape([1, 1, 2, 2])), at = ValueType.tensor(.int64, SymbolicShape([1, 1, 2, 2]))
    for mode in ["linear", "cubic"] {
      let e = #expect(throws: SwiftletError.self) {
        try NodeRunner.infer("Resize", [words], ["mode": .string(mode)])
      }
      #expect(e?.code == .unsupported && e?.message.contains("string") == true)
    }
    #expect(throws: Never.self) { try NodeRunner.infer("Resize", [words], ["mode": .string("nearest")]) }
    for (op, type) in [("ScatterElements", words), ("ScatterND", .tensor(.complex64, SymbolicShape([1, 1, 2, 2])))] {
      let e = #expect(throws: SwiftletError.self) {
        try NodeRunner.infer(op, [type, at, type], ["reduction": .string("max")])
      }
      #expect(e?.code == .unsupported && e?.message.contains("'max'") == true)
    }
  }
  @Test func indicesMustBeInRange() throws {
    let x = try Self.floats(2, 3)
    Self.refused("Gather", [x, try Tensor(ints: [2])], saying: "2")
    Self.refused("Gather", [x, try Tensor(ints: [.min])], saying: "\(Int.min)")
    Self.refused("GatherElements", [x, try Tensor([Int64(5)], [1, 1])], saying: "5")
    Self.refused("GatherND", [x, try Tensor([Int64(0), -4], [1, 2])], saying: "-4")
    Self.refused("ScatterElements", [x, try Tensor([Int64(9)], [1, 1]), try Self.floats(1, 1)], saying: "9")
    Self.refused("ScatterND", [x, try Tensor([Int64(2)], [1, 1]), try Self.floats(1, 3)], saying: "2")
    Self.refused("MaxUnpool", [try Self.floats(1, 1, 1, 1), try Tensor([Int64.max], [1, 1, 1, 1])], ["kernel_shape": .ints([2, 2])])
    Self.refused("TopK", [x, try Tensor(ints: [4])], outputs: 2, saying: "4")
    Self.refused("Slice", [x, try Tensor(ints: [0]), try Tensor(ints: [1]), try Tensor(ints: [0]), try Tensor(ints: [0])])
    Self.refused("ReverseSequence", [x, try Tensor(ints: [1, 9, 1])], saying: "9")
    Self.refused("TensorScatter", [try Self.floats(1, 2, 3), try Self.floats(1, 1, 3), try Tensor(ints: [5])], version: 24)
  }
  @Test func positionsOfNeuralNetworksMustBeInRange() throws {
    let x = try Self.floats(1, 2, 4, 4), box = try Tensor([Float(0), 0, 2, 2], [1, 4])
    Self.refused("RoiAlign", [x, box, try Tensor(ints: [1])], saying: "1")
    Self.refused("RoiAlign", [x, box, try Tensor(ints: [-1])], saying: "-1")
    let scores = try Self.floats(2, 3)
    Self.refused("NegativeLogLikelihoodLoss", [scores, try Tensor(ints: [0, 3])], saying: "3")
    Self.refused("NegativeLogLikelihoodLoss", [scores, try Tensor(ints: [-1, 0])], saying: "-1")
    Self.refused("SoftmaxCrossEntropyLoss", [scores, try Tensor(ints: [.max, 0])], saying: "\(Int.max)")
    let steps = try Self.floats(2, 1, 3), w = try Self.floats(1, 4, 3), r = try Self.floats(1, 4, 1)
    for n in [-1, 3] as [Int32] {
      Self.refused("LSTM", [steps, w, r, nil, try Tensor(.int32, [n])], ["hidden_size": .int(1)], outputs: 3, saying: "\(n)")
    }
    let table = try Self.floats(4, 2), q = try Self.floats(1, 1, 3, 4)
    for n in [-1, 4] { Self.refused("RotaryEmbedding", [q, table, table, try Tensor([Int64(n), 0, 0], [1, 3])], version: 23, saying: "\(n)") }
    let kv = try Self.floats(1, 1, 3, 4)
    for n in [-1, 4] { Self.refused("Attention", [q, kv, kv, nil, nil, nil, try Tensor(ints: [n])], version: 24, saying: "\(n)") }
    Self.refused("Attention", [q, kv, kv, nil, try Self.floats(), kv], version: 23, saying: "4 dimensions")
    Self.refused("FlexAttention", [q, try Self.floats(0, 1, 3, 4), kv], version: 1, domain: "ai.onnx.preview", saying: "batches")
    Self.refused("CumSum", [scores, try Tensor([Int64(2)], [])], saying: "2")
    Self.refused("Compress", [scores, try Tensor([true, true, true])], ["axis": .int(0)], saying: "3")
    Self.refused("ReverseSequence", [scores, try Tensor(ints: [-1, 1, 1])], saying: "-1")
    Self.refused("OneHot", [try Tensor(ints: [1]), try Tensor([Int64(-1)], []), try Tensor(ints: [0, 1])], saying: "-1")
  }
  @Test func lengthsMustBeSensible() throws {
    let signal = try Self.floats(1, 8, 1), one = try Tensor([Int64(1)], [])
    for n in [0, -1, .max] as [Int64] {
      let length = try Tensor([n], [])
      Self.refused("DFT", [signal, length], version: 20, saying: "\(n)")
      Self.refused("STFT", [signal, one, nil, length], saying: "\(n)")
    }
    #expect(throws: SwiftletError.self) {
      let half = ValueType.tensor(.float, [.known(1), .known(1 << 62 + 2), .known(2)])
      _ = try NodeRunner.infer("DFT", [half], version: 17, ["inverse": .int(1), "onesided": .int(1)])
    }
    for n in [0, -3] as [Int64] { Self.refused("STFT", [signal, try Tensor([n], []), nil, try Tensor([Int64(4)], [])], saying: "\(n)") }
    Self.refused("ConstantOfShape", [try Tensor(ints: [2, -1])], saying: "-1")
    Self.refused("Expand", [try Self.floats(1), try Tensor(ints: [-2])], saying: "-2")
    Self.refused("BlackmanWindow", [try Tensor([Int64(-1)], [])], saying: "-1")
    Self.refused("Resize", [try Self.floats(1, 1, 2, 2), nil, nil, try Tensor(ints: [1, 1, -2, 2])], saying: "-2")
    Self.refused("Col2Im", [try Self.floats(1, 4, 1), try Tensor(ints: [2, 2]), try Tensor(ints: [0, 2])], saying: "0")
    Self.refused("CenterCropPad", [try Self.floats(2, 2), try Tensor(ints: [1, -1])], saying: "-1")
    Self.refused("AffineGrid", [try Self.floats(1, 2, 3), try Tensor(ints: [1, 1, 1 << 31, 1 << 31])], version: 20)
    Self.refused("Upsample", [try Self.floats(1, 1, 2, 2), try Tensor([Float(1), 1, -1, 1])], version: 9)
  }
  @Test func targetsMustFit() throws {
    let x = try Self.floats(2, 3)
    Self.refused("Reshape", [x, try Tensor(ints: [-1, -1])])
    Self.refused("Reshape", [x, try Tensor(ints: [4, -1])], saying: "4")
    Self.refused("Reshape", [x, try Tensor(ints: [1 << 32, 1 << 32])])
    Self.refused("Reshape", [x, try Tensor(ints: [-2, 3])])
    Self.refused("Expand", [x, try Tensor(ints: [2, 4])])
    Self.refused("Tile", [x, try Tensor(ints: [-1, 1])], saying: "-1")
    Self.refused("Split", [x, try Tensor(ints: [1, 3])], outputs: 2)
    Self.refused("Pad", [x, try Tensor(ints: [-9, 0, 0, 0])])
  }
  @Test func memoryIsLimited() throws {
    Self.refused("ConstantOfShape", [try Tensor(ints: [1 << 20, 1 << 20])])
    Self.refused("ConstantOfShape", [try Tensor(ints: [1 << 40, 1 << 40])])
    Self.refused("Tile", [try Self.floats(4), try Tensor(ints: [1 << 40])])
    Self.refused("Expand", [try Self.floats(1), try Tensor(ints: [1 << 40])])
    Self.refused("Range", [try Tensor([Int64(0)], []), try Tensor([Int64.max], []), try Tensor([Int64(1)], [])])
    Self.refused("Range", [try Tensor([Int64.min], []), try Tensor([Int64.max], []), try Tensor([Int64(0)], [])])
    Self.refused("OneHot", [try Tensor(ints: [1]), try Tensor([Int64.max], []), try Tensor(ints: [0, 1])])
    Self.refused("Pad", [try Self.floats(4), try Tensor(ints: [.max, .max])])
    Self.refused("Resize", [try Self.floats(1, 1, 2, 2), nil, try Tensor([Float(1), 1, 1e30, 1e30])])
    Self.refused("HannWindow", [try Tensor([Int64.max], [])])
    Self.refused("RandomNormal", [], ["shape": .ints([1 << 40])])
    Self.refused("EyeLike", [try Self.floats(2)])
    // Tables in arrays count as well.
    Self.refused("Resize", [try Tensor(.uint8, [UInt8(1)], [1]), nil, nil, try Tensor(ints: [1 << 24])], saying: "memory limit")
    Self.refused(
      "TreeEnsembleRegressor", [try Self.floats(1, 1)],
      [
        "nodes_treeids": .ints([0]), "nodes_nodeids": .ints([0]), "nodes_featureids": .ints([0]), "nodes_values": .floats([0]),
        "nodes_modes": .strings(["LEAF"]), "nodes_truenodeids": .ints([0]), "nodes_falsenodeids": .ints([0]),
        "target_treeids": .ints([0]), "target_nodeids": .ints([0]), "target_ids": .ints([0]), "target_weights": .floats([1]),
        "n_targets": .int(12 << 20),
      ], version: 3, domain: "ai.onnx.ml", saying: "memory limit")
  }
  @Test func integersDontDivideByZero() throws {
    for type in [ElementType.int8, .uint8, .int16, .int32, .int64, .uint64] {
      let ones = try Tensor(allocating: type, [2]), zeros = try Tensor(allocating: type, [2])
      ones.data.initializeMemory(as: UInt8.self, repeating: 1, count: ones.byteCount)
      zeros.data.initializeMemory(as: UInt8.self, repeating: 0, count: zeros.byteCount)
      Self.refused("Div", [ones, zeros], saying: "zero")
      Self.refused("Mod", [ones, zeros], saying: "zero")
    }
    // The quotient is one more than there are numbers.
    Self.refused("Div", [try Tensor([Int64.min]), try Tensor([Int64(-1)])])
    Self.refused("Div", [try Tensor([Int32.min]), try Tensor([Int32(-1)])])
    let rest = try NodeRunner.run("Mod", [try Tensor([Int64.min]), try Tensor([Int64(-1)])])[0]
    #expect(try rest.ints() == [0])
  }
  @Test func textIsNoNumber() throws {
    Self.refused("Cast", [try Tensor(strings: ["seven"], [1])], ["to": .int(1)], saying: "seven")
    Self.refused("Add", [try Tensor(strings: ["a"], [1]), try Tensor(strings: ["b"], [1])])
    Self.refused("RegexFullMatch", [try Tensor(strings: ["a"], [1])], ["pattern": .string("((a{1000}){1000}){1000}")])
  }
}
