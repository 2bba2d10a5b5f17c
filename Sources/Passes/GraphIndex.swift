import Graphs
import Operators
import Tensors

/// Who makes and who uses each value, as of one moment: what pattern-matching passes look things up in.
struct GraphIndex {
  let graph: Graph
  private let producer: [Int]
  private let uses: [Int]
  /// The nodes that use value v: `consumers[firstConsumer[v]..<firstConsumer[v + 1]]`.
  private let consumers: [Int]
  private let firstConsumer: [Int]

  init(_ graph: Graph) {
    self.graph = graph
    producer = graph.producers()
    uses = graph.useCounts()
    var first = [Int](repeating: 0, count: graph.values.count + 1)
    for node in graph.nodes { for id in node.inputs { if let id { first[id.index + 1] += 1 } } }
    for i in 1..<first.count { first[i] += first[i - 1] }
    var next = first
    var list = [Int](repeating: 0, count: first[graph.values.count])
    for (i, node) in graph.nodes.enumerated() {
      for id in node.inputs {
        guard let id else { continue }
        list[next[id.index]] = i
        next[id.index] += 1
      }
    }
    consumers = list
    firstConsumer = first
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
    guard let id, uses[id.index] == 1, let node = users(of: id).first else { return nil }
    return graph.nodes[node]
  }
  func users(_ id: ValueID) -> [Node] { users(of: id).map { graph.nodes[$0] } }
  private func users(of id: ValueID) -> ArraySlice<Int> { consumers[firstConsumer[id.index]..<firstConsumer[id.index + 1]] }

  func constant(_ id: ValueID?) -> Tensor? { id.flatMap { graph[$0].constant } }
  /// A ticket that hasn't been expanded.
  func ticket(_ id: ValueID?) -> Node? {
    guard let n = maker(id), TicketOperators.makes(n) else { return nil }
    return n
  }
  /// What is the same in every run, and is packed.
  func isWeight(_ id: ValueID?) -> Bool { constant(id) != nil || ticket(id) != nil }
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
