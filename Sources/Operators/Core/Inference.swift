import Graphs
import Tensors

/// What inference finds for the values of a graph.
public struct InferredGraph {
  public var types: [ValueType?]
  public var constants: [Tensor?]
  public var dimensions: [[Dimension]?]
  /// Values that were computed, that all their users have been computed from, and whose memory was given back.
  public var isSpent: [Bool]
}

/// Shape inference over a whole graph. Constants are followed through the nodes: what depends on shapes and constants
/// only is computed on the way, so that shape computations disappear.
public struct Inference {
  /// The largest result, in bytes, for which a node with constant inputs is run.
  public var foldLimit: Int
  /// Larger results are allowed as well when they are at most this many times as large as the node's inputs.
  public var foldGrowth: Int
  /// Memory and threads for running such nodes.
  public let environment: RunEnvironment
  /// Nodes that are not registered operators (calls of functions) are passed over.
  public init(foldLimit: Int, foldGrowth: Int = 0, environment: RunEnvironment) {
    self.foldLimit = foldLimit
    self.foldGrowth = foldGrowth
    self.environment = environment
  }

  /// - Parameter inputs: types of the graph's inputs, where more is known than the graph declares.
  /// - Parameter captured: types of the captured values (`graph.captures`), where known.
  /// - Parameter report: takes the errors of nodes, and inference goes on without their outputs; nil: the first one is thrown.
  public func run(
    _ graph: Graph, inputs: [ValueType?] = [], captured: [ValueType?] = [], report: ((SwiftletError) -> Void)? = nil
  ) throws -> InferredGraph {
    var r = InferredGraph(
      types: graph.values.map(\.type), constants: graph.values.map(\.constant),
      dimensions: Array(repeating: nil, count: graph.values.count),
      isSpent: Array(repeating: false, count: graph.values.count))
    var uses = graph.useCounts()
    for (id, t) in zip(graph.inputs, inputs) { r.types[id.index] = t ?? r.types[id.index] }
    for (c, t) in zip(graph.captures, captured) { r.types[c.inner.index] = t ?? r.types[c.inner.index] }
    for node in graph.nodes {
      guard let definition = Registry.find(node) else { continue }
      do {
        guard try infer(node, definition, &r) else { continue }
        for id in node.inputs {
          guard let id else { continue }
          uses[id.index] -= 1
          guard uses[id.index] == 0, graph[id].constant == nil else { continue }
          r.constants[id.index] = nil
          r.isSpent[id.index] = true
        }
      } catch let e as SwiftletError {
        let error = e.at(node: node.name, operatorName: node.qualifiedOpType)
        guard let report else { throw error }
        report(error)
      }
    }
    return r
  }

  /// Whether all outputs of the node are constants now.
  private func infer(_ node: Node, _ definition: OperatorDefinition, _ r: inout InferredGraph) throws -> Bool {
    let constants = node.inputs.map { $0.flatMap { r.constants[$0.index] } }
    // Taken out beforehand: a closure over `r` would copy it for every node.
    let subgraphs = node.subgraphs
    let captured = subgraphs.map { graph in graph.captures.map { r.types[$0.outer.index] } }
    let c = InferenceContext(
      node: node, definition: definition, inputTypes: node.inputs.map { $0.flatMap { r.types[$0.index] } },
      constants: constants, dimensionData: node.inputs.map { $0.flatMap { r.dimensions[$0.index] } },
      inferSubgraph: { graph, inputs in
        let i = subgraphs.firstIndex { $0 === graph }
        let inner = try run(graph, inputs: inputs, captured: i.map { captured[$0] } ?? [])
        return graph.outputs.map { inner.types[$0.index] }
      })
    try definition.infer(c)
    for (i, id) in node.outputs.enumerated() {
      guard let id else { continue }
      if let found = c.outputTypes[i] {
        r.types[id.index] = Self.refine(declared: r.types[id.index], found)
      }
      r.constants[id.index] = c.outputConstants[i]
      r.dimensions[id.index] = c.outputDimensionData[i]
    }
    try fold(node, definition, constants, &r)
    return node.outputs.allSatisfy { $0.map { r.constants[$0.index] != nil } ?? true }
  }

  /// Runs a node whose inputs are all constant, when its results are small.
  private func fold(
    _ node: Node, _ definition: OperatorDefinition, _ constants: [Tensor?], _ r: inout InferredGraph
  ) throws {
    guard definition.isDeterministic, node.attributes.values.allSatisfy({ $0.graphs.isEmpty }) else { return }
    let outputs = node.outputs.compactMap { $0 }
    guard outputs.contains(where: { r.constants[$0.index] == nil }) else { return }
    for (i, id) in node.inputs.enumerated() where id != nil && constants[i] == nil { return }
    let inputBytes = constants.reduce(0) { $0 + min($1?.byteCount ?? 0, 1 << 40) }
    let limit = max(foldLimit, foldGrowth * inputBytes)
    for id in outputs {
      guard case .tensor(let type, let shape?) = r.types[id.index], let known = shape.known,
        try type.byteCount(Checked.count(known)) <= limit
      else { return }
    }
    let kernel = try definition.kernel(
      KernelContext(node: node, definition: definition, inputTypes: node.inputs.map { $0.flatMap { r.types[$0.index] } },
        constants: constants))
    let context = RunContext(
      node: node, definition: definition, environment: environment, inputs: constants.map { $0.map(Value.tensor) })
    for (id, value) in zip(node.outputs, try context.execute(kernel)) {
      guard let id, let t = value?.tensor else { continue }
      r.constants[id.index] = t
      r.types[id.index] = value?.type
    }
  }

  /// What the rule found and what the model declares, together; where they disagree the rule is right.
  static func refine(declared: ValueType?, _ found: ValueType) -> ValueType {
    guard case .tensor(let e, let shape) = found, case .tensor(let d, let declaredShape)? = declared, d == e else {
      return found
    }
    return .tensor(e, ShapeRule.merge(shape, declaredShape) ?? shape)
  }
}
