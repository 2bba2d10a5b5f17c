import Graphs
import Operators
import Tensors

/// Lets products and convolutions have the tickets that are their weights:
///
///     w = Signed(mask, seed, scale) -> MatMul(a, w)   ==>   ai.swiftlet.TicketMatMul(a, mask, seed, scale)
///     w = Signed(mask, seed, scale) -> Conv(x, w, b)  ==>   ai.swiftlet.TicketConv(x, mask, seed, scale, b)
///
/// Tickets of other users are expanded when constants are folded, and so are small ones.
enum TakeTickets: Pass {
  static let name = "tickets as weights"

  static func run(_ graph: Graph, _ context: PassContext) throws -> Int {
    let index = GraphIndex(graph)
    var removed: [ObjectIdentifier] = []
    var added: [(at: ObjectIdentifier, node: Node)] = []
    for node in graph.nodes {
      guard let ticket = index.ticket(node.input(1)), ticket.inputs.allSatisfy({ index.constant($0) != nil }),
        ticket.opType != "Uniform", let shape = index.shape(node.input(1))?.known,
        let taken = try take(node, ticket, shape, index)
      else { continue }
      taken.attributes["kind"] = .string(ticket.opType)
      taken.attributes["shape"] = .ints(shape)
      removed.append(ObjectIdentifier(node))
      added.append((ObjectIdentifier(node), taken))
    }
    graph.rewrite(removing: removed, adding: added)
    return added.count
  }

  private static func take(_ node: Node, _ ticket: Node, _ shape: [Int], _ index: GraphIndex) throws -> Node? {
    let parts = Array(ticket.inputs.prefix(TicketOperators.parts))
    if shape.count == 2, let product = try FuseEpilogues.product(node, index) {
      product.opType = "TicketMatMul"
      product.inputs = [product.input(0)] + parts + [product.input(2), product.input(3)]
      return product
    }
    // One input channel: the direct kernels of depthwise convolutions read floats.
    guard shape.count > 2, shape[1] > 1, let conv = try FuseEpilogues.convolution(node, index),
      try conv.int("group", default: 1) == 1
    else { return nil }
    conv.opType = "TicketConv"
    conv.inputs = [conv.input(0)] + parts + [conv.input(2), conv.input(3), conv.input(4)]
    return conv
  }
}
