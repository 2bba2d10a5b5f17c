import Graphs
import Tensors

/// What a shape rule sees and says. Inputs may be known in full (a run, a constant), by type and shape, or not at all;
/// a rule says what follows from what is known and leaves the rest nil. It throws when the inputs can't be right.
public final class InferenceContext: NodeReading {
  public let node: Node
  public let definition: OperatorDefinition
  let inputTypes: [ValueType?]
  let constants: [Tensor?]
  let dimensionData: [[Dimension]?]
  /// Types of a subgraph's outputs, given those of its inputs.
  let inferSubgraph: (Graph, [ValueType?]) throws -> [ValueType?]

  public private(set) var outputTypes: [ValueType?]
  public private(set) var outputConstants: [Tensor?]
  public private(set) var outputDimensionData: [[Dimension]?]

  public init(
    node: Node, definition: OperatorDefinition, inputTypes: [ValueType?], constants: [Tensor?],
    dimensionData: [[Dimension]?] = [],
    inferSubgraph: @escaping (Graph, [ValueType?]) throws -> [ValueType?] = { g, _ in g.outputs.map { _ in nil } }
  ) {
    self.node = node
    self.definition = definition
    self.inputTypes = inputTypes
    self.constants = constants
    self.dimensionData = dimensionData
    self.inferSubgraph = inferSubgraph
    outputTypes = Array(repeating: nil, count: node.outputs.count)
    outputConstants = Array(repeating: nil, count: node.outputs.count)
    outputDimensionData = Array(repeating: nil, count: node.outputs.count)
  }

  // MARK: Inputs

  public var inputCount: Int { node.inputs.count }
  public var outputCount: Int { node.outputs.count }
  public func hasInput(_ i: Int) -> Bool { node.input(i) != nil }
  public func hasOutput(_ i: Int) -> Bool { node.output(i) != nil }
  public func type(_ i: Int) -> ValueType? { i < inputTypes.count ? inputTypes[i] : nil }
  /// nil when not known (or not a tensor).
  public func elementType(_ i: Int) -> ElementType? { type(i)?.elementType }
  /// nil when not even the rank is known.
  public func shape(_ i: Int) -> SymbolicShape? { type(i)?.shape }
  /// The shape with every dimension known, or nil.
  public func knownShape(_ i: Int) -> [Int]? { shape(i)?.known }
  public func rank(_ i: Int) -> Int? { shape(i)?.count }
  /// The input itself, when it is a constant or the rule runs with the inputs of a run.
  public func constant(_ i: Int) -> Tensor? { i < constants.count ? constants[i] : nil }
  /// The integers of a constant input (shapes, axes...), or nil.
  public func constantInts(_ i: Int) throws -> [Int]? { try constant(i)?.ints() }
  /// The elements of an integer vector or scalar as dimensions, some of which may be known by name only: the values of
  /// shape computations.
  public func dimensions(_ i: Int) throws -> [Dimension]? {
    if let t = constant(i), t.type.isInteger, t.rank <= 1 { return try t.ints().map { .known($0) } }
    return i < dimensionData.count ? dimensionData[i] : nil
  }
  /// Infers a subgraph's output types.
  public func infer(_ graph: Graph, inputs: [ValueType?]) throws -> [ValueType?] { try inferSubgraph(graph, inputs) }

  // MARK: Outputs

  public func set(_ i: Int, _ type: ValueType?) {
    if i < outputTypes.count { outputTypes[i] = type }
  }
  /// A tensor output; nothing is said when the element type isn't known.
  public func set(_ i: Int, _ element: ElementType?, _ shape: SymbolicShape?) {
    set(i, element.map { .tensor($0, shape) })
  }
  public func set(_ i: Int, _ element: ElementType?, _ shape: [Int]) { set(i, element, SymbolicShape(shape)) }
  /// An output whose type and shape are those of an input.
  public func set(_ i: Int, like input: Int) { set(i, type(input)) }
  /// An output that is known in full before the run.
  public func setConstant(_ i: Int, _ tensor: Tensor) {
    guard i < outputConstants.count else { return }
    outputConstants[i] = tensor
    set(i, tensor.type, tensor.shape)
  }
  /// The elements of an integer vector output as dimensions (see `dimensions`).
  public func setDimensions(_ i: Int, _ data: [Dimension]?) {
    if i < outputDimensionData.count { outputDimensionData[i] = data }
  }
}
