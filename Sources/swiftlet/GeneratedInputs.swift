import ArgumentParser
import Swiftlet

/// The argument of `--dim`: NAME=VALUE.
struct DimensionArgument: ExpressibleByArgument {
  let name: String
  let value: Int
  init?(argument: String) {
    guard let equals = argument.lastIndex(of: "="), equals > argument.startIndex,
      let n = Int(argument[argument.index(after: equals)...]), n >= 0
    else { return nil }
    name = String(argument[..<equals])
    value = n
  }
}

/// Options of the commands that make up inputs.
struct DimensionOptions: ParsableArguments {
  @Option(
    name: .customLong("dim"), parsing: .singleValue,
    help: ArgumentHelp("The value of a symbolic dimension of the inputs (repeat); others are 1.", valueName: "name=value"))
  var dimensions: [DimensionArgument] = []

  /// Values by name, all of which the model's inputs must know.
  func values(for model: Model) throws -> [String: Int] {
    let known = Set(model.inputs.flatMap { $0.type?.symbols ?? [] })
    for d in dimensions where !known.contains(d.name) {
      throw SwiftletError(
        .invalidArgument,
        "no input has a dimension '\(d.name)'" + (known.isEmpty ? "" : "; there are \(known.sorted().joined(separator: ", "))"))
    }
    return Dictionary(dimensions.map { ($0.name, $0.value) }) { $1 }
  }
}

/// Makes up inputs, the same in every run: floating-point numbers from [0, 1); integers from 0 to 7, which do as token
/// ids, and as what their names promise for masks (1), positions (0, 1, 2...) and token types (0); bools are true.
struct InputGenerator {
  let dimensions: [String: Int]
  private var state: UInt64 = 0x9e37_79b9_7f4a_7c15

  init(dimensions: [String: Int]) { self.dimensions = dimensions }

  /// A value for each of the model's inputs that isn't in `given`.
  mutating func complete(_ given: [String: Value], for model: Model) throws -> [String: Value] {
    var values = given
    for port in model.inputs where values[port.name] == nil {
      guard let type = port.type, let v = try value(type, port.name) else {
        throw SwiftletError(
          .invalidArgument, "no value can be made up for the input '\(port.name)' (\(port.type?.description ?? "of any type")); give --in")
      }
      values[port.name] = v
    }
    return values
  }

  private mutating func value(_ type: ValueType, _ name: String) throws -> Value? {
    switch type {
    case .tensor(let e, let shape?), .sparseTensor(let e, let shape?):
      return .tensor(try tensor(e, shape.map { d in
        switch d {
        case .known(let n): n
        case .symbol(let s): dimensions[s] ?? 1
        case .unknown: 1
        }
      }, name))
    case .tensor(_, nil), .sparseTensor(_, nil), .map: return nil
    case .sequence(let t): return try value(t, name).map { .sequence([$0], elementType: t) }
    case .optional(let t): return try value(t, name).map { .optional($0, type: t) }
    }
  }

  private mutating func tensor(_ type: ElementType, _ shape: [Int], _ name: String) throws -> Tensor {
    if type == .string { return try Tensor(strings: Array(repeating: "text", count: Checked.count(shape)), shape) }
    let t = try Tensor(allocating: type, shape)
    func fill<T: BitwiseCopyable>(_: T.Type, _ make: (Int) -> T) {
      let p = t.pointer(T.self)
      for i in 0..<t.count { p[i] = make(i) }
    }
    let lower = name.lowercased()
    let last = max(shape.last ?? 1, 1)
    var random = self
    func integer(_ i: Int) -> Int {
      if lower.contains("mask") { return 1 }
      if lower.contains("position") { return i % last }
      if lower.contains("type") || lower.contains("segment") { return 0 }
      return Int(random.next() >> 61)
    }
    switch type {
    case .float: fill(Float.self) { _ in Float(random.next() >> 40) * 0x1p-24 }
    case .double: fill(Double.self) { _ in Double(random.next() >> 11) * 0x1p-53 }
    case .float16: fill(UInt16.self) { _ in Half.bits(Float(random.next() >> 40) * 0x1p-24) }
    case .bfloat16: fill(UInt16.self) { _ in Half.bfloat16Bits(Float(random.next() >> 40) * 0x1p-24) }
    case .complex64: (0..<2 * t.count).forEach {
      t.data.storeBytes(of: Float(random.next() >> 40) * 0x1p-24, toByteOffset: 4 * $0, as: Float.self)
    }
    case .complex128: (0..<2 * t.count).forEach {
      t.data.storeBytes(of: Double(random.next() >> 11) * 0x1p-53, toByteOffset: 8 * $0, as: Double.self)
    }
    case .bool: fill(UInt8.self) { _ in 1 }
    case .int8, .uint8: fill(UInt8.self) { UInt8(truncatingIfNeeded: integer($0)) }
    case .int16, .uint16: fill(UInt16.self) { UInt16(truncatingIfNeeded: integer($0)) }
    case .int32, .uint32: fill(UInt32.self) { UInt32(truncatingIfNeeded: integer($0)) }
    case .int64, .uint64: fill(UInt64.self) { UInt64(truncatingIfNeeded: integer($0)) }
    // Packed and 8-bit floating-point types: bytes that stand for finite numbers in all of them.
    default: (0..<t.byteCount).forEach { t.data.storeBytes(of: UInt8(random.next() >> 56) & 0x33, toByteOffset: $0, as: UInt8.self) }
    }
    self = random
    return t
  }

  /// SplitMix64.
  private mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}

extension ValueType {
  /// Names of the dimensions that the type leaves open.
  fileprivate var symbols: [String] {
    switch self {
    case .tensor(_, let s), .sparseTensor(_, let s):
      (s ?? []).compactMap { if case .symbol(let name) = $0 { name } else { nil } }
    case .sequence(let t), .optional(let t), .map(_, let t): t.symbols
    }
  }
}
