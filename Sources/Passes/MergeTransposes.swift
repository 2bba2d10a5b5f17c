import Graphs
import Operators
import Tensors

/// Two transposes in a row are one; two reshapes in a row are the last.
///
///     Transpose(p) -> Transpose(q)   ==>   Transpose(p[q])
///     Reshape(a) -> Reshape(b)       ==>   Reshape(b)         (b constant, without zeros that copy)
enum MergeTransposes: Pass {
  static let name = "transpose and reshape merging"
  private static let reshapes: Set<String> = ["Reshape", "Flatten", "Squeeze", "Unsqueeze"]

  static func run(_ graph: Graph, _ context: PassContext) throws -> Int {
    let index = GraphIndex(graph)
    var changes = 0
    for node in graph.nodes where node.domain.isEmpty {
      if node.opType == "Transpose", let before = index.maker(node.input(0), "Transpose"),
        let p = try before.ints("perm"), let q = try node.ints("perm"), p.count == q.count,
        q.allSatisfy({ $0 >= 0 && $0 < p.count })
      {
        node.inputs[0] = before.inputs[0]
        node.attributes["perm"] = .ints(q.map { p[$0] })
        changes += 1
      } else if node.opType == "Reshape", node.version >= 5, let before = index.maker(node.input(0)),
        before.domain.isEmpty, reshapes.contains(before.opType), let x = before.input(0),
        let target = try index.constant(node.input(1))?.ints(), !target.contains(0)
      {
        node.inputs[0] = x
        changes += 1
      }
    }
    return changes
  }
}
