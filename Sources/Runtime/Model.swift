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
    do {
      report = limits.optimizes ? try Passes.optimize(graph, PassContext(environment: environment)) : PassReport()
      try cancellation.check()
      program = try Program(graph)
    } catch let e as SwiftletError {
      throw Self.completed(e, source, overridden, limits)
    }
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
