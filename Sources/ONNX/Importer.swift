import Graphs
import Tensors

/// Reads an ONNX model into the IR.
public enum Importer {
  /// The newest IR version and ai.onnx operator set that are known here; newer files are read all the same, as operators
  /// that changed are refused one by one.
  public static let newestIR = 14

  /// - Parameter overridden: names of initializers that are also inputs and that the caller wants to feed.
  public static func importModel(from source: ModelSource, overridden: Set<String> = []) throws -> ModelGraph {
    let model = try parse(source)
    guard let graph = model.graph else {
      throw notAModel(source, SwiftletError(.parse, "the file holds no graph"))
    }
    var opsets: [String: Int] = [:]
    for o in model.opsets { opsets[o.domain] = max(o.version, opsets[o.domain] ?? 0) }
    if opsets[""] == nil, model.irVersion < 3 || model.opsets.isEmpty { opsets[""] = 1 }

    let tensors = TensorReader(source: source)
    let result = ModelGraph(graph: Graph())
    let functionKeys = Set(
      model.functions.map { FunctionKey(domain: normalizedDomain($0.domain), name: $0.name, overload: $0.overload) })
    for f in model.functions {
      var own = opsets
      for o in f.opsets { own[o.domain] = o.version }
      let builder = GraphBuilder(tensors: tensors, opsets: own, functions: functionKeys)
      let key = FunctionKey(domain: normalizedDomain(f.domain), name: f.name, overload: f.overload)
      guard result.functions[key] == nil else {
        throw SwiftletError(.invalidModel, "the function \(key.domain).\(key.name) is defined twice")
      }
      var body = GraphProto()
      body.name = f.name
      body.nodes = f.nodes
      body.inputs = f.inputs.map { ValueInfoProto(name: $0) }
      body.outputs = f.outputs.map { ValueInfoProto(name: $0) }
      body.valueInfos = f.valueInfos
      result.functions[key] = Function(
        key: key, body: try builder.graph(body, parent: nil), attributes: f.attributes,
        defaults: try builder.attributes(f.attributeDefaults, scope: Scope(graph: Graph(), parent: nil)))
    }
    let builder = GraphBuilder(tensors: tensors, opsets: opsets, functions: functionKeys)
    builder.overridden = overridden
    result.graph = try builder.graph(graph, parent: nil)
    result.overridable = builder.overridable
    result.weightBytes = builder.weightBytes
    result.irVersion = model.irVersion
    result.opsets = opsets
    result.producerName = model.producerName
    result.producerVersion = model.producerVersion
    result.domain = model.domain
    result.modelVersion = model.modelVersion
    result.documentation = model.documentation
    result.metadata = model.metadata
    return result
  }

  static func parse(_ source: ModelSource) throws -> ModelProto {
    do {
      let model = try ModelProto(WireReader(source.bytes.base, 0..<source.bytes.byteCount))
      if model.graph == nil { throw SwiftletError(.parse, "the file holds no graph") }
      return model
    } catch let e as SwiftletError {
      throw notAModel(source, e)
    }
  }

  /// The parse error, or what the bytes look like instead of a model.
  private static func notAModel(_ source: ModelSource, _ error: SwiftletError) -> SwiftletError {
    let bytes = UnsafeRawBufferPointer(start: source.bytes.base, count: source.bytes.byteCount)
    guard error.code == .parse, let what = sniff(bytes) else {
      guard error.code == .parse else { return error }
      var e = error
      e.message += bytes.first == 8 ? " (the file may be truncated)" : " (this is no ONNX model)"
      return e
    }
    return SwiftletError(.parse, what, byteOffset: 0)
  }
}

extension ValueInfoProto {
  init(name: String) {
    self.name = name
    self.type = nil
  }
}

/// Names that are visible at a place of the model.
private final class Scope {
  let graph: Graph
  let parent: Scope?
  private var names: [String: ValueID] = [:]

  init(graph: Graph, parent: Scope?) {
    self.graph = graph
    self.parent = parent
  }

  func find(local name: String) -> ValueID? { names[name] }
  func define(_ name: String, _ info: ValueInfo) throws -> ValueID {
    if names[name] != nil {
      throw SwiftletError(.invalidModel, "the value '\(name)' is defined twice in graph '\(graph.name)'")
    }
    let id = graph.add(info)
    names[name] = id
    return id
  }
  /// The value of that name here; values of enclosing graphs become captures, constants of theirs constants of ours.
  func resolve(_ name: String) -> ValueID? {
    if let id = names[name] { return id }
    guard let parent, let outer = parent.resolve(name) else { return nil }
    let inner = graph.add(parent.graph[outer])
    names[name] = inner
    if parent.graph[outer].constant == nil { graph.captures.append((outer, inner)) }
    return inner
  }
}

private final class GraphBuilder {
  let tensors: TensorReader
  let opsets: [String: Int]
  let functions: Set<FunctionKey>
  var overridden: Set<String> = []
  var overridable: [(name: String, type: ValueType)] = []
  var weightBytes = 0

  init(tensors: TensorReader, opsets: [String: Int], functions: Set<FunctionKey>) {
    self.tensors = tensors
    self.opsets = opsets
    self.functions = functions
  }

  func graph(_ proto: GraphProto, parent: Scope?) throws -> Graph {
    let graph = Graph(name: proto.name)
    let scope = Scope(graph: graph, parent: parent)
    var constants: [(name: String, tensor: Tensor, sparse: SparseTensor?)] = []
    for t in proto.initializers {
      let tensor = try tensors.tensor(t)
      constants.append((t.name, tensor, nil))
      weightBytes += tensor.byteCount
    }
    for s in proto.sparseInitializers {
      let sparse = try tensors.sparse(s)
      constants.append((s.values?.name ?? "", try sparse.dense(), sparse))
      weightBytes += sparse.values.byteCount
    }
    let initialized = Set(constants.map(\.name))
    for input in proto.inputs {
      let isConstant = initialized.contains(input.name)
      if isConstant, parent == nil, let type = input.type { overridable.append((input.name, type)) }
      if isConstant, !(parent == nil && overridden.contains(input.name)) { continue }
      graph.inputs.append(try scope.define(input.name, ValueInfo(name: input.name, type: input.type)))
    }
    for (name, tensor, sparse) in constants where !(parent == nil && overridden.contains(name)) {
      if name.isEmpty { throw SwiftletError(.invalidModel, "an initializer has no name") }
      let id = try scope.define(name, ValueInfo(name: name, constant: tensor))
      graph[id].sparse = sparse
    }
    var declared: [String: ValueType] = [:]
    for v in proto.valueInfos + proto.outputs { if let t = v.type { declared[v.name] = t } }
    for node in try ordered(proto, scope) { try add(node, to: scope, declared) }
    for output in proto.outputs {
      guard let id = scope.resolve(output.name) else {
        throw SwiftletError(.invalidModel, "no node makes the output '\(output.name)' of graph '\(proto.name)'")
      }
      graph.outputs.append(id)
    }
    return graph
  }

  private func add(_ proto: NodeProto, to scope: Scope, _ declared: [String: ValueType]) throws {
    let domain = normalizedDomain(proto.domain)
    let qualified = domain.isEmpty ? proto.opType : "\(domain).\(proto.opType)"
    do {
      var inputs: [ValueID?] = []
      for name in proto.inputs {
        if name.isEmpty {
          inputs.append(nil)
        } else if let id = scope.resolve(name) {
          inputs.append(id)
        } else {
          throw SwiftletError(.invalidModel, "no node, input or initializer makes the input '\(name)'")
        }
      }
      let attributes = try attributes(proto.attributes, scope: scope)
      var outputs: [ValueID?] = []
      for name in proto.outputs {
        outputs.append(name.isEmpty ? nil : try scope.define(name, ValueInfo(name: name, type: declared[name])))
      }
      // A domain that isn't imported: version 1 (models with com.microsoft operators often leave the import out).
      scope.graph.nodes.append(
        Node(
          name: proto.name, opType: proto.opType, domain: domain, version: opsets[domain] ?? 1,
          overload: proto.overload, inputs: inputs, outputs: outputs, attributes: attributes))
    } catch var e as SwiftletError {
      e.byteOffset = e.byteOffset ?? proto.offset
      throw e.at(node: proto.name, operatorName: qualified)
    }
  }

  func attributes(_ list: [AttributeProto], scope: Scope) throws -> [String: Attribute] {
    var result: [String: Attribute] = [:]
    for a in list {
      if result[a.name] != nil { throw SwiftletError(.invalidModel, "the attribute '\(a.name)' is given twice") }
      if let value = try attribute(a, scope: scope) { result[a.name] = value }
    }
    return result
  }

  private func attribute(_ a: AttributeProto, scope: Scope) throws -> Attribute? {
    if !a.referenceName.isEmpty { return .reference(a.referenceName) }
    func text(_ r: Range<Int>) throws -> String { try WireReader(tensors.source.bytes.base, 0..<0).string(r) }
    switch a.type {
    case 1: return .float(a.float ?? 0)
    case 2: return .int(a.int ?? 0)
    case 3: return .string(try text(a.string ?? 0..<0))
    case 4:
      guard let t = a.tensor else { break }
      return .tensor(try tensors.tensor(t))
    case 5:
      guard let g = a.graph else { break }
      return .graph(try graph(g, parent: scope))
    case 6: return .floats(a.floats)
    case 7: return .ints(a.ints.map { Int($0) })
    case 8: return .strings(try a.strings.map(text))
    case 9: return .tensors(try a.tensors.map(tensors.tensor))
    case 10: return .graphs(try a.graphs.map { try graph($0, parent: scope) })
    case 11:
      guard let s = a.sparseTensor else { break }
      return .sparseTensor(try tensors.sparse(s))
    case 12: return .sparseTensors(try a.sparseTensors.map(tensors.sparse))
    case 13:
      guard let t = a.typeProto else { break }
      return .type(t)
    case 14: return .types(a.typeProtos)
    case 0:
      // Files of IR 1 and 2 have no type: it is the field that is there.
      if let v = a.float { return .float(v) }
      if let v = a.int { return .int(v) }
      if let v = a.string { return .string(try text(v)) }
      if let t = a.tensor { return .tensor(try tensors.tensor(t)) }
      if let g = a.graph { return .graph(try graph(g, parent: scope)) }
      if !a.floats.isEmpty { return .floats(a.floats) }
      if !a.strings.isEmpty { return .strings(try a.strings.map(text)) }
      return .ints(a.ints.map { Int($0) })
    default: throw SwiftletError(.parse, "the attribute '\(a.name)' has the unknown type \(a.type)")
    }
    throw SwiftletError(.parse, "the attribute '\(a.name)' has no value")
  }

  /// The nodes in an order in which every value is made before it is used. Sorted graphs, as the specification asks for,
  /// are returned as they are.
  private func ordered(_ proto: GraphProto, _ scope: Scope) throws -> [NodeProto] {
    var maker: [String: Int] = [:]
    for (i, node) in proto.nodes.enumerated() {
      for name in node.outputs where !name.isEmpty { maker[name] = i }
    }
    var sorted = true
    var needs: [[Int]] = []
    needs.reserveCapacity(proto.nodes.count)
    for (i, node) in proto.nodes.enumerated() {
      var names = node.inputs
      for a in node.attributes { for g in a.allGraphs { g.freeNames(into: &names) } }
      let from = names.compactMap { maker[$0] }
      if from.contains(where: { $0 >= i }) { sorted = false }
      needs.append(from)
    }
    if sorted { return proto.nodes }

    var waiting = needs.map(\.count)
    var users = [[Int]](repeating: [], count: needs.count)
    for (i, from) in needs.enumerated() { for j in from { users[j].append(i) } }
    var ready = waiting.indices.filter { waiting[$0] == 0 }
    var order: [NodeProto] = []
    var next = 0
    while next < ready.count {
      let i = ready[next]
      next += 1
      order.append(proto.nodes[i])
      for user in users[i] {
        waiting[user] -= 1
        if waiting[user] == 0 { ready.append(user) }
      }
    }
    guard order.count == proto.nodes.count else {
      let i = waiting.firstIndex { $0 > 0 } ?? 0
      throw SwiftletError(
        .invalidModel, "the graph '\(proto.name)' has a cycle", node: proto.nodes[i].name,
        operatorName: proto.nodes[i].opType, byteOffset: proto.nodes[i].offset)
    }
    return order
  }
}

extension AttributeProto {
  fileprivate var allGraphs: [GraphProto] { graph.map { [$0] + graphs } ?? graphs }
}

extension GraphProto {
  /// Names that the graph takes from outside.
  fileprivate func freeNames(into names: inout [String]) {
    var own = Set<String>()
    for i in inputs { own.insert(i.name) }
    for i in initializers { own.insert(i.name) }
    for n in nodes { own.formUnion(n.outputs) }
    var used = outputs.map(\.name)
    for n in nodes {
      used += n.inputs
      for a in n.attributes { for g in a.allGraphs { g.freeNames(into: &used) } }
    }
    names += used.filter { !own.contains($0) }
  }
}
