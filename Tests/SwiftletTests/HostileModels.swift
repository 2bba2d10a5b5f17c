import CSystem
import Swiftlet
import Testing
import TestSupport

/// Graphs that nobody would write: each is refused with an error that names what is wrong, in bounded time and memory.
@Suite struct HostileModels {
  private typealias P = Proto
  private static let x = P.field(11, P.value("x", .float, [.known(2)]))
  private static func output(_ name: String) -> [UInt8] { P.field(12, P.value(name, .float, [.unknown])) }
  private static func graph(_ nodes: [[UInt8]], _ rest: [UInt8] = [], output: String = "y") -> [UInt8] {
    nodes.flatMap { P.field(1, $0) } + x + rest + Self.output(output)
  }
  /// The message of the error that loading ends with.
  private static func refusal(_ bytes: [UInt8], _ place: SourceLocation = #_sourceLocation) -> String {
    do {
      _ = try model(bytes)
      Issue.record("the model is taken", sourceLocation: place)
      return ""
    } catch {
      return "\(error)"
    }
  }
  private static func named(_ name: String, _ op: String, _ inputs: [String], _ outputs: [String], _ extra: [UInt8] = []) -> [UInt8] {
    inputs.flatMap { P.field(1, $0) } + outputs.flatMap { P.field(2, $0) } + P.field(3, name) + P.field(4, op) + extra
  }
  private static func ints(_ name: String, _ values: [Int]) -> [UInt8] {
    P.field(5, P.field(1, name) + values.flatMap { P.field(8, int: $0) } + P.field(20, int: 7))
  }
  private static func subgraph(_ name: String, _ graph: [UInt8]) -> [UInt8] {
    P.field(5, P.field(1, name) + P.field(6, graph) + P.field(20, int: 5))
  }

  @Test func everyProblemIsListedAtOnce() {
    let nodes = [
      Self.named("turn", "Transpose", ["x"], ["a"], Self.ints("perm", [3])),
      Self.named("first", "Frobnicate", ["a"], ["b"]),
      Self.named("second", "Relu", ["b"], ["c"], P.field(7, "nobody")),
      Self.named("third", "Softmax", ["c"], ["d"], Self.ints("axes", [1])),
      Self.named("fourth", "Gather", ["d"], ["y"]),
    ]
    let message = Self.refusal(P.model(Self.graph(nodes)))
    for part in ["turn", "first", "Frobnicate", "second", "nobody", "third", "'axes'", "fourth", "'indices'", "operator set 17"] {
      #expect(message.contains(part), "\(part) in: \(message)")
    }
  }
  @Test func aNewerOperatorSetIsToldWithTheNewestThatIsKnown() {
    let message = Self.refusal(P.model(opset: 99, Self.graph([Self.named("n", "Relu", ["x"], ["y"])])))
    #expect(message.contains("28") && message.contains("99"), "\(message)")
  }
  @Test func graphsMustBeWhole() {
    #expect(Self.refusal(P.model(Self.graph([Self.named("n", "Relu", ["nothing"], ["y"])]))).contains("nothing"))
    #expect(Self.refusal(P.model(Self.graph([Self.named("n", "Add", ["x", "y"], ["y"])]))).contains("y"))
    let circle = [Self.named("a", "Add", ["x", "q"], ["p"]), Self.named("b", "Relu", ["p"], ["q"]), Self.named("c", "Relu", ["q"], ["y"])]
    #expect(!Self.refusal(P.model(Self.graph(circle))).isEmpty)
    let twice = [Self.named("a", "Relu", ["x"], ["y"]), Self.named("b", "Neg", ["x"], ["y"])]
    #expect(Self.refusal(P.model(Self.graph(twice))).contains("y"))
    #expect(Self.refusal(P.model(Self.graph([Self.named("n", "Relu", ["x"], ["z"])]))).contains("y"))
  }
  @Test func functionsDontCallThemselves() {
    let function = P.field(1, "F") + P.field(4, "a") + P.field(5, "b")
      + P.field(7, Self.named("inner", "F", ["a"], ["b"], P.field(7, "d"))) + P.field(9, P.field(1, "d") + P.field(2, int: 1))
      + P.field(10, "d")
    let bytes = P.model(Self.graph([Self.named("n", "F", ["x"], ["y"], P.field(7, "d"))])) + P.field(25, function)
      + P.field(8, P.field(1, "d") + P.field(2, int: 1))
    #expect(!Self.refusal(bytes).isEmpty)
  }
  @Test func nestingIsLimited() {
    var branch = P.field(1, Self.named("leaf", "Relu", ["x"], ["o"])) + Self.output("o")
    for _ in 0..<400 {
      let both = Self.subgraph("then_branch", branch) + Self.subgraph("else_branch", P.field(1, Self.named("e", "Neg", ["x"], ["o"])) + Self.output("o"))
      branch = P.field(1, Self.named("if", "If", ["c"], ["o"], both)) + Self.output("o")
    }
    let condition = P.field(11, P.value("c", .bool, []))
    #expect(Self.refusal(P.model(branch + Self.x + condition)).contains("nested"))
  }
  /// Sequences: the error names the position.
  @Test(arguments: [("SequenceAt", 2), ("SequenceAt", -3), ("SequenceErase", 2), ("SequenceInsert", 3), ("SequenceInsert", .min)])
  func positionsInSequencesAreChecked(op: String, position: Int) throws {
    let inputs = op == "SequenceInsert" ? ["s", "x", "i"] : ["s", "i"]
    let nodes = [Self.named("make", "SequenceConstruct", ["x", "x"], ["s"]), Self.named("here", op, inputs, [op == "SequenceAt" ? "y" : "t"])]
      + (op == "SequenceAt" ? [] : [Self.named("last", "SequenceAt", ["t", "zero"], ["y"])])
    let more = P.field(11, P.value("i", .int64, [])) + (op == "SequenceAt" ? [] : P.field(11, P.value("zero", .int64, [])))
    let session = try Session(model(P.model(Self.graph(nodes, more))))
    func scalar(_ n: Int) throws -> Value { .tensor(try Tensor([Int64(n)], [])) }
    var values: [String: Value] = ["x": .tensor(try Tensor([Float(1), 2])), "i": try scalar(position)]
    if op != "SequenceAt" { values["zero"] = try scalar(0) }
    let error = #expect(throws: SwiftletError.self) { try session.run(values) }
    #expect(error?.node == "here" && error?.message.contains("\(position)") ?? false, "\(error.map { "\($0)" } ?? "")")
  }
  /// A name in a subgraph that the graph around it has too is another value, or refused: never the wrong one.
  @Test func namesInSubgraphsDontReachOut() throws {
    func branch(_ op: String) -> [UInt8] { P.field(1, Self.named("inner", op, ["x"], ["v"])) + P.field(2, op) + Self.output("v") }
    let both = Self.subgraph("then_branch", branch("Neg")) + Self.subgraph("else_branch", branch("Abs"))
    let nodes = [Self.named("outer", "Exp", ["x"], ["v"]), Self.named("if", "If", ["c"], ["w"], both), Self.named("sum", "Sub", ["v", "w"], ["y"])]
    let bytes = P.model(Self.graph(nodes, P.field(11, P.value("c", .bool, []))))
    do {
      let session = try Session(model(bytes))
      let y = try session.run(["x": .tensor(Tensor([Float(0), 0])), "c": .tensor(Tensor([true], []))])[0].tensor
      #expect(try y?.doubles() == [1, 1])
    } catch let e as SwiftletError {
      #expect(e.message.contains("v"))
    }
  }
  /// A loop that ends when its run is ended.
  private static func endlessLoop() throws -> (Session, inputs: [String: Value]) {
    let body = P.field(1, named("go", "Identity", ["c"], ["c2"])) + P.field(1, named("on", "Neg", ["s"], ["s2"]))
      + P.field(11, P.value("i", .int64, [])) + P.field(11, P.value("c", .bool, [])) + P.field(11, P.value("s", .float, [.known(2)]))
      + P.field(12, P.value("c2", .bool, [])) + P.field(12, P.value("s2", .float, [.known(2)]))
    let condition = P.field(11, P.value("go", .bool, []))
    let bytes = P.model(graph([named("loop", "Loop", ["", "go", "x"], ["y"], subgraph("body", body))], condition))
    return (try Session(model(bytes)), ["x": .tensor(try Tensor([Float(1), 2])), "go": .tensor(try Tensor([true], []))])
  }
  @Test func anEndlessLoopEndsAtItsDeadline() throws {
    let (session, inputs) = try Self.endlessLoop()
    do {
      _ = try session.run(inputs, deadline: sws_now() + 100_000_000)
      Issue.record("the loop ends")
    } catch let e as SwiftletError {
      #expect(e.code == .deadline)
    }
  }
  @Test func anEndlessLoopEndsWhenItIsCancelled() throws {
    let (session, inputs) = try Self.endlessLoop()
    let cancellation = Cancellation()
    let waiting = Task.detached {
      try await Task.sleep(nanoseconds: 50_000_000)
      cancellation.cancel()
    }
    defer { waiting.cancel() }
    do {
      _ = try session.run(inputs, cancellation: cancellation)
      Issue.record("the loop ends")
    } catch let e as SwiftletError {
      #expect(e.code == .cancelled)
    }
  }
  /// Two nodes with the same name and no seed draw different numbers, and the same ones in the next run.
  @Test(arguments: ["Dropout", "Bernoulli", "RandomUniformLike"]) func everyRandomNodeHasItsOwnStream(op: String) throws {
    let extent = P.field(11, P.value("x", .float, [.known(64)])) + P.field(12, P.value("y", .float, [.unknown]))
    let more = op == "Dropout" ? ["ratio", "training"] : []
    let inputs = P.field(11, P.value("ratio", .float, [])) + P.field(11, P.value("training", .bool, []))
    let nodes = ["a", "b"].map { P.node(op, ["x"] + more, [$0]) } + [P.node("Sub", ["a", "b"], ["y"])]
    let session = try Session(model(P.model(nodes.flatMap { P.field(1, $0) } + extent + (more.isEmpty ? [] : inputs))))
    var values: [String: Value] = ["x": .tensor(try Tensor([Float](repeating: 0.5, count: 64)))]
    if !more.isEmpty {
      values["ratio"] = .tensor(try Tensor([Float(0.5)], []))
      values["training"] = .tensor(try Tensor([true], []))
    }
    func difference() throws -> [Double] {
      let y = try #require(try session.run(values)[0].tensor)
      return try y.doubles()
    }
    let first = try difference()
    #expect(first.count { $0 != 0 } > 16)
    #expect(try difference() == first)
  }
  @Test func aRandomNodeInALoopGoesOn() throws {
    func random(_ output: String) -> [UInt8] {
      Self.named("r", "RandomUniform", [], [output], Self.ints("shape", [2]) + P.field(5, P.field(1, "seed") + [0x15, 0, 0, 0x80, 0x3f] + P.field(20, int: 1)))
    }
    let body = P.field(1, Self.named("go", "Identity", ["c"], ["c2"])) + P.field(1, random("o"))
      + P.field(11, P.value("i", .int64, [])) + P.field(11, P.value("c", .bool, []))
      + P.field(12, P.value("c2", .bool, [])) + P.field(12, P.value("o", .float, [.known(2)]))
    let inputs = P.field(11, P.value("go", .bool, [])) + P.field(11, P.value("m", .int64, []))
    let looping = try Session(model(P.model(Self.graph([Self.named("l", "Loop", ["m", "go"], ["y"], Self.subgraph("body", body))], inputs))))
    let plain = try Session(model(P.model(Self.graph([random("y")]))))
    let values: [String: Value] = [
      "x": .tensor(try Tensor([Float(1), 2])), "go": .tensor(try Tensor([true], [])), "m": .tensor(try Tensor([Int64(3)], [])),
    ]
    func numbers(_ session: Session, _ values: [String: Value]) throws -> [Double] {
      let tensor = try #require(try session.run(values)[0].tensor)
      return try tensor.doubles()
    }
    let many = try numbers(looping, values)
    #expect(try Array(many.prefix(2)) == numbers(plain, ["x": .tensor(Tensor([Float(1), 2]))]))
    #expect(Set(many).count == 6, "each iteration draws other numbers")
  }
}
