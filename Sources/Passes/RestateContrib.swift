import Graphs
import Operators
import Tensors

/// Says in ONNX's operators what com.microsoft has others for, so that the passes behind it know it:
///
///     Gelu(x), FastGelu(x), QuickGelu(x)   ==>   Gelu(x), Gelu(x) by tanh, Swish(x)
///     BiasGelu(x, b), FastGelu(x, b)       ==>   Gelu(x + b)
///     FusedMatMul(a, b)                    ==>   the product that takes epilogues
enum RestateContrib: Pass {
  static let name = "restating of com.microsoft"

  static func run(_ graph: Graph, _ context: PassContext) throws -> Int {
    var sums: [(at: ObjectIdentifier, node: Node)] = []
    var changes = 0
    let index = GraphIndex(graph)
    for node in graph.nodes where node.domain == "com.microsoft" {
      switch node.opType {
      case "Gelu", "BiasGelu": restate(node, "Gelu", version: 20, [:])
      case "FastGelu": restate(node, "Gelu", version: 20, ["approximate": .string("tanh")])
      case "QuickGelu": restate(node, "Swish", version: 24, ["alpha": .float(try node.float("alpha", default: 1.702))])
      case "FusedMatMul":
        guard try !node.bool("transBatchA"), try !node.bool("transBatchB"), index.shape(node.input(0))?.count ?? 0 >= 2,
          index.shape(node.input(1))?.count ?? 0 >= 2
        else { continue }
        (node.domain, node.opType) = (InternalDomain.name, "MatMul")
        node.attributes["transBatchA"] = nil
        node.attributes["transBatchB"] = nil
        node.inputs += [nil, nil]
      default: continue
      }
      changes += 1
      guard node.domain.isEmpty, let x = node.input(0), let bias = node.input(1) else { continue }
      let sum = graph.add(ValueInfo(name: "\(node.name)/sum", type: graph[x].type))
      sums.append((ObjectIdentifier(node), Node(name: "\(node.name)/add", opType: "Add", version: 14, inputs: [x, bias], outputs: [sum])))
      node.inputs = [sum]
    }
    graph.rewrite(removing: [], adding: sums)
    return changes
  }

  private static func restate(_ node: Node, _ opType: String, version: Int, _ attributes: [String: Attribute]) {
    (node.domain, node.opType, node.version, node.attributes) = ("", opType, version, attributes)
  }
}
