import Tensors

extension Graph {
  /// The graph as text, one node a line, subgraphs indented: for people and for tests.
  public func text(indent: String = "") -> String {
    func name(_ id: ValueID) -> String { self[id].name.isEmpty ? "%\(id.index)" : self[id].name }
    func typed(_ id: ValueID) -> String { "\(name(id)): \(self[id].type.map(\.description) ?? "?")" }
    var s = indent + "graph \(self.name)(" + inputs.map(typed).joined(separator: ", ") + ")"
    if !captures.isEmpty { s += " captures " + captures.map { name($0.inner) }.joined(separator: ", ") }
    s += "\n"
    for node in nodes {
      let outs = node.outputs.map { $0.map(typed) ?? "_" }.joined(separator: ", ")
      let ins = node.inputs.map { id in
        guard let id else { return "_" }
        guard let c = self[id].constant else { return name(id) }
        return "\(name(id))=\(c.type.name)\(c.shape)"
      }.joined(separator: ", ")
      let attributes = node.attributes.sorted { $0.key < $1.key }.compactMap { key, value -> String? in
        value.graphs.isEmpty ? "\(key)=\(value.text)" : nil
      }.joined(separator: ", ")
      s += "\(indent)  \(outs) = \(node.qualifiedOpType)(\(ins))" + (attributes.isEmpty ? "" : " {\(attributes)}") + "\n"
      for (key, value) in node.attributes.sorted(by: { $0.key < $1.key }) where !value.graphs.isEmpty {
        for g in value.graphs { s += "\(indent)    \(key):\n" + g.text(indent: indent + "      ") }
      }
    }
    return s + indent + "  return " + outputs.map(name).joined(separator: ", ") + "\n"
  }
}

extension Attribute {
  var text: String {
    switch self {
    case .int(let v): "\(v)"
    case .float(let v): "\(v)"
    case .string(let v): "\"\(v)\""
    case .tensor(let t): "\(t.type.name)\(t.shape)"
    case .sparseTensor(let t): "sparse\(t.shape)"
    case .ints(let v): "\(v)"
    case .floats(let v): "\(v)"
    case .strings(let v): "\(v)"
    case .type(let t): "\(t)"
    case .types(let t): "\(t)"
    case .tensors(let t): "\(t.count) tensors"
    case .sparseTensors(let t): "\(t.count) sparse tensors"
    case .graph, .graphs: "graph"
    case .reference(let name): "@\(name)"
    }
  }
}
