import Graphs
import Tensors

/// Removes nodes whose outputs nobody uses, and forgets constants that nobody uses.
enum RemoveDeadNodes: Pass {
  static let name = "dead code"

  static func run(_ graph: Graph, _ context: PassContext) throws -> Int {
    var uses = graph.useCounts()
    var kept: [Node] = []
    var removed = 0
    for node in graph.nodes.reversed() {
      if node.outputs.contains(where: { $0.map { uses[$0.index] > 0 } ?? false }) {
        kept.append(node)
      } else {
        for id in node.allInputs { uses[id.index] -= 1 }
        removed += 1
      }
    }
    graph.nodes = kept.reversed()
    for i in graph.values.indices where uses[i] == 0 { (graph.values[i].constant, graph.values[i].sparse) = (nil, nil) }
    return removed
  }
}
