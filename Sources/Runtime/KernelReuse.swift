import Glibc
import Graphs
import Operators
import Tensors

extension Program {
  /// The kernel of the node at `index`, if `node` of another graph would get the same: the same operator, with the same
  /// attributes, input types and constants. What it has made of its constants goes with it.
  func kernel(_ index: Int, for node: Node, of other: Graph) -> Kernel? {
    guard index < instructions.count else { return nil }
    let mine = instructions[index].node
    guard mine.opType == node.opType, mine.domain == node.domain, mine.version == node.version,
      mine.inputs.count == node.inputs.count, mine.outputs.map({ $0 == nil }) == node.outputs.map({ $0 == nil }),
      mine.attributes.count == node.attributes.count,
      mine.attributes.allSatisfy({ name, a in node.attributes[name].map { Self.isSame(a, $0) } ?? false })
    else { return nil }
    let areSame = zip(mine.inputs, node.inputs).allSatisfy { a, b in
      guard let a, let b else { return a == nil && b == nil }
      guard graph[a].type == other[b].type else { return false }
      switch (graph[a].constant, other[b].constant) {
      case (let x?, let y?): return Self.isSame(x, y)
      case (nil, nil): return true
      default: return false
      }
    }
    return areSame ? instructions[index].kernel : nil
  }

  /// Larger constants are only compared by where they stand.
  private static let comparedBytes = 1 << 16

  private static func isSame(_ a: Tensor, _ b: Tensor) -> Bool {
    guard a.type == b.type, a.shape == b.shape, a.buffer.isApproximate == b.buffer.isApproximate else { return false }
    if a.type == .string { return a.strings == b.strings }
    return a.data == b.data || (a.byteCount <= comparedBytes && memcmp(a.data, b.data, a.byteCount) == 0)
  }

  /// Subgraphs, and what is rare, count as different.
  private static func isSame(_ a: Attribute, _ b: Attribute) -> Bool {
    switch (a, b) {
    case (.int(let x), .int(let y)): x == y
    case (.float(let x), .float(let y)): x.bitPattern == y.bitPattern
    case (.string(let x), .string(let y)): x == y
    case (.ints(let x), .ints(let y)): x == y
    case (.floats(let x), .floats(let y)): x.map(\.bitPattern) == y.map(\.bitPattern)
    case (.strings(let x), .strings(let y)): x == y
    case (.tensor(let x), .tensor(let y)): isSame(x, y)
    default: false
    }
  }
}

extension Program {
  /// Constants that take time to pack have this many bytes at least.
  private static let packedBytes = 1 << 16

  /// Lets kernels that are new make what they make of constants, before a run needs it: each runs once by itself, on zeros.
  /// - Parameter inputTypes: of runs that are to be expected.
  func prepare(inputTypes: [ValueType?], _ environment: RunEnvironment) throws {
    let plan = try Plan(self, inputTypes: inputTypes, outputs: graph.outputs.map(\.index), environment: environment)
    for step in plan.steps where !step.instruction.isTakenOver {
      let i = step.instruction
      let isPacking = i.node.inputs.contains { id in
        id.flatMap { graph[$0].constant }.map { $0.byteCount >= Self.packedBytes && $0.type != .string } ?? false
      }
      guard isPacking else { continue }
      try environment.cancellation.check()
      let inputs = try i.inputs.map { v in try v < 0 ? nil : plan.initial[v] ?? Self.zeros(plan.types[v]) }
      guard zip(i.inputs, inputs).allSatisfy({ $0 < 0 || $1 != nil }) else { continue }
      let context = RunContext(node: i.node, definition: i.definition, environment: environment, inputs: inputs)
      // What can't be run will say so to those who run it.
      _ = try? context.execute(i.kernel)
    }
  }

  private static func zeros(_ type: ValueType?) throws -> Value? {
    guard case .tensor(let e, let shape?)? = type, e != .string, let known = shape.known else { return nil }
    let t = try Tensor(allocating: e, known)
    t.data.initializeMemory(as: UInt8.self, repeating: 0, count: t.byteCount)
    return .tensor(t)
  }
}
