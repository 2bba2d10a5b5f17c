import Graphs
import Operators
import Tensors

/// Lets products and convolutions have the values and indices of the sparse initializers that are their weights, so that
/// nothing is kept written out:
///
///     w: sparse initializer -> MatMul(a, w)   ==>   ai.swiftlet.CoordinateMatMul(a, values, indices)
///     w: sparse initializer -> Conv(x, w, b)  ==>   ai.swiftlet.CoordinateConv(x, values, indices, b)
enum TakeCoordinates: Pass {
  static let name = "sparse initializers as weights"
  /// Weights of fewer bytes stay written out.
  private static let least = 1 << 16

  static func run(_ graph: Graph, _ context: PassContext) throws -> Int {
    let index = GraphIndex(graph)
    var parts: [Int: [ValueID?]] = [:]
    var removed: [ObjectIdentifier] = []
    var added: [(at: ObjectIdentifier, node: Node)] = []
    for node in graph.nodes {
      guard let id = node.input(1), let sparse = graph[id].sparse, let dense = index.constant(id),
        dense.type == .float, dense.byteCount >= least, index.elementType(node.input(0)) == .float,
        let taken = try take(node, sparse.shape, index)
      else { continue }
      let own = parts[id.index] ?? [sparse.values, sparse.indices].map { graph.addConstant($0, name: graph[id].name) }
      parts[id.index] = own
      taken.inputs = [taken.input(0)] + own + taken.inputs.dropFirst(2)
      taken.attributes["shape"] = .ints(sparse.shape)
      removed.append(ObjectIdentifier(node))
      added.append((ObjectIdentifier(node), taken))
    }
    graph.rewrite(removing: removed, adding: added)
    return added.count
  }

  private static func take(_ node: Node, _ shape: [Int], _ index: GraphIndex) throws -> Node? {
    if shape.count == 2, let product = try FuseEpilogues.product(node, index) {
      product.opType = "CoordinateMatMul"
      return product
    }
    guard shape.count > 2, let conv = try FuseEpilogues.convolution(node, index) else { return nil }
    conv.opType = "CoordinateConv"
    return conv
  }
}
