import Graphs
import Operators
import Passes
import Swiftlet
import TestSupport
import Testing

/// Builds a graph by hand: values by name, nodes in order.
final class Build {
  let graph = Graph(name: "test")
  private var ids: [String: ValueID] = [:]

  func input(_ name: String, _ type: ElementType, _ shape: SymbolicShape) {
    ids[name] = graph.add(ValueInfo(name: name, type: .tensor(type, shape)))
    graph.inputs.append(id(name))
  }
  func constant(_ name: String, _ t: Tensor) { ids[name] = graph.addConstant(t, name: name) }
  func id(_ name: String) -> ValueID {
    if let id = ids[name] { return id }
    let id = graph.add(ValueInfo(name: name))
    ids[name] = id
    return id
  }
  func node(
    _ op: String, _ inputs: [String], _ output: String, version: Int = 17, domain: String = "", _ attributes: [String: Attribute] = [:]
  ) {
    graph.nodes.append(
      Node(
        name: "\(op)_\(output)", opType: op, domain: domain, version: version, inputs: inputs.map { $0.isEmpty ? nil : id($0) },
        outputs: [id(output)], attributes: attributes))
  }
  func optimized(outputs: [String]) throws -> (graph: Graph, report: PassReport) {
    graph.outputs = outputs.map(id)
    let environment = RunEnvironment(
      pool: try ThreadPool(width: 1), allocator: .system, cancellation: Cancellation())
    return (graph, try Passes.optimize(graph, PassContext(environment: environment)))
  }
}

private func random(_ shape: [Int], seed: UInt32) throws -> Tensor {
  var s = seed
  return try Tensor(
    (0..<shape.reduce(1, *)).map { _ in
      s = s &* 1_664_525 &+ 1_013_904_223
      return Float(s >> 8) / 0x1p24 - 0.5
    }, shape)
}

@Suite struct PassTests {
  /// A ticket of a shape, all of it kept.
  private func ticket(_ b: Build, _ name: String, _ shape: [Int], kind: String = "Signed") throws {
    let count = shape.reduce(1, *)
    b.constant("\(name).mask", try Tensor(.uint8, [UInt8](repeating: 255, count: count / 8)))
    b.constant("\(name).seed", try Tensor(.uint32, [UInt32(1), 2]))
    b.constant("\(name).scale", try Tensor([Float(0.5)], []))
    b.constant("\(name).shape", try Tensor(ints: shape))
    b.node(
      kind, ["mask", "seed", "scale", "shape"].map { "\(name).\($0)" }, name, version: 1, domain: "swiftlet.tickets")
  }

  @Test func largeTicketsStayTickets() throws {
    let b = Build()
    b.input("x", .float, [.known(2), .known(256)])
    try ticket(b, "w", [96, 256])
    b.constant("bias", try random([96], seed: 2))
    b.node("Gemm", ["x", "w", "bias"], "p", ["transB": .int(1)])
    b.node("Relu", ["p"], "y")
    let (g, report) = try b.optimized(outputs: ["y"])
    #expect(g.nodes.map(\.opType) == ["TicketMatMul"])
    #expect(try g.nodes[0].ints("shape") == [96, 256] && g.nodes[0].string("activation") == "Relu")
    #expect(report.changes.contains { $0.pass == "tickets as weights" })
  }

  @Test func convolutionsWithTicketsTakeNormalisation() throws {
    let b = Build()
    b.input("x", .float, [.known(1), .known(32), .known(8), .known(8)])
    try ticket(b, "w", [64, 32, 3, 3])
    b.node("Conv", ["x", "w"], "c", ["pads": .ints([1, 1, 1, 1])])
    for name in ["scale", "shift", "mean"] { b.constant(name, try random([64], seed: 7)) }
    b.constant("variance", try Tensor([Float](repeating: 1, count: 64)))
    b.node("BatchNormalization", ["c", "scale", "shift", "mean", "variance"], "n")
    b.node("Relu", ["n"], "y")
    let (g, _) = try b.optimized(outputs: ["y"])
    #expect(g.nodes.map(\.opType) == ["TicketConv"])
    #expect(g.nodes[0].input(6) != nil)
  }

  /// Only products and convolutions have them; what else uses a sparse initializer keeps it written out.
  @Test func sparseInitializersAreTakenAsTheyAre() throws {
    let b = Build()
    b.input("x", .float, [.known(2), .known(256)])
    b.input("image", .float, [.known(1), .known(32), .known(8), .known(8)])
    for (name, shape) in [("w", [96, 256]), ("k", [64, 32, 3, 3]), ("n", [256, 128]), ("small", [4, 256])] {
      let sparse = try SparseTensor(
        values: Tensor([Float(1), 2]), indices: Tensor([Int64(3), 500]), shape: shape)
      b.constant(name, try sparse.dense())
      b.graph[b.id(name)].sparse = sparse
    }
    b.constant("bias", try random([96], seed: 2))
    b.node("Gemm", ["x", "w", "bias"], "p", ["transB": .int(1)])
    b.node("Relu", ["p"], "a")
    b.node("Conv", ["image", "k"], "b", ["pads": .ints([1, 1, 1, 1])])
    b.node("MatMul", ["x", "n"], "c")
    b.node("Abs", ["n"], "d")
    b.node("Gemm", ["x", "small"], "e", ["transB": .int(1)])
    let (g, report) = try b.optimized(outputs: ["a", "b", "c", "d", "e"])
    #expect(g.nodes.map(\.opType).sorted() == ["CoordinateConv", "CoordinateMatMul", "CoordinateMatMul", "Gemm"])
    #expect(report.changes.contains { $0.pass == "sparse initializers as weights" && $0.count == 3 })
    let first = try #require(g.nodes.first { $0.opType == "CoordinateMatMul" })
    #expect(try first.ints("shape") == [96, 256] && first.string("activation") == "Relu" && first.input(3) != nil)
    let writtenOut = g.values.compactMap(\.constant?.shape).filter { $0 == [96, 256] || $0 == [64, 32, 3, 3] }
    #expect(writtenOut.isEmpty)
  }

  @Test func otherUsersOfTicketsGetWeights() throws {
    let b = Build()
    b.input("x", .float, [.known(2), .known(256)])
    try ticket(b, "small", [16, 256])
    try ticket(b, "drawn", [256, 96], kind: "Uniform")
    try ticket(b, "added", [2, 256 * 64])
    b.node("Gemm", ["x", "small"], "a", ["transB": .int(1)])
    b.node("MatMul", ["x", "drawn"], "b")
    b.node("Neg", ["added"], "c")
    let (g, _) = try b.optimized(outputs: ["a", "b", "c"])
    #expect(!g.nodes.contains { $0.opType.hasPrefix("Ticket") || $0.domain == "swiftlet.tickets" })
    #expect(g.nodes.map(\.opType) == ["Gemm", "MatMul"])
  }

  @Test func operatorsOfOptimisedModelsFuseLikeTheStandardOnes() throws {
    let b = Build()
    b.input("x", .float, [.known(2), .known(4)])
    b.constant("w", try random([3, 4], seed: 1))
    b.constant("bias", try random([3], seed: 2))
    b.node("FusedMatMul", ["x", "w"], "p", version: 1, domain: "com.microsoft", ["transB": .int(1), "alpha": .float(0.5)])
    b.node("FastGelu", ["p", "bias"], "y", version: 1, domain: "com.microsoft")
    let (g, _) = try b.optimized(outputs: ["y"])
    #expect(g.nodes.map(\.opType) == ["MatMul"])
    #expect(try g.nodes[0].string("activation") == "Gelu")
    #expect(try g.nodes[0].float("alpha") == 0.5)
  }
  @Test func quickGeluIsSwish() throws {
    let b = Build()
    b.input("x", .float, [.known(2)])
    b.node("QuickGelu", ["x"], "y", version: 1, domain: "com.microsoft")
    let (g, _) = try b.optimized(outputs: ["y"])
    #expect(g.nodes.map(\.opType) == ["Swish"])
    #expect(try g.nodes[0].float("alpha") == 1.702)
  }
  @Test func shapeComputationsBecomeConstants() throws {
    let b = Build()
    b.input("x", .float, [.known(2), .known(6)])
    b.constant("i", try Tensor(ints: [0]))
    b.constant("rest", try Tensor(ints: [-1, 3]))
    b.node("Shape", ["x"], "s")
    b.node("Gather", ["s", "i"], "n", ["axis": .int(0)])
    b.node("Concat", ["n", "rest"], "t", ["axis": .int(0)])
    b.node("Reshape", ["x", "t"], "y")
    let (g, _) = try b.optimized(outputs: ["y"])
    #expect(g.nodes.map(\.opType) == ["Reshape"])
    #expect(try g[#require(g.nodes[0].inputs[1])].constant?.ints() == [2, -1, 3])
    #expect(g[g.outputs[0]].type == .tensor(.float, [.known(2), .known(2), .known(3)]))
  }

  @Test func nodesWithoutUsersAndNoOpsGo() throws {
    let b = Build()
    b.input("x", .float, [.symbol("N")])
    b.node("Identity", ["x"], "a")
    b.node("Dropout", ["a"], "b")
    b.node("Exp", ["b"], "unused")
    b.node("Neg", ["b"], "y")
    let (g, _) = try b.optimized(outputs: ["y"])
    #expect(g.nodes.map(\.opType) == ["Neg"])
    #expect(g.nodes[0].inputs == [g.inputs[0]])
  }

  @Test func equalNodesAreMergedUnlessTheyAreRandom() throws {
    let b = Build()
    b.input("x", .float, [.known(4)])
    b.node("Exp", ["x"], "a")
    b.node("Exp", ["x"], "b")
    b.node("Add", ["a", "b"], "y")
    let (g, _) = try b.optimized(outputs: ["y"])
    #expect(g.nodes.map(\.opType) == ["Exp", "Add"])
    #expect(g.nodes[1].inputs[0] == g.nodes[1].inputs[1])
  }

  @Test func transposesInARowAreOne() throws {
    let b = Build()
    b.input("x", .float, [.known(2), .known(3), .known(4)])
    b.node("Transpose", ["x"], "a", ["perm": .ints([1, 0, 2])])
    b.node("Transpose", ["a"], "y", ["perm": .ints([2, 1, 0])])
    let (g, _) = try b.optimized(outputs: ["y"])
    #expect(g.nodes.count == 1)
    #expect(try g.nodes[0].ints("perm") == [2, 0, 1])
  }

  /// conv -> batch normalisation -> + z -> relu is one node, and computes the same.
  @Test func convolutionsTakeInWhatFollows() throws {
    func build() throws -> Build {
      let b = Build()
      b.input("x", .float, [.known(1), .known(3), .known(5), .known(5)])
      b.input("z", .float, [.known(1), .known(4), .known(5), .known(5)])
      b.constant("w", try random([4, 3, 3, 3], seed: 1))
      b.constant("c", try random([4], seed: 2))
      for (i, name) in ["scale", "bias", "mean"].enumerated() { b.constant(name, try random([4], seed: UInt32(3 + i))) }
      b.constant("var", try Tensor([Float](arrayLiteral: 0.5, 1, 2, 3)))
      b.node("Conv", ["x", "w", "c"], "a", ["pads": .ints([1, 1, 1, 1])])
      b.node("BatchNormalization", ["a", "scale", "bias", "mean", "var"], "b")
      b.node("Add", ["b", "z"], "d")
      b.node("Relu", ["d"], "y")
      return b
    }
    let (g, _) = try build().optimized(outputs: ["y"])
    #expect(g.nodes.map(\.qualifiedOpType) == ["ai.swiftlet.Conv"])
    let plain = try build()
    plain.graph.outputs = [plain.id("y")]
    let inputs: [Value] = [.tensor(try random([1, 3, 5, 5], seed: 9)), .tensor(try random([1, 4, 5, 5], seed: 10))]
    let (a, b) = (try evaluate(plain.graph, inputs), try evaluate(g, inputs))
    for (x, y) in zip(a.elements(Float.self), b.elements(Float.self)) { #expect(abs(x - y) <= 1e-5) }
  }

  @Test func productsTakeInTransposesBiasAndActivation() throws {
    func build() throws -> Build {
      let b = Build()
      b.input("x", .float, [.known(2), .known(3), .known(8)])
      b.constant("w", try random([6, 8], seed: 1))
      b.constant("c", try random([6], seed: 2))
      b.constant("half", try Tensor([Float(0.5)], []))
      b.constant("one", try Tensor([Float(1)], []))
      b.constant("root", try Tensor([Float(2).squareRoot()], []))
      b.node("Transpose", ["w"], "t", ["perm": .ints([1, 0])])
      b.node("MatMul", ["x", "t"], "a")
      b.node("Add", ["a", "c"], "b")
      b.node("Div", ["b", "root"], "d")
      b.node("Erf", ["d"], "e")
      b.node("Add", ["e", "one"], "f")
      b.node("Mul", ["b", "f"], "g")
      b.node("Mul", ["g", "half"], "y")
      return b
    }
    let (g, _) = try build().optimized(outputs: ["y"])
    #expect(g.nodes.map(\.qualifiedOpType) == ["ai.swiftlet.MatMul"])
    #expect(try g.nodes[0].string("activation") == "Gelu")
    let plain = try build()
    plain.graph.outputs = [plain.id("y")]
    let x: [Value] = [.tensor(try random([2, 3, 8], seed: 5))]
    let (a, b) = (try evaluate(plain.graph, x), try evaluate(g, x))
    for (x, y) in zip(a.elements(Float.self), b.elements(Float.self)) { #expect(abs(x - y) <= 1e-5) }
  }

  /// Runs a graph node by node.
  private func evaluate(_ graph: Graph, _ inputs: [Value]) throws -> Tensor {
    var values: [Int: Value] = [:]
    for (i, v) in graph.values.enumerated() { values[i] = v.constant.map(Value.tensor) }
    for (id, v) in zip(graph.inputs, inputs) { values[id.index] = v }
    let environment = RunEnvironment(pool: try ThreadPool(width: 1), allocator: .system, cancellation: Cancellation())
    for node in graph.nodes {
      let definition = try #require(Registry.find(node))
      let kernel = try definition.kernel(
        KernelContext(
          node: node, definition: definition, inputTypes: node.inputs.map { $0.flatMap { graph[$0].type } },
          constants: node.inputs.map { $0.flatMap { graph[$0].constant } }))
      let context = RunContext(
        node: node, definition: definition, environment: environment, inputs: node.inputs.map { $0.flatMap { values[$0.index] } })
      for (id, v) in zip(node.outputs, try context.execute(kernel)) { if let id { values[id.index] = v } }
    }
    return try #require(values[graph.outputs[0].index]?.tensor)
  }
}
