import ArgumentParser
import FoundationEssentials
import Swiftlet

/// `swiftlet ticket`
struct TicketCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ticket",
    abstract: "Look into, check and expand models with strong tickets.",
    discussion: """
      A ticket is a weight that was never trained: a seed, a scale and a bit for each element (docs/ticket-format.md).

      EXAMPLES
        swiftlet ticket inspect model.onnx
        swiftlet ticket verify model.onnx
        swiftlet ticket expand model.onnx -o dense.onnx
      """,
    subcommands: [InspectTickets.self, VerifyTickets.self, ExpandTickets.self])
}

/// A call of a ticket's function in a model's graph, and what it is.
private struct TicketCall {
  /// Of the weight.
  let name: String
  let node: Node
  let ticket: Result<Ticket, SwiftletError>
  /// The initializers that it is made of.
  let parts: [ValueID]
  let partBytes: Int

  static func all(in graph: Graph) throws -> [TicketCall] {
    try graph.nodes.filter { $0.domain == TicketOperators.domain }.map { node in
      let ticket: Result<Ticket, SwiftletError>
      do {
        ticket = .success(try TicketOperators.read(node, in: graph))
      } catch let e as SwiftletError {
        ticket = .failure(e.at(node: node.name, operatorName: node.qualifiedOpType))
      }
      let parts = node.inputs.compactMap { $0 }
      return TicketCall(
        name: node.output(0).map { graph[$0].name } ?? "", node: node, ticket: ticket, parts: parts,
        partBytes: parts.reduce(0) { $0 + (graph[$1].constant?.byteCount ?? 0) })
    }
  }

  static func all(inFile path: String, _ source: ModelSource) throws -> (ModelGraph, [TicketCall]) {
    let model = try Importer.importModel(from: source)
    let calls = try all(in: model.graph)
    guard !calls.isEmpty else { throw SwiftletError(.invalidModel, "'\(path)' has no tickets in its graph") }
    return (model, calls)
  }

  /// The weight.
  func expanded() throws -> Tensor {
    let ticket = try ticket.get(), result = try Tensor(allocating: .float, ticket.shape)
    try ticket.expand(to: result.pointer(Float.self), pool: ThreadPool(width: 1))
    return result
  }
}

private struct InspectTickets: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "inspect", abstract: "Show what tickets a model holds.")

  @Argument(help: "The ONNX file.", completion: .file(extensions: ["onnx"])) var model: String
  @Flag(help: "Print one JSON array.") var json = false

  func run() throws {
    let (_, calls) = try TicketCall.all(inFile: model, ModelSource(path: model))
    if json { return print(JSON.array(try calls.map { try self.members($0) }).text()) }
    let width = calls.reduce(8) { max($0, $1.name.count + 2) }
    for call in calls {
      let t = try call.ticket.get()
      let share = t.count == 0 ? "nothing to keep" : "\((Double(t.kept) / Double(t.count) * 100).short(3))% kept"
      print(
        "\(call.name.padded(width))\(t.kind.rawValue) \(t.shape), \(share), \(generator(t)), "
          + "\(bitsPerWeight(call, t).short(3)) bits a weight, \(call.partBytes) of \(t.count * 4) bytes")
    }
  }

  private func bitsPerWeight(_ call: TicketCall, _ t: Ticket) -> Double { Double(call.partBytes * 8) / Double(max(1, t.count)) }

  private func generator(_ t: Ticket) -> String {
    switch t.kind {
    case .signed, .coated: "signs of the seed \(t.seed)"
    case .ternary: "signs stored"
    case .uniform: "Philox4x32-10 with the seed \(t.seed)"
    }
  }

  private func members(_ call: TicketCall) throws -> JSON {
    let t = try call.ticket.get()
    return .object([
      ("name", .string(call.name)), ("kind", .string(t.kind.rawValue)), ("shape", .array(t.shape.map { .int($0) })),
      ("kept", .int(t.kept)), ("count", .int(t.count)), ("magnitudes", .array(t.magnitudes.dropFirst().map { .number(Double($0)) })),
      ("seed", t.kind == .ternary ? .null : .string("\(t.seed)")), ("bytes", .int(call.partBytes)),
    ])
  }
}

private struct VerifyTickets: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check a model's tickets against the specification.",
    discussion: """
      Lengths of masks, spare bits, signs where nothing is kept, scales, seeds; and the function in the file is run as the \
      standard operators that it is made of: it must give the weight that the specification wants, bit for bit (weights of \
      up to \(compared) elements).
      """)

  /// Bodies take some fifty bytes an element.
  private static let compared = 1 << 24

  @Argument(help: "The ONNX file.", completion: .file(extensions: ["onnx"])) var model: String

  func run() throws {
    let source = try ModelSource(path: model)
    let (_, calls) = try TicketCall.all(inFile: model, source)
    var bad = 0
    for (i, call) in calls.enumerated() {
      if let problem = try problem(call, i, source) {
        bad += 1
        print("\(call.name): \(Terminal.styled(problem, .bad))")
      } else {
        print("\(call.name): right")
      }
    }
    if bad > 0 { throw ExitCode.failure }
  }

  private func problem(_ call: TicketCall, _ index: Int, _ source: ModelSource) throws -> String? {
    do {
      let ticket = try call.ticket.get()
      if let problem = ticket.strictProblem() { return problem }
      if ticket.count > Self.compared { return nil }
      let made = try madeByFunction(index, source), due = try call.expanded()
      guard made.type == due.type, made.shape == due.shape else {
        return "the function makes \(made.type.name)\(made.shape), not \(due.type.name)\(due.shape)"
      }
      let (a, b) = (made.elements(UInt32.self), due.elements(UInt32.self))
      return a.indices.first { a[$0] != b[$0] }.map { "the function makes another element \($0)" }
    } catch let e as SwiftletError {
      return e.description
    }
  }

  /// What the body in the file makes of the call.
  private func madeByFunction(_ index: Int, _ source: ModelSource) throws -> Tensor {
    let model = try Importer.importModel(from: source)
    let call = model.graph.nodes.filter { $0.domain == TicketOperators.domain }[index]
    model.graph.nodes = [call]
    guard let output = call.output(0) else { throw SwiftletError(.invalidModel, "the call has no output") }
    model.graph.outputs = [output]
    try InlineFunctions.run(model, recognizesTickets: false)
    let environment = RunEnvironment(
      pool: try ThreadPool(width: 1), allocator: Allocator(), cancellation: Cancellation())
    let found = try Inference(foldLimit: .max, environment: environment).run(model.graph)
    guard let tensor = found.constants[output.index] else {
      throw SwiftletError(.invalidModel, "the file lacks the function, or its body doesn't make the weight")
    }
    return tensor
  }
}

private struct ExpandTickets: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "expand", abstract: "Write a model with ordinary weights in place of its tickets.")

  @Argument(help: "The ONNX file.", completion: .file(extensions: ["onnx"])) var model: String
  @Option(name: .shortAndLong, help: "The file to write.", completion: .file()) var output: String

  func run() throws {
    let source = try ModelSource(path: model)
    let (read, calls) = try TicketCall.all(inFile: model, source)
    var rewriter = ModelRewriter(source: source)
    for call in calls { rewriter.results[call.name] = try call.expanded() }
    // What nothing but the tickets used goes.
    var uses = read.graph.useCounts()
    for part in calls.flatMap(\.parts) { uses[part.index] -= 1 }
    rewriter.dropped = Set(calls.flatMap(\.parts).filter { uses[$0.index] == 0 }.map { read.graph[$0].name })
    if !read.graph.nodes.contains(where: { $0.subgraphs.contains(where: hasTickets) }),
      !read.functions.values.contains(where: { $0.key.domain != TicketOperators.domain && hasTickets($0.body) })
    {
      rewriter.droppedDomain = TicketOperators.domain
    }
    try ValueFiles.write(try rewriter.model(), output)
    let count = rewriter.results.values.reduce(0) { $0 + $1.count }
    print("\(calls.count) tickets became weights with \(count) elements")
  }

  private func hasTickets(_ graph: Graph) -> Bool {
    graph.nodes.contains { $0.domain == TicketOperators.domain || $0.subgraphs.contains(where: hasTickets) }
  }
}
