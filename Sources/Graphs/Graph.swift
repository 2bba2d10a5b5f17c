import Tensors

/// A value (an edge) of one graph.
public struct ValueID: Hashable, Sendable {
  public let index: Int
  @inlinable public init(_ index: Int) { self.index = index }
}

/// What is known of a value.
public struct ValueInfo {
  public var name: String
  /// As declared by the model or found by shape inference.
  public var type: ValueType?
  /// The value itself, for initializers and folded constants.
  public var constant: Tensor?
  /// What `constant` was written out from, for a sparse initializer.
  public var sparse: SparseTensor?

  public init(name: String, type: ValueType? = nil, constant: Tensor? = nil) {
    self.name = name
    self.type = type ?? constant.map { .tensor($0.type, SymbolicShape($0.shape)) }
    self.constant = constant
  }
}

/// A dataflow graph: values and the nodes that make them, in topological order. Subgraphs are graphs of their own with
/// values of their own; what they take from outside is listed in `captures`.
public final class Graph {
  public var name: String
  public var values: [ValueInfo] = []
  public var nodes: [Node] = []
  public var inputs: [ValueID] = []
  public var outputs: [ValueID] = []
  /// For a subgraph: values of the enclosing graph (`outer`) that are visible here as `inner`.
  public var captures: [(outer: ValueID, inner: ValueID)] = []

  public init(name: String = "") { self.name = name }

  public subscript(_ id: ValueID) -> ValueInfo {
    get { values[id.index] }
    _modify { yield &values[id.index] }
  }

  public func add(_ info: ValueInfo) -> ValueID {
    values.append(info)
    return ValueID(values.count - 1)
  }
  public func addConstant(_ tensor: Tensor, name: String) -> ValueID { add(ValueInfo(name: name, constant: tensor)) }

  /// Lets every user of a value (nodes, captures, outputs) use another one; `replacement` maps values to what takes
  /// their place, chains are followed.
  public func replaceUses(_ replacement: [ValueID: ValueID]) {
    if replacement.isEmpty { return }
    func final(_ id: ValueID) -> ValueID {
      var id = id
      while let next = replacement[id] { id = next }
      return id
    }
    for node in nodes {
      for (i, id) in node.inputs.enumerated() {
        if let id, replacement[id] != nil { node.inputs[i] = final(id) }
      }
      for sub in node.subgraphs {
        for (i, c) in sub.captures.enumerated() where replacement[c.outer] != nil { sub.captures[i].outer = final(c.outer) }
      }
    }
    outputs = outputs.map(final)
  }

  /// How often each value is used: by nodes, by their subgraphs, as output.
  public func useCounts() -> [Int] {
    var n = [Int](repeating: 0, count: values.count)
    for node in nodes {
      for id in node.allInputs { n[id.index] += 1 }
    }
    for id in outputs { n[id.index] += 1 }
    return n
  }
  /// The node that makes each value (index into `nodes`), or -1.
  public func producers() -> [Int] {
    var p = [Int](repeating: -1, count: values.count)
    for (i, node) in nodes.enumerated() {
      for id in node.outputs { if let id { p[id.index] = i } }
    }
    return p
  }
}

/// One operator call.
public final class Node {
  public var name: String
  public var opType: String
  /// "" for ai.onnx.
  public var domain: String
  /// The version of the domain's operator set that the call is to be read with.
  public var version: Int
  /// Which overload of a model-local function is called.
  public var overload: String
  /// nil: an optional input that isn't given.
  public var inputs: [ValueID?]
  public var outputs: [ValueID?]
  public var attributes: [String: Attribute]

  public init(
    name: String = "", opType: String, domain: String = "", version: Int, overload: String = "", inputs: [ValueID?],
    outputs: [ValueID?], attributes: [String: Attribute] = [:]
  ) {
    self.name = name
    self.opType = opType
    self.domain = domain
    self.version = version
    self.overload = overload
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
  }

  public var subgraphs: [Graph] {
    attributes.isEmpty ? [] : attributes.keys.sorted().flatMap { attributes[$0]?.graphs ?? [] }
  }
  /// Values of the enclosing graph that the node needs: its inputs and what its subgraphs capture.
  public var allInputs: [ValueID] {
    var r: [ValueID] = []
    r.reserveCapacity(inputs.count)
    for id in inputs { if let id { r.append(id) } }
    for g in subgraphs { r.append(contentsOf: g.captures.map(\.outer)) }
    return r
  }
  /// "Conv", or "com.microsoft.FusedConv" for other domains.
  public var qualifiedOpType: String { domain.isEmpty ? opType : "\(domain).\(opType)" }
  public func input(_ i: Int) -> ValueID? { i < inputs.count ? inputs[i] : nil }
  public func output(_ i: Int) -> ValueID? { i < outputs.count ? outputs[i] : nil }
}

extension Node {
  private func mismatch(_ name: String, _ due: String) -> SwiftletError {
    SwiftletError(.invalidModel, "attribute '\(name)' must be \(due)", node: self.name, operatorName: qualifiedOpType)
  }
  public func has(_ name: String) -> Bool { attributes[name] != nil }
  public func int(_ name: String) throws -> Int? {
    guard let a = attributes[name] else { return nil }
    guard case .int(let v) = a else { throw mismatch(name, "an integer") }
    return v
  }
  public func int(_ name: String, default d: Int) throws -> Int { try int(name) ?? d }
  public func bool(_ name: String, default d: Bool = false) throws -> Bool { try int(name).map { $0 != 0 } ?? d }
  public func float(_ name: String) throws -> Float? {
    guard let a = attributes[name] else { return nil }
    guard case .float(let v) = a else { throw mismatch(name, "a number") }
    return v
  }
  public func float(_ name: String, default d: Float) throws -> Float { try float(name) ?? d }
  public func string(_ name: String) throws -> String? {
    guard let a = attributes[name] else { return nil }
    guard case .string(let v) = a else { throw mismatch(name, "a string") }
    return v
  }
  public func string(_ name: String, default d: String) throws -> String { try string(name) ?? d }
  public func ints(_ name: String) throws -> [Int]? {
    guard let a = attributes[name] else { return nil }
    if case .ints(let v) = a { return v }
    if case .floats(let v) = a, v.isEmpty { return [] }
    throw mismatch(name, "a list of integers")
  }
  public func floats(_ name: String) throws -> [Float]? {
    guard let a = attributes[name] else { return nil }
    if case .floats(let v) = a { return v }
    if case .ints(let v) = a, v.isEmpty { return [] }
    throw mismatch(name, "a list of numbers")
  }
  public func strings(_ name: String) throws -> [String]? {
    guard let a = attributes[name] else { return nil }
    if case .strings(let v) = a { return v }
    if case .ints(let v) = a, v.isEmpty { return [] }
    throw mismatch(name, "a list of strings")
  }
  public func tensor(_ name: String) throws -> Tensor? {
    guard let a = attributes[name] else { return nil }
    guard case .tensor(let v) = a else { throw mismatch(name, "a tensor") }
    return v
  }
  public func graph(_ name: String) throws -> Graph? {
    guard let a = attributes[name] else { return nil }
    guard case .graph(let v) = a else { throw mismatch(name, "a graph") }
    return v
  }
  public func requiredInt(_ name: String) throws -> Int {
    guard let v = try int(name) else { throw mismatch(name, "given") }
    return v
  }
  public func requiredInts(_ name: String) throws -> [Int] {
    guard let v = try ints(name) else { throw mismatch(name, "given") }
    return v
  }
  public func requiredGraph(_ name: String) throws -> Graph {
    guard let v = try graph(name) else { throw mismatch(name, "given") }
    return v
  }
}
