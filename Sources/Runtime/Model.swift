import CSystem
import Graphs
import Kernels
import ONNX
import Operators
import Passes
import Tensors

/// An input or output of a model.
public struct Port: Sendable {
  public let name: String
  /// nil: the model doesn't say and it can't be told.
  public let type: ValueType?
}

/// A loaded model: read, checked, optimised, prepared. Immutable; sessions and threads share it.
public final class Model: @unchecked Sendable {
  public let inputs: [Port]
  public let outputs: [Port]
  /// Initializers that a caller may feed as inputs (with a program made for that, once).
  public let overridable: [Port]
  public let info: ModelInfo
  public let report: PassReport
  public let program: Program
  public let source: ModelSource
  private let limits: ModelLimits
  /// What the model is a generation of, if it came through a stream.
  public internal(set) weak var generations: Generations?

  public convenience init(path: String, limits: ModelLimits = ModelLimits()) throws {
    try self.init(source: ModelSource(path: path), limits: limits)
  }

  /// - Parameter overridden: overridable initializers to be treated as inputs.
  /// - Parameter cancellation: ends the loading when it is cancelled or its deadline passes.
  public init(
    source: ModelSource, limits: ModelLimits = ModelLimits(), overridden: Set<String> = [],
    cancellation: Cancellation = Cancellation()
  ) throws {
    self.source = source
    self.limits = limits
    let model = try Importer.importModel(from: source, overridden: overridden)
    try cancellation.check()
    info = ModelInfo(model)
    overridable = model.overridable.map { Port(name: $0.name, type: $0.type) }
    try InlineFunctions.run(model)
    try Self.validate(model.graph, limits)
    let graph = model.graph
    // Passes may let an output be another value; its name stays.
    let outputNames = graph.outputs.map { graph[$0].name }
    let environment = RunEnvironment(
      pool: try ThreadPool(width: 1), allocator: Allocator(limit: limits.memory), cancellation: cancellation)
    if limits.optimizes {
      report = try Passes.optimize(graph, PassContext(environment: environment))
    } else {
      report = PassReport()
    }
    try cancellation.check()
    program = try Program(graph)
    inputs = graph.inputs.map { Port(name: graph[$0].name, type: graph[$0].type) }
    outputs = zip(graph.outputs, outputNames).map { Port(name: $1, type: graph[$0].type) }
  }

  /// Overridable initializers that callers feed make another program; it is made once per choice.
  private let variants = Variants()
  func variant(overriding names: Set<String>) throws -> Model {
    if names.isEmpty { return self }
    return try variants.get(names) { try Model(source: source, limits: limits, overridden: names) }
  }
  private final class Variants {
    private var known: [Set<String>: Lazily<Model>] = [:]
    private let lock = Lock()
    func get(_ names: Set<String>, _ make: () throws -> Model) throws -> Model {
      let slot = lock.locked { () -> Lazily<Model> in
        let s = known[names] ?? Lazily<Model>()
        known[names] = s
        return s
      }
      return try slot.get(make)
    }
  }

  /// Everything that is wrong or unsupported in a graph whose functions are inlined.
  public static func problems(in graph: Graph, _ limits: ModelLimits = ModelLimits()) throws -> [SwiftletError] {
    var problems: [SwiftletError] = []
    var count = 0
    func visit(_ g: Graph) {
      for node in g.nodes {
        count += 1
        func report(_ code: SwiftletError.Code, _ text: String) {
          problems.append(SwiftletError(code, text, node: node.name, operatorName: node.qualifiedOpType))
        }
        if node.domain == InternalDomain.name {
          report(.unsupported, "the domain '\(node.domain)' is not for models")
        } else if let newest = Registry.newestOpset[node.domain], node.version > newest {
          report(.unsupported, "operator set \(node.version) of '\(node.domain)' is newer than \(newest), the newest that is supported")
        } else if let definition = Registry.find(node) {
          for p in definition.problems(node, inputTypes: node.inputs.map { $0.flatMap { g[$0].type } }) {
            report(.invalidModel, p)
          }
        } else {
          report(.unsupported, Registry.reason(node))
        }
        for sub in node.subgraphs { visit(sub) }
      }
    }
    visit(graph)
    if count > limits.nodes { throw SwiftletError(.limit, "the model has \(count) nodes, the limit is \(limits.nodes)") }
    return problems
  }

  /// Lists all problems in one error.
  private static func validate(_ graph: Graph, _ limits: ModelLimits) throws {
    let problems = try problems(in: graph, limits)
    guard let first = problems.first else { return }
    if problems.count == 1 { throw first }
    let worst = problems.first { $0.code == .unsupported } ?? first
    let shown = problems.prefix(100).map { "  " + $0.description }.joined(separator: "\n")
    let more = problems.count > 100 ? "\n  ... and \(problems.count - 100) more" : ""
    throw SwiftletError(
      worst.code, "\(problems.count) problems:\n\(shown)\(more)", node: worst.node, operatorName: worst.operatorName)
  }
}

/// Limits against hostile models, and choices for loading.
public struct ModelLimits: Sendable {
  /// Bytes that loading may take beside the file itself.
  public var memory = Int.max
  public var nodes = 1_000_000
  /// Whether graph passes run.
  public var optimizes = true
  public init() {}
}

/// What the file says about itself.
public struct ModelInfo: @unchecked Sendable {
  public let irVersion: Int
  public let opsets: [String: Int]
  public let producerName: String
  public let producerVersion: String
  public let domain: String
  public let modelVersion: Int
  public let documentation: String
  public let graphName: String
  public let metadata: [(key: String, value: String)]
  public let weightBytes: Int
  public let nodeCount: Int

  init(_ m: ModelGraph) {
    irVersion = m.irVersion
    opsets = m.opsets
    producerName = m.producerName
    producerVersion = m.producerVersion
    domain = m.domain
    modelVersion = m.modelVersion
    documentation = m.documentation
    graphName = m.graph.name
    metadata = m.metadata
    weightBytes = m.weightBytes
    nodeCount = m.graph.nodes.count
  }
}
