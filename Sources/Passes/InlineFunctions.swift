import Graphs
import Operators
import Tensors

/// Replaces calls of model-local functions by their bodies. Tickets are operators here and stay. Recursion and explosive
/// nesting are errors.
public enum InlineFunctions {
  static let maximumDepth = 64
  static let maximumNodes = 2_000_000

  /// - Parameter recognizesTickets: false: tickets are made by their functions' bodies, too.
  public static func run(_ model: ModelGraph, recognizesTickets: Bool = true) throws {
    if model.functions.isEmpty { return }
    var budget = maximumNodes
    try inline(model.graph, model.functions, recognizesTickets, depth: 0, &budget)
    model.functions = [:]
  }

  private static func inline(
    _ graph: Graph, _ functions: [FunctionKey: Function], _ recognizesTickets: Bool, depth: Int, _ budget: inout Int
  ) throws {
    var nodes: [Node] = []
    for node in graph.nodes {
      budget -= 1
      if budget < 0 { throw SwiftletError(.limit, "functions expand to more than \(maximumNodes) nodes") }
      let key = FunctionKey(domain: node.domain, name: node.opType, overload: node.overload)
      guard let function = functions[key], !recognizesTickets || !isTicket(node, in: graph) else {
        for sub in node.subgraphs { try inline(sub, functions, recognizesTickets, depth: depth, &budget) }
        nodes.append(node)
        continue
      }
      if depth >= maximumDepth {
        throw SwiftletError(
          .invalidModel, "functions call each other more than \(maximumDepth) deep (recursion?)", node: node.name,
          operatorName: node.qualifiedOpType)
      }
      let expansion = try expand(node, function, in: graph)
      let inner = Graph()
      // Bodies may call functions: expand them in place, with the values of this graph.
      inner.values = graph.values
      inner.nodes = expansion
      try inline(inner, functions, recognizesTickets, depth: depth + 1, &budget)
      graph.values = inner.values
      nodes.append(contentsOf: inner.nodes)
    }
    graph.nodes = nodes
  }

  /// A call that makes a ticket of constants.
  private static func isTicket(_ call: Node, in graph: Graph) -> Bool {
    TicketOperators.makes(call) && call.inputs.allSatisfy { $0.map { graph[$0].constant != nil } ?? false }
  }

  /// The nodes of the body with the call's values in place of the function's own.
  private static func expand(_ call: Node, _ function: Function, in graph: Graph) throws -> [Node] {
    let body = function.body
    guard call.inputs.count <= body.inputs.count, call.outputs.count <= body.outputs.count else {
      throw SwiftletError(
        .invalidModel, "the function has \(body.inputs.count) inputs and \(body.outputs.count) outputs", node: call.name,
        operatorName: call.qualifiedOpType)
    }
    var attributes = function.defaults
    for (name, value) in call.attributes { attributes[name] = value }
    // nil: an input that the call doesn't give.
    var map = [ValueID?](repeating: nil, count: body.values.count)
    var known = [Bool](repeating: false, count: body.values.count)
    for (i, id) in body.inputs.enumerated() {
      map[id.index] = call.input(i)
      known[id.index] = true
    }
    var passedThrough: [Node] = []
    for (i, id) in body.outputs.enumerated() {
      guard let target = call.output(i) else { continue }
      if known[id.index] {
        // The output is an input of the function, or the same as another output.
        passedThrough.append(
          Node(opType: "Identity", version: 13, inputs: [map[id.index]], outputs: [target]))
      } else {
        map[id.index] = target
        known[id.index] = true
      }
    }
    let prefix = call.name.isEmpty ? call.opType : call.name
    func value(_ id: ValueID?) -> ValueID? {
      guard let id else { return nil }
      if !known[id.index] {
        var info = body[id]
        info.name = info.name.isEmpty ? "" : "\(prefix)/\(info.name)"
        map[id.index] = graph.add(info)
        known[id.index] = true
      }
      return map[id.index]
    }
    var result: [Node] = []
    for node in body.nodes {
      let copy = Node(
        name: "\(prefix)/\(node.name.isEmpty ? node.opType : node.name)", opType: node.opType, domain: node.domain,
        version: node.version, overload: node.overload, inputs: node.inputs.map(value), outputs: node.outputs.map(value),
        attributes: try substitute(node.attributes, attributes, value))
      result.append(copy)
    }
    return result + passedThrough
  }

  /// Attributes with references to the call's attributes replaced (one that isn't given is left out), subgraphs copied.
  private static func substitute(
    _ own: [String: Attribute], _ given: [String: Attribute], _ value: (ValueID?) -> ValueID?
  ) throws -> [String: Attribute] {
    var result: [String: Attribute] = [:]
    for (name, a) in own {
      switch a {
      case .reference(let from): result[name] = given[from]
      case .graph(let g): result[name] = .graph(try copy(g, given, value))
      case .graphs(let gs): result[name] = .graphs(try gs.map { try copy($0, given, value) })
      default: result[name] = a
      }
    }
    return result
  }

  private static func copy(
    _ graph: Graph, _ given: [String: Attribute], _ outerValue: (ValueID?) -> ValueID?
  ) throws -> Graph {
    let g = Graph(name: graph.name)
    g.values = graph.values
    g.inputs = graph.inputs
    g.outputs = graph.outputs
    var absent = Set<ValueID>()
    for (outer, inner) in graph.captures {
      if let mapped = outerValue(outer) { g.captures.append((mapped, inner)) } else { absent.insert(inner) }
    }
    g.nodes = try graph.nodes.map { node in
      Node(
        name: node.name, opType: node.opType, domain: node.domain, version: node.version, overload: node.overload,
        inputs: node.inputs.map { id in id.flatMap { absent.contains($0) ? nil : $0 } }, outputs: node.outputs,
        attributes: try substitute(node.attributes, given) { id in id.flatMap { absent.contains($0) ? nil : $0 } })
    }
    return g
  }
}
