import Graphs
import Operators
import Tensors

/// Common subexpressions: of nodes that compute the same from the same inputs, the first one serves all.
enum MergeEqualNodes: Pass {
  static let name = "common subexpressions"

  static func run(_ graph: Graph, _ context: PassContext) throws -> Int {
    var first: [String: Node] = [:]
    var replacement: [ValueID: ValueID] = [:]
    var removed: [ObjectIdentifier] = []
    func current(_ id: ValueID) -> ValueID {
      var id = id
      while let next = replacement[id] { id = next }
      return id
    }
    for node in graph.nodes {
      guard let key = key(node, graph, current) else { continue }
      guard let same = first[key] else {
        first[key] = node
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

  private static func key(_ node: Node, _ graph: Graph, _ current: (ValueID) -> ValueID) -> String? {
    guard Registry.find(node)?.isDeterministic == true else { return nil }
    var key = "\(node.qualifiedOpType) \(node.version)"
    for id in node.inputs {
      guard let id else {
        key += " _"
        continue
      }
      // Small equal constants count as the same input.
      if let c = graph[id].constant, c.type != .string, c.byteCount <= 64 {
        let bytes = UnsafeRawBufferPointer(start: c.data, count: c.byteCount)
        key += " \(c.type.name)\(c.shape)\(Array(bytes))"
      } else {
        key += " %\(current(id).index)"
      }
    }
    for (name, value) in node.attributes.sorted(by: { $0.key < $1.key }) {
      switch value {
      case .int(let v): key += " \(name)=\(v)"
      case .float(let v): key += " \(name)=\(v.bitPattern)f"
      case .string(let v): key += " \(name)=\"\(v)\""
      case .ints(let v): key += " \(name)=\(v)"
      case .floats(let v): key += " \(name)=\(v.map(\.bitPattern))f"
      case .strings(let v): key += " \(name)=\(v)"
      default: return nil
      }
    }
    return key
  }
}
