import Graphs
import Kernels
import Tensors

/// One execution of one node: its inputs, its outputs, and the means to compute. Pointers into inputs, outputs and
/// scratch are valid until the kernel returns.
public final class RunContext {
  public let node: Node
  public let definition: OperatorDefinition
  public let environment: RunEnvironment
  /// As the kernel sees them.
  public private(set) var inputs: [Value?]
  /// As the graph has them.
  private let given: [Value?]
  public private(set) var outputs: [Value?]
  /// Outputs for which the plan has memory ready.
  private let planned: [Tensor?]
  /// Values of the enclosing graph, for subgraphs (see `Subprogram`).
  public let frame: AnyObject?
  /// float16 or bfloat16 when the kernel sees these as float.
  private let widened: ElementType?
  private var inferred: [ValueType?]?
  private let inferSubgraph: (Graph, [ValueType?]) throws -> [ValueType?]

  public init(
    node: Node, definition: OperatorDefinition, environment: RunEnvironment, inputs: [Value?], planned: [Tensor?] = [],
    frame: AnyObject? = nil,
    inferSubgraph: @escaping (Graph, [ValueType?]) throws -> [ValueType?] = { g, _ in g.outputs.map { _ in nil } }
  ) {
    self.node = node
    self.definition = definition
    self.environment = environment
    self.inputs = inputs
    self.given = inputs
    self.outputs = Array(repeating: nil, count: node.outputs.count)
    self.planned = planned
    self.frame = frame
    self.inferSubgraph = inferSubgraph
    widened = definition.takesHalf ? nil : inputs.lazy.compactMap { $0?.tensor?.type }.first { $0.isHalf }
  }

  /// Runs the kernel and returns the outputs; values of optional outputs that nobody asks for may be nil.
  public func execute(_ kernel: Kernel) throws -> [Value?] {
    try definition.check(given)
    // A plan has been through the shape rule; without one it comes before the kernel, which relies on it.
    if definition.checksFirst, planned.allSatisfy({ $0 == nil }) { _ = try inferredType(0) }
    let mark = environment.scratch.mark
    defer { environment.scratch.release(to: mark) }
    if let widened {
      for (i, v) in given.enumerated() {
        if let t = v?.tensor, t.type == widened { inputs[i] = .tensor(try convert(t, to: .float)) }
      }
    }
    try kernel(self)
    if let widened {
      for (i, v) in outputs.enumerated() {
        guard let t = v?.tensor, t.type == .float, try inferredType(i)?.elementType == widened else { continue }
        let half = try allocateOutput(i, widened, t.shape)
        try Cast.apply(t.type, t.data, to: half.type, half.data, t.count, pool: environment.pool)
        outputs[i] = .tensor(half)
      }
    }
    return outputs
  }

  private func convert(_ t: Tensor, to type: ElementType) throws -> Tensor {
    let r = try Tensor(allocating: type, t.shape, from: environment.allocator)
    try Cast.apply(t.type, t.data, to: type, r.data, t.count, pool: environment.pool)
    return r
  }

  /// What the kernel chose among several ways to compute, for profiles and `swiftlet inspect`; "" if there is one way.
  public private(set) var kernelName = ""
  public func chose(_ name: String) { kernelName = name }

  // MARK: Inputs

  public var pool: ThreadPool { environment.pool }
  public var inputCount: Int { inputs.count }
  public func hasInput(_ i: Int) -> Bool { i < inputs.count && inputs[i] != nil }
  public func hasOutput(_ i: Int) -> Bool { node.output(i) != nil }

  /// A value of any kind that must be there.
  public func value(_ i: Int) throws -> Value {
    guard i < inputs.count, let v = inputs[i] else { throw SwiftletError(.invalidModel, "input \(i) is missing") }
    return v
  }
  /// A tensor that must be there.
  public func input(_ i: Int) throws -> Tensor {
    guard case .tensor(let t) = try value(i) else { throw SwiftletError(.type, "input \(i) must be a tensor") }
    return t
  }
  public func optionalInput(_ i: Int) throws -> Tensor? { hasInput(i) ? try input(i) : nil }
  /// All inputs from `first` on, which must be tensors.
  public func variadic(from first: Int = 0) throws -> [Tensor] { try (first..<max(first, inputs.count)).map(input) }

  // MARK: Outputs

  /// The output's type by the shape rule, which sees the inputs as they were given.
  func inferredType(_ i: Int) throws -> ValueType? {
    if inferred == nil {
      let c = InferenceContext(
        node: node, definition: definition, inputTypes: given.map { $0?.type }, constants: given.map { $0?.tensor },
        inferSubgraph: inferSubgraph)
      try definition.infer(c)
      inferred = c.outputTypes
    }
    return inferred.flatMap { i < $0.count ? $0[i] : nil }
  }

  private func allocateOutput(_ i: Int, _ type: ElementType, _ shape: [Int]) throws -> Tensor {
    if i < planned.count, let p = planned[i], p.type == type, p.shape == shape { return p }
    return try Tensor(allocating: type, shape, from: environment.allocator)
  }

  /// Output `i` with the type and shape that the shape rule gives: the memory to write to.
  public func output(_ i: Int) throws -> Tensor {
    if widened == nil, i < planned.count, let p = planned[i] {
      outputs[i] = .tensor(p)
      return p
    }
    guard case .tensor(let type, let shape?) = try inferredType(i), let known = shape.known else {
      throw SwiftletError(.internal, "the shape rule does not tell the shape of output \(i)")
    }
    return try output(i, type == widened ? .float : type, known)
  }
  /// Output `i` with a type and shape that only the kernel knows.
  public func output(_ i: Int, _ type: ElementType, _ shape: [Int]) throws -> Tensor {
    guard i < outputs.count else { throw SwiftletError(.internal, "there is no output \(i)") }
    // A widened kernel's results pass through memory of their own on their way to 16 bits.
    let t =
      widened == nil ? try allocateOutput(i, type, shape)
      : try Tensor(allocating: type, shape, from: environment.allocator)
    outputs[i] = .tensor(t)
    return t
  }
  /// Makes `value` output `i`: views of inputs, sequences, optionals, maps. What is transient is copied, unless the
  /// schema says that the output is a view of the first input.
  public func setOutput(_ i: Int, _ value: Value?) throws {
    guard i < outputs.count else { return }
    if case .view = definition.memory, case .tensor = value { outputs[i] = value } else { outputs[i] = try value?.kept() }
  }
  public func setOutput(_ i: Int, _ tensor: Tensor) throws { try setOutput(i, .tensor(tensor)) }

  // MARK: Means

  /// Uninitialised memory until the kernel returns, aligned to 64 bytes.
  public func scratch(_ byteCount: Int) throws -> UnsafeMutableRawPointer { try environment.scratch.allocate(byteCount) }
  public func scratch<T: BitwiseCopyable>(_ count: Int, of: T.Type) throws -> UnsafeMutablePointer<T> {
    let bytes = try Checked.multiply(count, MemoryLayout<T>.stride)
    return try scratch(bytes).bindMemory(to: T.self, capacity: count)
  }
  /// A tensor that lives as long as it is referred to.
  public func temporary(_ type: ElementType, _ shape: [Int]) throws -> Tensor {
    try Tensor(allocating: type, shape, from: environment.allocator)
  }
  /// Counts Swift arrays of `count` elements against the memory limit, which doesn't see them, as long as the result
  /// is referred to.
  public func hold<T>(_ count: Int, of: T.Type) throws -> Buffer {
    try environment.allocator.allocate(Checked.multiply(count, MemoryLayout<T>.stride))
  }
  /// To be asked in long loops.
  public func checkCancelled() throws { try environment.cancellation.check() }
}

/// A subgraph, compiled: what If, Loop and Scan run.
public protocol Subprogram: Sendable {
  var inputCount: Int { get }
  /// Runs the subgraph; captured values are taken from the frame of the node that `context` executes.
  func run(_ inputs: [Value], in context: RunContext) throws -> [Value]
}
