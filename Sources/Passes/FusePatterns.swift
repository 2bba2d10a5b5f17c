import Graphs
import Operators
import Tensors

/// Recognises operators that exporters of older operator sets spell out, and puts the one operator in their place:
///
///     x * Sigmoid(x)                                               ==>  Swish(x)
///     x * HardSigmoid(x, 1/6, 1/2)                                 ==>  HardSwish(x)
///     x * (Erf(x / sqrt 2) + 1) * 0.5   (in any order)             ==>  Gelu(x)
///     d = x - ReduceMean(x); d / Sqrt(ReduceMean(d^2) + e) * s + b ==>  LayerNormalization(x, s, b)
enum FusePatterns: Pass {
  static let name = "pattern fusion"

  static func run(_ graph: Graph, _ context: PassContext) throws -> Int {
    var changes = 0
    for pattern in [swish, hardSwish, gelu, layerNormalization] {
      let index = GraphIndex(graph)
      var removed = Set<ObjectIdentifier>()
      var added: [(at: ObjectIdentifier, node: Node)] = []
      for node in graph.nodes where node.domain.isEmpty {
        guard let match = try pattern(node, index) else { continue }
        let ids = match.removed.map { ObjectIdentifier($0) }
        guard removed.isDisjoint(with: ids) else { continue }
        removed.formUnion(ids)
        added.append((ObjectIdentifier(node), match.node))
      }
      graph.rewrite(removing: Array(removed), adding: added)
      changes += added.count
    }
    return changes
  }

  private typealias Match = (node: Node, removed: [Node])

  /// Whether the element type is one that the fused operators compute.
  private static func isFloat(_ id: ValueID?, _ index: GraphIndex) -> Bool {
    index.elementType(id).map { TypeSet.floats.contains($0) } ?? false
  }
  private static func isNear(_ a: Double?, _ b: Double) -> Bool { a.map { abs($0 - b) <= 1e-3 * abs(b) } ?? false }

  /// The two inputs of a commutative node, in both orders.
  private static func orders(_ node: Node) -> [(ValueID, ValueID)] {
    guard let a = node.input(0), let b = node.input(1) else { return [] }
    return [(a, b), (b, a)]
  }

  private static func swish(_ node: Node, _ index: GraphIndex) throws -> Match? {
    guard node.opType == "Mul" else { return nil }
    for (x, s) in orders(node) {
      guard let sigmoid = index.maker(s, "Sigmoid"), sigmoid.input(0) == x, index.useCount(s) == 1, isFloat(x, index) else {
        continue
      }
      let fused = Node(name: node.name, opType: "Swish", version: 24, inputs: [x], outputs: node.outputs)
      return (fused, [node, sigmoid])
    }
    return nil
  }

  private static func hardSwish(_ node: Node, _ index: GraphIndex) throws -> Match? {
    guard node.opType == "Mul" else { return nil }
    for (x, s) in orders(node) {
      guard let h = index.maker(s, "HardSigmoid"), h.input(0) == x, index.useCount(s) == 1, isFloat(x, index),
        isNear(Double(try h.float("alpha", default: 0.2)), 1 / 6.0), isNear(Double(try h.float("beta", default: 0.5)), 0.5)
      else { continue }
      return (Node(name: node.name, opType: "HardSwish", version: 22, inputs: [x], outputs: node.outputs), [node, h])
    }
    return nil
  }

  /// Gelu as a product of x, 0.5 and 1 + erf(x / sqrt 2): the outermost Mul is matched.
  private static func gelu(_ node: Node, _ index: GraphIndex) throws -> Match? {
    guard node.opType == "Mul" else { return nil }
    /// x such that `id` = Erf(x / sqrt 2) + 1, with the nodes on the way.
    func erfPlusOne(_ id: ValueID) -> (ValueID, [Node])? {
      guard index.useCount(id) == 1, let add = index.maker(id, "Add") else { return nil }
      for (e, one) in orders(add) where index.scalar(one) == 1 {
        guard index.useCount(e) == 1, let erf = index.maker(e, "Erf"), let d = erf.input(0), index.useCount(d) == 1 else { continue }
        if let div = index.maker(d, "Div"), isNear(index.scalar(div.input(1)), 2.0.squareRoot()), let x = div.input(0) {
          return (x, [add, erf, div])
        }
        if let mul = index.maker(d, "Mul") {
          for (x, c) in orders(mul) where isNear(index.scalar(c), 0.5.squareRoot()) { return (x, [add, erf, mul]) }
        }
      }
      return nil
    }
    func result(_ x: ValueID, _ removed: [Node]) -> Match? {
      guard isFloat(x, index), index.shape(x) == index.shape(node.output(0)) else { return nil }
      return (Node(name: node.name, opType: "Gelu", version: 20, inputs: [x], outputs: node.outputs), [node] + removed)
    }
    for (a, b) in orders(node) {
      // (x * e) * 0.5
      if isNear(index.scalar(b), 0.5), index.useCount(a) == 1, let inner = index.maker(a, "Mul") {
        for (x, e) in orders(inner) {
          if let (y, nodes) = erfPlusOne(e), x == y { return result(x, nodes + [inner]) }
        }
      }
      // (x * 0.5) * e
      if let (x, nodes) = erfPlusOne(b), index.useCount(a) == 1, let inner = index.maker(a, "Mul") {
        for (y, half) in orders(inner) where y == x && isNear(index.scalar(half), 0.5) { return result(x, nodes + [inner]) }
      }
      // x * (e * 0.5)
      if index.useCount(b) == 1, let inner = index.maker(b, "Mul") {
        for (e, half) in orders(inner) where isNear(index.scalar(half), 0.5) {
          if let (x, nodes) = erfPlusOne(e), x == a { return result(x, nodes + [inner]) }
        }
      }
    }
    return nil
  }

  /// The last Add of a layer normalisation over the last axes.
  private static func layerNormalization(_ node: Node, _ index: GraphIndex) throws -> Match? {
    guard node.opType == "Add" else { return nil }
    for (scaled, bias) in orders(node) {
      guard index.useCount(scaled) == 1, let mul = index.maker(scaled, "Mul"), index.constant(bias)?.rank == 1 else { continue }
      for (normalized, scale) in orders(mul) {
        guard let s = index.constant(scale), let b = index.constant(bias), s.rank == 1, s.shape == b.shape,
          index.useCount(normalized) == 1, let div = index.maker(normalized, "Div"),
          let d = div.input(0), let sub = index.maker(d, "Sub"), let x = sub.input(0), isFloat(x, index),
          index.shape(x)?.last == .known(s.count), s.type == index.elementType(x),
          let mean = index.maker(sub.input(1), "ReduceMean"), mean.input(0) == x, try isLastAxis(mean, index),
          let sqrt = index.maker(div.input(1), "Sqrt"), let add = index.maker(sqrt.input(0), "Add")
        else { continue }
        for (v, e) in orders(add) {
          guard let epsilon = index.scalar(e), let variance = index.maker(v, "ReduceMean"), try isLastAxis(variance, index),
            let square = index.maker(variance.input(0)), square.input(0) == d,
            (square.opType == "Pow" && index.scalar(square.input(1)) == 2) || (square.opType == "Mul" && square.input(1) == d),
            index.users(d).allSatisfy({ $0 === div || $0 === square }), index.onlyUser(v) === add,
            index.onlyUser(add.output(0)) === sqrt, index.onlyUser(sqrt.output(0)) === div,
            index.onlyUser(square.output(0)) === variance, index.onlyUser(mean.output(0)) === sub
          else { continue }
          let fused = Node(
            name: node.name, opType: "LayerNormalization", version: 17, inputs: [x, scale, bias], outputs: node.outputs,
            attributes: ["axis": .int(-1), "epsilon": .float(Float(epsilon))])
          return (fused, [node, mul, div, sub, mean, sqrt, add, variance, square])
        }
      }
    }
    return nil
  }

  private static func isLastAxis(_ reduce: Node, _ index: GraphIndex) throws -> Bool {
    guard let rank = index.shape(reduce.input(0))?.count, try reduce.int("keepdims", default: 1) == 1 else { return false }
    let axes = try reduce.ints("axes") ?? (index.constant(reduce.input(1))?.ints() ?? [])
    return axes == [-1] || axes == [rank - 1]
  }
}
