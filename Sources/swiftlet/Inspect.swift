import ArgumentParser
import CKernels
import CSystem
import FoundationEssentials
import Glibc
import Swiftlet

/// `swiftlet inspect`
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a model is and what becomes of it.",
    discussion: """
      Shows inputs and outputs, metadata and operator sets, how often each operator occurs in the file and what isn't \
      supported, which passes changed the graph and which operators are left, the kernels' level, and the plan for the \
      activations' memory: the arena's bytes beside what they would take without reuse. Shapes that the model leaves open \
      are planned with 1 or what --dim says. The model is run once on made-up inputs, to see which kernels operators \
      choose that have several; --no-run leaves that out.

      EXAMPLES
        swiftlet inspect bert.onnx --dim sequence=128
        swiftlet inspect model.onnx --json
        swiftlet inspect model.onnx --graph | less
      """)

  @Argument(help: "The ONNX file.", completion: .file(extensions: ["onnx"]))
  var model: String
  @OptionGroup var dimensions: DimensionOptions
  @Flag(help: "Print one JSON object.")
  var json = false
  @Flag(name: .customLong("no-run"), help: "Don't run the model to see which kernels are chosen.")
  var noRun = false
  @Flag(help: "Print the graph after all passes as text, and nothing else.")
  var graph = false
  @Flag(help: "With --graph: the graph as it was read, before any pass.")
  var unoptimized = false

  func validate() throws {
    if unoptimized, !graph { throw ValidationError("--unoptimized goes with --graph.") }
    if graph, json { throw ValidationError("--graph and --json exclude each other.") }
  }

  func run() throws {
    let source = try ModelSource(path: model).unpacked()
    if graph {
      let text = unoptimized ? try Importer.importModel(from: source).graph.text() : try Model(source: source).program.graph.text()
      return print(text, terminator: "")
    }
    let inspection = try Inspection(path: model, source: source, dimensions: dimensions, runs: !noRun)
    print(json ? inspection.json.text() : inspection.text)
  }
}

/// Everything that `swiftlet inspect` tells.
private struct Inspection {
  private struct Optimized {
    let report: PassReport
    let operators: [(String, Int)]
    var memory: MemoryPlan?
    /// Operator, kernel, how often.
    var kernels: [(String, String, Int)] = []
    /// Why there is no memory plan, or why the run failed.
    var trouble: String?
  }

  private let path: String
  private let read: ModelGraph
  private let operators: [(String, Int)]
  private let problems: [SwiftletError]
  private let fileBytes: Int
  /// nil when the model has problems.
  private let optimized: Optimized?

  /// Seconds that the run to see the kernels may take.
  private static let patience = 30.0

  init(path: String, source: ModelSource, dimensions: DimensionOptions, runs: Bool) throws {
    self.path = path
    fileBytes = source.bytes.byteCount
    read = try Importer.importModel(from: source)
    operators = read.graph.operatorCounts
    let functions = read.functions
    try InlineFunctions.run(read)
    problems = try Model.problems(in: read.graph)
    read.functions = functions
    guard problems.isEmpty else {
      optimized = nil
      return
    }
    let model = try Model(source: source)
    var result = Optimized(report: model.report, operators: model.program.graph.operatorCounts)
    var generator = InputGenerator(dimensions: try dimensions.values(for: model))
    var options = SessionOptions()
    options.profiles = true
    let session = try Session(model, options)
    do {
      let inputs = try generator.complete([:], for: model)
      result.memory = try session.memoryPlan(inputs)
      if runs { _ = try session.run(inputs, deadline: sws_now() + UInt64(Self.patience * 1e9)) }
    } catch {
      result.trouble = "\(error)"
    }
    result.kernels = Self.kernels(session.profile)
    optimized = result
  }

  private static func kernels(_ profile: Profile) -> [(String, String, Int)] {
    var counts: [String: [String: Int]] = [:]
    for e in profile.entries where !e.kernel.isEmpty { counts[e.operatorName, default: [:]][e.kernel, default: 0] += 1 }
    return counts.sorted { $0.key < $1.key }.flatMap { name, list in
      list.sorted { $0.key < $1.key }.map { (name, $0.key, $0.value) }
    }
  }

  private var level: String { String(cString: swk_level_name(swk_cpu_get().pointee.level)) }
  private var opsets: [(String, Int)] {
    read.opsets.map { ($0.key.isEmpty ? "ai.onnx" : $0.key, $0.value) }.sorted { $0.0 < $1.0 }
  }
  private func ports(_ ids: [ValueID]) -> [(name: String, type: ValueType?)] {
    ids.map { (read.graph[$0].name, read.graph[$0].type) }
  }

  // MARK: For people

  var text: String {
    var lines: [String] = []
    func heading(_ s: String) { lines.append(Terminal.styled(s, .strong)) }
    func entry(_ key: String, _ value: String) {
      lines.append("  " + key.padded(max(24, key.count + 2)) + value)
    }
    heading(path)
    entry("size", "\(fileBytes) bytes, weights \(read.weightBytes) bytes")
    entry("IR version", "\(read.irVersion)")
    entry("operator sets", opsets.map { "\($0.0) \($0.1)" }.joined(separator: ", "))
    if !read.producerName.isEmpty { entry("producer", "\(read.producerName) \(read.producerVersion)") }
    if !read.domain.isEmpty { entry("domain", read.domain) }
    if read.modelVersion != 0 { entry("model version", "\(read.modelVersion)") }
    if !read.graph.name.isEmpty { entry("graph", read.graph.name) }
    if !read.documentation.isEmpty { entry("documentation", read.documentation) }
    for (key, value) in read.metadata { entry(key, value) }
    heading("Inputs")
    for p in ports(read.graph.inputs) { entry(p.name, p.type?.description ?? "?") }
    if !read.overridable.isEmpty {
      heading("Initializers that may be fed")
      for p in read.overridable { entry(p.name, p.type.description) }
    }
    heading("Outputs")
    for p in ports(read.graph.outputs) { entry(p.name, p.type?.description ?? "?") }
    heading("Operators (\(operators.reduce(0) { $0 + $1.1 }) nodes)")
    for (name, count) in operators { entry(name, "\(count)") }
    if !read.functions.isEmpty {
      heading("Functions")
      for f in read.functions.values.sorted(by: { $0.key.name < $1.key.name }) {
        entry("\(f.key.domain).\(f.key.name)", "\(f.body.nodes.count) nodes")
      }
    }
    if !problems.isEmpty {
      heading("Not supported (\(problems.count))")
      for p in problems { lines.append("  \(Terminal.styled(p.description, .bad))") }
    }
    if let optimized {
      heading("Passes")
      for c in optimized.report.changes { entry(c.pass, "\(c.count)") }
      heading("Operators after the passes (\(optimized.operators.reduce(0) { $0 + $1.1 }) nodes), kernels: \(level)")
      for (name, count) in optimized.operators { entry(name, "\(count)") }
      heading("Memory of activations")
      if let m = optimized.memory {
        entry("arena", "\(m.arenaBytes) bytes")
        entry("without reuse", "\(m.unsharedBytes) bytes")
      }
      if !optimized.kernels.isEmpty { heading("Kernels chosen") }
      for (name, kernel, count) in optimized.kernels { entry(name, "\(kernel): \(count)") }
      if let trouble = optimized.trouble { lines.append("A run on made-up inputs fails: \(trouble)") }
    }
    return lines.joined(separator: "\n")
  }

  // MARK: For programs

  var json: JSON {
    func counts(_ list: [(String, Int)]) -> JSON { .object(list.map { ($0.0, .int($0.1)) }) }
    func ports(_ list: [(name: String, type: ValueType?)]) -> JSON { .array(list.map { Self.port($0.name, $0.type) }) }
    var members: [(String, JSON)] = [
      ("path", .string(path)), ("file_bytes", .int(fileBytes)), ("weight_bytes", .int(read.weightBytes)),
      ("ir_version", .int(read.irVersion)), ("opsets", counts(opsets)), ("producer_name", .string(read.producerName)),
      ("producer_version", .string(read.producerVersion)), ("domain", .string(read.domain)),
      ("model_version", .int(read.modelVersion)), ("graph_name", .string(read.graph.name)),
      ("documentation", .string(read.documentation)),
      ("metadata", .object(read.metadata.map { ($0.key, .string($0.value)) })),
      ("inputs", ports(self.ports(read.graph.inputs))), ("outputs", ports(self.ports(read.graph.outputs))),
      ("overridable", ports(read.overridable.map { ($0.name, $0.type) })), ("operators", counts(operators)),
      ("functions", .array(read.functions.keys.map { "\($0.domain).\($0.name)" }.sorted().map(JSON.string))),
      ("unsupported", .array(problems.map(Self.problem))),
    ]
    if let optimized {
      members += [
        ("passes", counts(optimized.report.changes.map { ($0.pass, $0.count) })),
        ("operators_after_passes", counts(optimized.operators)), ("kernel_level", .string(level)),
        ("kernels", .array(optimized.kernels.map { name, kernel, count in
          .object([("operator", .string(name)), ("kernel", .string(kernel)), ("count", .int(count))])
        })),
        ("arena_bytes", optimized.memory.map { .int($0.arenaBytes) } ?? .null),
        ("unshared_bytes", optimized.memory.map { .int($0.unsharedBytes) } ?? .null),
      ]
    }
    return .object(members)
  }

  private static func port(_ name: String, _ type: ValueType?) -> JSON {
    let shape = type?.shape.map { s in
      JSON.array(s.map { d in
        switch d {
        case .known(let n): .int(n)
        case .symbol(let s): .string(s)
        case .unknown: .null
        }
      })
    }
    return .object([
      ("name", .string(name)), ("type", type.map { .string($0.elementType?.name ?? $0.description) } ?? .null),
      ("shape", shape ?? .null),
    ])
  }

  private static func problem(_ e: SwiftletError) -> JSON {
    .object([
      ("operator", .string(e.operatorName ?? "")), ("node", .string(e.node ?? "")), ("reason", .string(e.message)),
    ])
  }
}

extension Graph {
  /// How often each operator occurs here and in subgraphs, the most frequent first.
  fileprivate var operatorCounts: [(String, Int)] {
    var counts: [String: Int] = [:]
    func visit(_ g: Graph) {
      for node in g.nodes {
        counts[node.qualifiedOpType, default: 0] += 1
        for sub in node.subgraphs { visit(sub) }
      }
    }
    visit(self)
    return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
  }
}
