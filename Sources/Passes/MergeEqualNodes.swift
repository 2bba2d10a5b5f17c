import Graphs
import Operators
import Tensors

/// Common subexpressions: of nodes that compute the same from the same inputs, the first one serves all.
enum MergeEqualNodes: Pass {
  static let name = "common subexpressions"

  static func run(_ graph: Graph, _ context: PassContext) throws -> Int {
    var first: [Call: Node] = [:]
    var replacement: [ValueID: ValueID] = [:]
    var removed: [ObjectIdentifier] = []
    func current(_ id: ValueID) -> ValueID {
      var id = id
      while let next = replacement[id] { id = next }
      return id
    }
    for node in graph.nodes {
      guard let call = call(node, graph, current) else { continue }
      guard let same = first[call] else {
        first[call] = node
        continue
      }
      // The first may lack an optional output that this one has.
      guard zip(node.outputs, same.outputs).allSatisfy({ $0 == nil || $1 != nil }), node.outputs.count == same.outputs.count
      else { continue }
      for (a, b) in zip(node.outputs, same.outputs) { if let a, let b { replacement[a] = b } }
      removed.append(ObjectIdentifier(node))
    }
    graph.replaceUses(replacement)
    graph.rewrite(removing: removed, adding: [])
    return removed.count
  }

  private static func call(_ node: Node, _ graph: Graph, _ current: (ValueID) -> ValueID) -> Call? {
    guard Registry.find(node)?.isDeterministic == true,
      node.attributes.values.allSatisfy({ Call.same($0, $0) })
    else { return nil }
    let inputs = node.inputs.map { id -> Call.Input in
      guard let id else { return .none }
      // Small equal constants count as the same input.
      guard let c = graph[id].constant, c.type != .string, c.byteCount <= 64 else { return .value(current(id)) }
      return .constant(c.type, c.shape, Array(UnsafeRawBufferPointer(start: c.data, count: c.byteCount)))
    }
    return Call(node: node, inputs: inputs)
  }
}

/// What a node computes: equal calls have equal results.
private struct Call: Hashable {
  enum Input: Hashable {
    case none
    case value(ValueID)
    case constant(ElementType, [Int], [UInt8])
  }
  let node: Node
  let inputs: [Input]

  static func == (a: Call, b: Call) -> Bool {
    a.node.opType == b.node.opType && a.inputs == b.inputs && a.node.domain == b.node.domain
      && a.node.version == b.node.version && a.node.attributes.count == b.node.attributes.count
      && a.node.attributes.allSatisfy { name, value in b.node.attributes[name].map { same(value, $0) } ?? false }
  }
  func hash(into hasher: inout Hasher) {
    hasher.combine(node.opType)
    hasher.combine(inputs)
  }

  /// Bit for bit; attributes that hold tensors or graphs aren't compared, and are never the same.
  static func same(_ a: Attribute, _ b: Attribute) -> Bool {
    switch (a, b) {
    case (.int(let a), .int(let b)): a == b
    case (.float(let a), .float(let b)): a.bitPattern == b.bitPattern
    case (.string(let a), .string(let b)): a == b
    case (.ints(let a), .ints(let b)): a == b
    case (.floats(let a), .floats(let b)): a.map(\.bitPattern) == b.map(\.bitPattern)
    case (.strings(let a), .strings(let b)): a == b
    default: false
    }
  }
}
