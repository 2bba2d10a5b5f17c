import Graphs
import Tensors

/// What an operator may look at when it prepares its kernel: the node, and inputs that are constant. Preparing is quick;
/// work on large constants (packing) is done at the first run (`Lazily`).
public final class KernelContext: NodeReading {
  public let node: Node
  public let definition: OperatorDefinition
  private let inputTypes: [ValueType?]
  private let constants: [Tensor?]
  private let compile: (Graph) throws -> Subprogram

  public init(
    node: Node, definition: OperatorDefinition, inputTypes: [ValueType?], constants: [Tensor?],
    compile: @escaping (Graph) throws -> Subprogram = { _ in throw SwiftletError(.internal, "no subgraphs here") }
  ) {
    self.node = node
    self.definition = definition
    self.inputTypes = inputTypes
    self.constants = constants
    self.compile = compile
  }

  public var inputCount: Int { node.inputs.count }
  public var outputCount: Int { node.outputs.count }
  public func hasInput(_ i: Int) -> Bool { node.input(i) != nil }
  public func hasOutput(_ i: Int) -> Bool { node.output(i) != nil }
  /// As far as it is known before a run.
  public func type(_ i: Int) -> ValueType? { i < inputTypes.count ? inputTypes[i] : nil }
  public func elementType(_ i: Int) -> ElementType? { type(i)?.elementType }
  public func shape(_ i: Int) -> SymbolicShape? { type(i)?.shape }
  /// The input, when it is the same in every run. Half-precision constants are given as they are stored.
  public func constant(_ i: Int) -> Tensor? { i < constants.count ? constants[i] : nil }
  public func subprogram(_ attribute: String) throws -> Subprogram { try compile(try graph(attribute)) }
}

/// Something made at first use, once, from whatever thread comes first.
public final class Lazily<T>: @unchecked Sendable {
  private let lock = Lock()
  private var made: T?

  public init() {}

  public func get(_ make: () throws -> T) rethrows -> T {
    try lock.locked {
      if let made { return made }
      let value = try make()
      made = value
      return value
    }
  }
}
