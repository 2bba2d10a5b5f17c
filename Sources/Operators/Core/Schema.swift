import Graphs
import Tensors

/// A set of element types, and whether sequences, optionals and maps of any kind are meant as well.
public struct TypeSet: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  public init(_ types: ElementType...) { rawValue = types.reduce(0) { $0 | 1 << UInt32($1.rawValue) } }

  public static let floats = TypeSet(.float, .double, .float16, .bfloat16)
  public static let float8s = TypeSet(.float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz)
  public static let signed = TypeSet(.int8, .int16, .int32, .int64)
  public static let unsigned = TypeSet(.uint8, .uint16, .uint32, .uint64)
  public static let integers: TypeSet = [.signed, .unsigned]
  public static let numeric: TypeSet = [.floats, .integers]
  public static let indices = TypeSet(.int32, .int64)
  public static let int64 = TypeSet(.int64)
  public static let bool = TypeSet(.bool)
  public static let string = TypeSet(.string)
  public static let complex = TypeSet(.complex64, .complex128)
  /// 2- and 4-bit types, and the scale type float8e8m0.
  public static let narrow = TypeSet(.uint4, .int4, .float4e2m1, .uint2, .int2, .float8e8m0)
  public static let float6s = TypeSet(.float6e2m3, .float6e3m2)
  /// Every element type but the 6-bit floats, which few operators take.
  public static let tensors: TypeSet = [.numeric, .bool, .string, .complex, .float8s, .narrow]
  /// Sequences, optionals, maps (bit 0 is no element type).
  public static let containers = TypeSet(rawValue: 1)
  public static let anything: TypeSet = [.tensors, .containers]

  public func contains(_ type: ElementType) -> Bool { rawValue >> UInt32(type.rawValue) & 1 == 1 }
  public func allows(_ type: ValueType) -> Bool {
    switch type {
    case .tensor(let e, _), .sparseTensor(let e, _): contains(e)
    default: contains(.containers)
    }
  }
  /// "float, int64..." for messages and documentation.
  public var names: [String] {
    ElementType.allCases.filter(contains).map(\.name) + (contains(.containers) ? ["sequence", "optional", "map"] : [])
  }
}

/// An input or output of an operator.
public struct Parameter: Sendable {
  public enum Kind: Sendable, Equatable {
    case required, optional
    /// Any number, at least `minimum`; only the last parameter.
    case variadic(minimum: Int)
  }
  public let name: String
  /// The type variable, such as "T": a key of the schema's `types`. Inputs of one variable have one element type.
  public let type: String
  public let kind: Kind

  public static func required(_ name: String, _ type: String) -> Parameter { .init(name: name, type: type, kind: .required) }
  public static func optional(_ name: String, _ type: String) -> Parameter { .init(name: name, type: type, kind: .optional) }
  /// Inputs may differ in type when the type variable's name ends in "*".
  public static func variadic(_ name: String, _ type: String, minimum: Int = 1) -> Parameter {
    .init(name: name, type: type, kind: .variadic(minimum: minimum))
  }
}

/// An attribute of an operator with its default.
public struct AttributeSpec: @unchecked Sendable {
  public enum Kind: Sendable { case int, float, string, tensor, sparseTensor, graph, type, ints, floats, strings, tensors, graphs }
  public let name: String
  public let kind: Kind
  public let isRequired: Bool
  public let defaultValue: Attribute?

  public static func int(_ name: String, _ value: Int? = nil) -> AttributeSpec {
    .init(name: name, kind: .int, isRequired: false, defaultValue: value.map { .int($0) })
  }
  public static func float(_ name: String, _ value: Float? = nil) -> AttributeSpec {
    .init(name: name, kind: .float, isRequired: false, defaultValue: value.map { .float($0) })
  }
  public static func string(_ name: String, _ value: String? = nil) -> AttributeSpec {
    .init(name: name, kind: .string, isRequired: false, defaultValue: value.map { .string($0) })
  }
  public static func ints(_ name: String, _ value: [Int]? = nil) -> AttributeSpec {
    .init(name: name, kind: .ints, isRequired: false, defaultValue: value.map { .ints($0) })
  }
  public static func floats(_ name: String, _ value: [Float]? = nil) -> AttributeSpec {
    .init(name: name, kind: .floats, isRequired: false, defaultValue: value.map { .floats($0) })
  }
  public static func strings(_ name: String, _ value: [String]? = nil) -> AttributeSpec {
    .init(name: name, kind: .strings, isRequired: false, defaultValue: value.map { .strings($0) })
  }
  public static func optional(_ kind: Kind, _ name: String) -> AttributeSpec {
    .init(name: name, kind: kind, isRequired: false, defaultValue: nil)
  }
  public static func required(_ kind: Kind, _ name: String) -> AttributeSpec {
    .init(name: name, kind: kind, isRequired: true, defaultValue: nil)
  }

  /// Whether a value is of the attribute's kind. An empty list fits every kind of list.
  func accepts(_ value: Attribute) -> Bool {
    switch (kind, value) {
    case (.int, .int), (.float, .float), (.string, .string), (.tensor, .tensor), (.sparseTensor, .sparseTensor),
      (.graph, .graph), (.type, .type), (.ints, .ints), (.floats, .floats), (.strings, .strings), (.tensors, .tensors),
      (.graphs, .graphs):
      true
    case (.floats, .ints(let v)), (.strings, .ints(let v)): v.isEmpty
    case (.ints, .floats(let v)): v.isEmpty
    default: false
    }
  }
}

/// How the memory of the first output relates to the inputs.
public enum OutputMemory: Sendable {
  /// Memory of its own.
  case fresh
  /// The output is the first input with another shape: the same bytes, no copy. The kernel uses `setOutput`.
  case view
  /// The kernel works as well when the first output stands in the memory of one of these inputs (same type and shape).
  case inPlace([Int])
}

/// How exact an operator's results are; tests take their tolerances from it.
public enum Exactness: Sendable {
  /// Bit for bit: moves, integers, comparisons.
  case exact
  /// Each element correctly computed but for a few roundings.
  case rounding
  /// Sums of many terms, whose order is free.
  case accumulating
}

/// Everything about one operator (or the versions of it that share a form): one row of the table.
public final class OperatorDefinition: Sendable {
  public typealias Infer = @Sendable (InferenceContext) throws -> Void
  public typealias Prepare = @Sendable (KernelContext) throws -> Kernel

  public let name: String
  /// "" for ai.onnx.
  public let domain: String
  /// Operator set versions at which the operator's definition changed, as in the specification, ascending.
  public let since: [Int]
  /// The version from which on the operator no longer exists.
  public let removed: Int?
  public let inputs: [Parameter]
  public let outputs: [Parameter]
  /// The type variables.
  public let types: KeyValuePairs<String, TypeSet>
  public let attributes: [AttributeSpec]
  public let memory: OutputMemory
  /// Whether the kernel computes float16 and bfloat16 itself; otherwise it sees them as float, converted around it.
  public let takesHalf: Bool
  public let exactness: Exactness
  /// False for random numbers: never folded, never merged with an equal node.
  public let isDeterministic: Bool
  /// The shape rule: element types and shapes of the outputs, and their values where shapes alone tell them. The same
  /// rule serves shape inference and the run.
  public let infer: Infer
  /// For each input: the types allowed, and the number of its type variable (-1: inputs may differ).
  let inputRules: [(allowed: TypeSet, variable: Int)]
  /// Whether the shape rule checks a run's inputs before the kernel sees them. Views have nothing to compute, and the rule of
  /// an operator with subgraphs goes through all of them.
  let checksFirst: Bool
  /// Makes the kernel: reads and checks the attributes once.
  public let kernel: Prepare

  public init(
    _ name: String, domain: String = "", since: [Int], removed: Int? = nil, inputs: [Parameter], outputs: [Parameter],
    types: KeyValuePairs<String, TypeSet> = [:], attributes: [AttributeSpec] = [], memory: OutputMemory = .fresh,
    takesHalf: Bool = false, exactness: Exactness = .rounding, isDeterministic: Bool = true,
    infer: @escaping Infer, kernel: @escaping Prepare
  ) {
    self.name = name
    self.domain = domain
    self.since = since
    self.removed = removed
    self.inputs = inputs
    self.outputs = outputs
    self.types = types
    self.attributes = attributes
    self.memory = memory
    self.takesHalf = takesHalf
    self.exactness = exactness
    inputRules = inputs.map { p in
      guard let i = types.firstIndex(where: { $0.key == p.type }) else { return (.anything, -1) }
      return (types[i].value, p.type.utf8.last == UInt8(ascii: "*") ? -1 : i)
    }
    if case .view = memory { checksFirst = false } else { checksFirst = !attributes.contains { $0.kind == .graph } }
    self.isDeterministic = isDeterministic
    self.infer = infer
    self.kernel = kernel
  }

  public var qualifiedName: String { domain.isEmpty ? name : "\(domain).\(name)" }
  public func attribute(_ name: String) -> AttributeSpec? { attributes.first { $0.name == name } }
  /// What a type variable may stand for; nil: anything.
  func allowed(_ variable: String) -> TypeSet? { types.first { $0.key == variable }?.value }
  func parameter(_ list: [Parameter], _ i: Int) -> Parameter? {
    if i < list.count { return list[i] }
    guard let last = list.last, case .variadic = last.kind else { return nil }
    return last
  }
}

/// A prepared operator: reads the inputs of a run and writes its outputs. May be called from several threads at once, so
/// it keeps no state but constants (see `Lazily`).
public typealias Kernel = @Sendable (RunContext) throws -> Void
