import Graphs
import Operators
import Tensors

/// Computes what depends on constants only, and writes down the types that inference finds.
///
///     Shape(x: float[2,3]) -> Gather(·, 0) -> Concat(·, [-1])        ==>   constant int64[2]
///
/// Large results wait: a fusion may make them superfluous (MatMul reads a transposed weight as it stands).
enum FoldConstants: Pass {
  static let name = "constant folding"

  static func run(_ graph: Graph, _ context: PassContext) throws -> Int {
    try fold(graph, Inference(foldLimit: 1 << 16, environment: context.environment))
  }

  fileprivate static func fold(_ graph: Graph, _ inference: Inference) throws -> Int {
    let found = try inference.run(graph)
    for i in graph.values.indices { graph.values[i].type = found.types[i] }
    var folded = 0
    for node in graph.nodes {
      for id in node.outputs {
        guard let id, graph[id].constant == nil, let c = found.constants[id.index] else { continue }
        graph[id].constant = c
      }
    }
    graph.nodes.removeAll { node in
      let gone =
        node.outputs.allSatisfy { $0.map { graph[$0].constant != nil || found.isSpent[$0.index] } ?? true }
        && !node.outputs.isEmpty
      if gone { folded += 1 }
      return gone
    }
    for node in graph.nodes {
      for sub in node.subgraphs { takeConstants(into: sub, from: graph) }
    }
    return folded
  }

  /// Captured values that have become constants are constants of the subgraph as well.
  private static func takeConstants(into sub: Graph, from graph: Graph) {
    sub.captures.removeAll { capture in
      guard let c = graph[capture.outer].constant else {
        sub[capture.inner].type = graph[capture.outer].type
        return false
      }
      sub[capture.inner].constant = c
      return true
    }
    for node in sub.nodes { for inner in node.subgraphs { takeConstants(into: inner, from: sub) } }
  }
}

/// Folds what is left when all fusions are done, within the budget: results may be larger than what they are made from,
/// but not without bound, so that a small file can't blow up memory.
enum FoldLargeConstants: Pass {
  static let name = FoldConstants.name

  static func run(_ graph: Graph, _ context: PassContext) throws -> Int {
    try FoldConstants.fold(
      graph, Inference(foldLimit: context.foldLimit, foldGrowth: 2, environment: context.environment))
  }
}
