import Graphs
import Tensors

/// Finds operators by name and version.
public enum Registry {
  /// The newest operator sets that are covered.
  public static let newestOpset = [
    "": 28, "ai.onnx.ml": 5, "ai.onnx.preview": 1, "ai.onnx.preview.training": 1, "com.microsoft": 1,
    TicketOperators.domain: 1,
  ]

  /// Operators of the standard that are left out, and why.
  private static let refused = [
    "ai.onnx.preview.training.Gradient": "gradients aren't supported: this is a training step, and Swiftlet runs models"
  ]

  private static let byName: [String: [OperatorDefinition]] = Dictionary(
    grouping: operatorTable.flatMap { $0 }, by: \.qualifiedName)

  /// Every operator definition, sorted by domain and name.
  public static var all: [OperatorDefinition] {
    byName.values.flatMap { $0 }.sorted { ($0.domain, $0.name, $0.since.first ?? 0) < ($1.domain, $1.name, $1.since.first ?? 0) }
  }

  /// The definition that a node is to be read with, or nil when there is none.
  public static func find(_ node: Node) -> OperatorDefinition? {
    find(domain: node.domain, name: node.opType, version: node.version)
  }
  public static func find(domain: String, name: String, version: Int) -> OperatorDefinition? {
    guard let list = byName[domain.isEmpty ? name : "\(domain).\(name)"] else { return nil }
    var best: (version: Int, definition: OperatorDefinition)?
    for d in list {
      guard let v = d.since.last(where: { $0 <= version }), d.removed.map({ version < $0 }) ?? true else { continue }
      if v > best?.version ?? 0 { best = (v, d) }
    }
    return best?.definition
  }

  /// Why a node has no definition, for the message at load.
  public static func reason(_ node: Node) -> String {
    if let why = refused[node.qualifiedOpType] { return why }
    guard let list = byName[node.qualifiedOpType] else {
      if let reason = Refusals.reason(domain: node.domain, name: node.opType) { return reason }
      return newestOpset[node.domain] == nil ? "the domain '\(node.domain)' is not known" : "there is no such operator"
    }
    let since = list.flatMap(\.since).sorted()
    if let removed = list.compactMap(\.removed).max(), node.version >= removed {
      return "removed in operator set \(removed), and the model says \(node.version)"
    }
    return "defined since operator set \(since.first ?? 1), and the model says \(node.version)"
  }
}
