import Graphs
import Operators
import Passes
import Tensors

/// A graph with a prepared kernel for each node. Immutable, shared by sessions and threads.
public final class Program: Subprogram, @unchecked Sendable {
  struct Instruction {
    let node: Node
    let definition: OperatorDefinition
    let kernel: Kernel
    /// Whether the kernel was taken over from another program.
    let isTakenOver: Bool
    let inputs: [Int]
    let outputs: [Int]
    /// Values of this graph that the node's subgraphs take.
    let captures: [Int]
  }

  public let graph: Graph
  let instructions: [Instruction]
  /// For runs without a plan: values that nobody uses after each instruction.
  private let lastUses: [[Int]]

  public var inputCount: Int { graph.inputs.count }

  /// - Parameter known: a program whose kernels are taken over where a node and its constants are the same.
  init(_ graph: Graph, like known: Program? = nil) throws {
    self.graph = graph
    var list: [Instruction] = []
    list.reserveCapacity(graph.nodes.count)
    for (index, node) in graph.nodes.enumerated() {
      guard let definition = Registry.find(node) else {
        throw SwiftletError(.unsupported, Registry.reason(node), node: node.name, operatorName: node.qualifiedOpType)
      }
      do {
        let taken = known?.kernel(index, for: node, of: graph)
        let kernel = try taken ?? definition.kernel(
          KernelContext(
            node: node, definition: definition, inputTypes: node.inputs.map { $0.flatMap { graph[$0].type } },
            constants: node.inputs.map { $0.flatMap { graph[$0].constant } }, compile: { try Program($0) }))
        list.append(
          Instruction(
            node: node, definition: definition, kernel: kernel, isTakenOver: taken != nil, inputs: node.inputs.map { $0?.index ?? -1 },
            outputs: node.outputs.map { $0?.index ?? -1 },
            captures: node.subgraphs.flatMap { $0.captures.map(\.outer.index) }))
      } catch let e as SwiftletError {
        throw e.at(node: node.name, operatorName: node.qualifiedOpType)
      }
    }
    instructions = list
    lastUses = Self.lastUses(list, Array(list.indices), outputs: graph.outputs.map(\.index), count: graph.values.count)
  }

  /// For each step, the values whose last use it is.
  static func lastUses(_ all: [Instruction], _ steps: [Int], outputs: [Int], count: Int) -> [[Int]] {
    var last = [Int](repeating: -1, count: count)
    for (s, i) in steps.enumerated() {
      for v in all[i].inputs + all[i].captures + all[i].outputs where v >= 0 { last[v] = s }
    }
    for v in outputs { last[v] = -1 }
    var result = [[Int]](repeating: [], count: steps.count)
    for (v, s) in last.enumerated() where s >= 0 { result[s].append(v) }
    return result
  }

  /// Runs as the subgraph of a node.
  public func run(_ inputs: [Value], in context: RunContext) throws -> [Value] {
    guard inputs.count == graph.inputs.count else {
      throw SwiftletError(.invalidModel, "the subgraph '\(graph.name)' takes \(graph.inputs.count) inputs, not \(inputs.count)")
    }
    let outer = context.frame as? Frame
    guard outer != nil || graph.captures.isEmpty else { throw SwiftletError(.internal, "a subgraph without a frame") }
    let captured = graph.captures.map { outer?.values[$0.outer.index] }
    let ready = try outer?.plans.plan(for: self, inputs: inputs, captured: captured, context.environment)
    let frame = Frame(values: ready?.plan.initial ?? graph.values.map { $0.constant.map(Value.tensor) }, outer?.plans)
    for (c, v) in zip(graph.captures, captured) { frame.values[c.inner.index] = v }
    for (id, v) in zip(graph.inputs, inputs) { frame.values[id.index] = v }
    if let (plan, planned) = ready {
      for (step, outputs) in zip(plan.steps, planned) {
        try frame.execute(step.instruction, planned: outputs, context.environment)
        for v in step.releases { frame.values[v] = nil }
      }
    } else {
      for (s, instruction) in instructions.enumerated() {
        try frame.execute(instruction, planned: [], context.environment)
        for v in lastUses[s] { frame.values[v] = nil }
      }
    }
    return try graph.outputs.map { id in
      guard let v = frame.values[id.index] else {
        throw SwiftletError(.runtime, "the output '\(graph[id].name)' has no value")
      }
      return try v.kept()
    }
  }
}

/// The values of one execution of one graph.
final class Frame {
  var values: [Value?]
  let plans: SubgraphPlans

  init(values: [Value?], _ plans: SubgraphPlans?) {
    self.values = values
    self.plans = plans ?? SubgraphPlans()
  }

  /// - Returns: what the kernel says it chose.
  @discardableResult
  func execute(_ i: Program.Instruction, planned: [Tensor?], _ environment: RunEnvironment) throws -> String {
    do {
      try environment.cancellation.check()
      let context = RunContext(
        node: i.node, definition: i.definition, environment: environment,
        inputs: i.inputs.map { $0 < 0 ? nil : values[$0] }, planned: planned, frame: self)
      for (v, value) in zip(i.outputs, try context.execute(i.kernel)) where v >= 0 {
        guard let value else { throw SwiftletError(.internal, "the kernel makes no output for '\(i.node.name)'") }
        values[v] = value
      }
      return context.kernelName
    } catch let e as SwiftletError {
      throw e.at(node: i.node.name, operatorName: i.node.qualifiedOpType)
    }
  }
}
