import Graphs
import Operators
import Tensors

/// Makes Conv, MatMul and Gemm do what follows them while their results are still in registers:
///
///     Conv -> BatchNormalization -> Add(z) -> Relu     ==>   ai.swiftlet.Conv(x, w, b', z, scale) {activation=Relu}
///     Transpose(b) -> MatMul(a, ·) -> Add(bias) -> Gelu ==>  ai.swiftlet.MatMul(a, b, bias) {transB=1, activation=Gelu}
///
/// Batch normalisation becomes a factor per output channel, which is applied when the weights are packed: no second copy
/// of the weights is made. Results change by rounding only.
enum FuseEpilogues: Pass {
  static let name = "epilogue fusion"

  static func run(_ graph: Graph, _ context: PassContext) throws -> Int {
    var changes = 0
    while true {
      let index = GraphIndex(graph)
      var touched = Set<ObjectIdentifier>()
      var removed: [ObjectIdentifier] = []
      var added: [(at: ObjectIdentifier, node: Node)] = []
      for node in graph.nodes where !touched.contains(ObjectIdentifier(node)) {
        guard let fused = try step(node, index) else { continue }
        let ids = fused.nodes.map { ObjectIdentifier($0) }
        guard touched.isDisjoint(with: ids) else { continue }
        touched.formUnion(ids)
        removed += ids
        added.append((ObjectIdentifier(fused.last), fused.node))
      }
      if added.isEmpty { return changes }
      graph.rewrite(removing: removed, adding: added)
      changes += added.count
    }
  }

  /// One fusion: the nodes that go, the one that comes, and the last of those that go, whose place it takes.
  private struct Fusion {
    let node: Node
    let nodes: [Node]
    let last: Node
  }

  private static func step(_ node: Node, _ index: GraphIndex) throws -> Fusion? {
    guard index.elementType(node.output(0)).map({ TypeSet.floats.contains($0) }) ?? false else { return nil }
    if let base = try convolution(node, index) { return try extendConvolution(node, base, index) }
    if let base = try product(node, index) {
      return try extendProduct(node, base, index)
    }
    return nil
  }

  /// The node as ai.swiftlet.Conv with five inputs, or nil if it is no convolution.
  static func convolution(_ node: Node, _ index: GraphIndex) throws -> Node? {
    if node.domain == InternalDomain.name { return node.opType == "Conv" ? copy(node) : nil }
    guard node.domain.isEmpty, node.opType == "Conv", index.isWeight(node.input(1)) else { return nil }
    let conv = copy(node)
    conv.domain = InternalDomain.name
    conv.version = 1
    conv.inputs += [ValueID?](repeating: nil, count: max(0, 5 - conv.inputs.count))
    return conv
  }

  /// The node as ai.swiftlet.MatMul with four inputs, or nil if it is no matrix product of that form.
  static func product(_ node: Node, _ index: GraphIndex) throws -> Node? {
    if node.domain == InternalDomain.name { return node.opType == "MatMul" ? copy(node) : nil }
    guard node.domain.isEmpty, let a = node.input(0), let b = node.input(1), let m = index.shape(a), let n = index.shape(b)
    else { return nil }
    let result = copy(node)
    result.domain = InternalDomain.name
    result.opType = "MatMul"
    result.version = 1
    if node.opType == "MatMul", m.count >= 2, n.count >= 2 {
      result.inputs = [a, b, nil, nil]
      return result
    }
    guard node.opType == "Gemm", node.version >= 7 else { return nil }
    result.attributes["beta"] = nil
    if let c = node.input(2) {
      guard try node.float("beta", default: 1) == 1, isBias(c, of: node.output(0), index),
        try node.float("alpha", default: 1) == 1
      else { return nil }
    }
    result.inputs = [a, b, node.input(2), nil]
    return result
  }

  private static func copy(_ n: Node) -> Node {
    Node(name: n.name, opType: n.opType, domain: n.domain, version: n.version, inputs: n.inputs, outputs: n.outputs,
      attributes: n.attributes)
  }

  /// Whether a value has one element for each column of `y`: [N] or [1, ..., N].
  private static func isBias(_ id: ValueID, of y: ValueID?, _ index: GraphIndex) -> Bool {
    guard let s = index.shape(id), let out = index.shape(y), let n = out.last, s.count <= out.count else { return false }
    return s.last == n && n.isKnown && s.dropLast().allSatisfy { $0 == .known(1) }
  }
  private static func sameShape(_ a: ValueID?, _ b: ValueID?, _ index: GraphIndex) -> Bool {
    guard let x = index.shape(a), let y = index.shape(b) else { return false }
    return x == y && !x.contains(.unknown)
  }

  private static func extendConvolution(_ old: Node, _ conv: Node, _ index: GraphIndex) throws -> Fusion? {
    guard !conv.has("activation"), let next = index.onlyUser(old.output(0)), next.domain.isEmpty else { return nil }
    let done = { Fusion(node: conv, nodes: [old, next], last: next) }
    conv.outputs = [next.output(0)]
    if conv.inputs[3] == nil, try foldBatchNormalization(next, into: conv, index) { return done() }
    return try addResidual(next, to: conv, from: old, index) || addActivation(next, to: conv, index) ? done() : nil
  }

  private static func extendProduct(_ old: Node, _ product: Node, _ index: GraphIndex) throws -> Fusion? {
    // A transposed operand is read as it stands. (Constants too: folding leaves large ones for this.)
    for (i, flag) in ["transA", "transB"].enumerated() {
      guard let t = index.maker(old.input(i), "Transpose"), let perm = try t.ints("perm"), perm.count >= 2,
        perm == Array(0..<perm.count - 2) + [perm.count - 1, perm.count - 2], let source = t.input(0)
      else { continue }
      product.inputs[i] = source
      product.attributes[flag] = .int(try product.int(flag, default: 0) == 0 ? 1 : 0)
      return Fusion(node: product, nodes: [old], last: old)
    }
    guard !product.has("activation"), let next = index.onlyUser(old.output(0)), next.domain.isEmpty else { return nil }
    let done = { Fusion(node: product, nodes: [old, next], last: next) }
    let isPlain = product.inputs[2] == nil && product.inputs[3] == nil
    product.outputs = [next.output(0)]
    if isPlain, next.opType == "Mul" || next.opType == "Div" {
      for i in 0..<(next.opType == "Div" ? 1 : 2) {
        guard next.input(i) == old.output(0), let s = index.scalar(next.input(1 - i)), s.isFinite, s != 0,
          sameShape(next.output(0), old.output(0), index)
        else { continue }
        let alpha = try product.float("alpha", default: 1)
        product.attributes["alpha"] = .float(next.opType == "Div" ? alpha / Float(s) : alpha * Float(s))
        return done()
      }
    }
    if isPlain, next.opType == "Add", next.version >= 7, let bias = next.inputs.first(where: { $0 != old.output(0) }) ?? nil,
      isBias(bias, of: old.output(0), index), sameShape(next.output(0), old.output(0), index)
    {
      product.inputs[2] = bias
      return done()
    }
    return try addResidual(next, to: product, from: old, index) || addActivation(next, to: product, index) ? done() : nil
  }

  private static func foldBatchNormalization(_ bn: Node, into conv: Node, _ index: GraphIndex) throws -> Bool {
    guard bn.opType == "BatchNormalization", bn.outputs.dropFirst().allSatisfy({ $0 == nil }), bn.version >= 7,
      try !bn.bool("training_mode"), try bn.int("spatial", default: 1) == 1,
      index.isWeight(conv.input(1)), let type = index.elementType(conv.input(1)), type == .float || type.isHalf,
      let channels = index.shape(conv.input(1))?.first?.value,
      let parameters = try parameters(of: bn, count: channels, index)
    else { return false }
    let graph = index.graph
    let epsilon = Double(try bn.float("epsilon", default: 1e-5))
    let before = try conv.inputs[2].flatMap { index.constant($0) }?.doubles()
    if conv.inputs[2] != nil, before?.count != channels { return false }
    let oldScale = try conv.inputs[4].flatMap { index.constant($0) }?.doubles()
    var scale: [Float] = []
    var bias: [Float] = []
    for c in 0..<channels {
      let s = parameters.scale[c] / (parameters.variance[c] + epsilon).squareRoot()
      guard s.isFinite else { return false }
      scale.append(Float(s * (oldScale?[c] ?? 1)))
      bias.append(Float((before?[c] ?? 0) * s + parameters.bias[c] - parameters.mean[c] * s))
    }
    conv.inputs[4] = graph.addConstant(try Tensor(scale), name: "\(bn.name)/scale")
    conv.inputs[2] = graph.addConstant(try Tensor(bias), name: "\(bn.name)/bias")
    return true
  }

  private static func parameters(
    of bn: Node, count: Int, _ index: GraphIndex
  ) throws -> (scale: [Double], bias: [Double], mean: [Double], variance: [Double])? {
    var lists: [[Double]] = []
    for i in 1...4 {
      guard let t = index.constant(bn.input(i)), t.count == count, t.type == .float || t.type.isHalf else { return nil }
      lists.append(try t.doubles())
    }
    return (lists[0], lists[1], lists[2], lists[3])
  }

  private static func addResidual(_ add: Node, to fused: Node, from old: Node, _ index: GraphIndex) throws -> Bool {
    guard fused.inputs[3] == nil, add.opType == "Add", add.version >= 7, add.inputs.count == 2,
      let other = add.inputs.first(where: { $0 != old.output(0) }) ?? nil, index.constant(other) == nil,
      sameShape(other, old.output(0), index)
    else { return false }
    fused.inputs[3] = other
    return true
  }

  private static func addActivation(_ next: Node, to fused: Node, _ index: GraphIndex) throws -> Bool {
    var parameters: [Float] = []
    switch next.opType {
    case "Relu", "Sigmoid", "Tanh", "HardSwish": break
    case "LeakyRelu": parameters = [try next.float("alpha", default: 0.01)]
    case "HardSigmoid": parameters = [try next.float("alpha", default: 0.2), try next.float("beta", default: 0.5)]
    case "Swish":
      guard try next.float("alpha", default: 1) == 1 else { return false }
    case "Gelu":
      parameters = try next.string("approximate", default: "none") == "tanh" ? [1] : []
    case "Clip":
      let low: Double?
      let high: Double?
      if next.version < 11 {
        low = try next.float("min").map(Double.init)
        high = try next.float("max").map(Double.init)
      } else {
        low = index.scalar(next.input(1))
        high = index.scalar(next.input(2))
        if next.input(1) != nil && low == nil || next.input(2) != nil && high == nil { return false }
      }
      parameters = [Float(low ?? -.infinity), Float(high ?? .infinity)]
      guard parameters[0] <= parameters[1] else { return false }
    default: return false
    }
    fused.attributes["activation"] = .string(next.opType)
    if !parameters.isEmpty { fused.attributes["activation_params"] = .floats(parameters) }
    return true
  }
}
