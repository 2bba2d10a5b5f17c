import Graphs
import Operators
import Tensors

/// Removes nodes that give back their first input: Identity, Dropout outside of training, casts to the same type,
/// reshapes to the same shape, x * 1, x / 1, x - 0...
enum RemoveIdentities: Pass {
  static let name = "no-op removal"

  static func run(_ graph: Graph, _ context: PassContext) throws -> Int {
    let index = GraphIndex(graph)
    var replacement: [ValueID: ValueID] = [:]
    var removed: [ObjectIdentifier] = []
    for node in graph.nodes {
      guard node.domain.isEmpty, let x = node.input(0), let y = node.output(0), try isIdentity(node, index),
        graph[x].type?.elementType == graph[y].type?.elementType
      else { continue }
      replacement[y] = x
      removed.append(ObjectIdentifier(node))
    }
    graph.replaceUses(replacement)
    graph.rewrite(removing: removed, adding: [])
    return removed.count
  }

  private static func isIdentity(_ node: Node, _ index: GraphIndex) throws -> Bool {
    let x = node.input(0)
    /// Whether input and output have the same shape, as far as can be told before a run.
    func sameShape() -> Bool {
      guard let a = index.shape(x), let b = index.shape(node.output(0)) else { return false }
      return a == b && !a.contains(.unknown)
    }
    switch node.opType {
    case "Identity": return index.graph[x ?? ValueID(0)].type?.elementType != nil
    case "Dropout":
      if node.output(1) != nil { return false }
      if node.version < 7 { return try node.bool("is_test") || node.version == 6 }
      return node.version < 12 || node.input(2) == nil || index.scalar(node.input(2)) == 0 || isFalse(index.constant(node.input(2)))
    case "Cast": return index.elementType(x) != nil && index.elementType(x) == index.elementType(node.output(0))
    case "Reshape", "Flatten", "Expand", "Squeeze", "Unsqueeze": return sameShape()
    case "Transpose":
      guard let perm = try node.ints("perm") else { return index.shape(x).map { $0.count <= 1 } ?? false }
      return perm == Array(0..<perm.count)
    case "Concat", "Sum", "Max", "Min", "Mean": return node.inputs.count == 1
    case "Mul", "Div": return index.scalar(node.input(1)) == 1 && sameShape()
    case "Sub": return index.scalar(node.input(1)) == 0 && sameShape()
    case "Pad":
      guard node.version >= 11, let pads = try index.constant(node.input(1))?.ints() else { return false }
      return pads.allSatisfy { $0 == 0 }
    default: return false
    }
  }
  private static func isFalse(_ t: Tensor?) -> Bool {
    guard let t, t.type == .bool, t.count == 1 else { return false }
    return t.pointer(UInt8.self)[0] == 0
  }
}
