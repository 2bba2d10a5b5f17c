import Graphs
import Tensors

/// Who makes and who uses each value, as of one moment: what pattern-matching passes look things up in.
struct GraphIndex {
  let graph: Graph
  private let producer: [Int]
  private let uses: [Int]
  private let consumers: [[Int]]

  init(_ graph: Graph) {
    self.graph = graph
    producer = graph.producers()
    uses = graph.useCounts()
    var c = [[Int]](repeating: [], count: graph.values.count)
    for (i, node) in graph.nodes.enumerated() { for id in node.inputs { if let id { c[id.index].append(i) } } }
    consumers = c
  }

  /// The node that makes a value: not an input, constant or capture.
  func maker(_ id: ValueID?) -> Node? {
    guard let id, producer[id.index] >= 0 else { return nil }
    return graph.nodes[producer[id.index]]
  }
  /// The node that makes a value, if it is of that operator of ai.onnx.
  func maker(_ id: ValueID?, _ opType: String) -> Node? {
    guard let n = maker(id), n.domain.isEmpty, n.opType == opType else { return nil }
    return n
  }
  func useCount(_ id: ValueID) -> Int { uses[id.index] }
  /// The only user of a value that nothing else (no output, no subgraph) uses.
  func onlyUser(_ id: ValueID?) -> Node? {
    guard let id, uses[id.index] == 1, consumers[id.index].count == 1 else { return nil }
    return graph.nodes[consumers[id.index][0]]
  }
  func users(_ id: ValueID) -> [Node] { consumers[id.index].map { graph.nodes[$0] } }

  func constant(_ id: ValueID?) -> Tensor? { id.flatMap { graph[$0].constant } }
  /// A constant of one element (whatever its rank) as a number.
  func scalar(_ id: ValueID?) -> Double? {
    guard let t = constant(id), t.count == 1, t.type.isFloat || t.type.isInteger, t.type.bits >= 8, t.type != .float8e8m0
    else { return nil }
    return try? t.scalar()
  }
  func shape(_ id: ValueID?) -> SymbolicShape? { id.flatMap { graph[$0].type?.shape } }
  func elementType(_ id: ValueID?) -> ElementType? { id.flatMap { graph[$0].type?.elementType } }
}

extension Graph {
  /// Removes nodes and puts others in their place: each replacement stands where its last removed node stood.
  func rewrite(removing removed: [ObjectIdentifier], adding added: [(at: ObjectIdentifier, node: Node)]) {
    let gone = Set(removed)
    var at: [ObjectIdentifier: [Node]] = [:]
    for (place, node) in added { at[place, default: []].append(node) }
    nodes = nodes.flatMap { node -> [Node] in
      let id = ObjectIdentifier(node)
      return (at[id] ?? []) + (gone.contains(id) ? [] : [node])
    }
  }
}
