import Graphs
import Kernels
import ONNX
import Operators
import Passes
import Tensors

/// What a model is made of: its source, as it is at one time, and the program made of that. Immutable. A model that comes
/// through a stream has several, one after the other, each better than the one before.
final class Generation: @unchecked Sendable {
  /// From 1 on; 0: the model doesn't come through a stream.
  let number: Int
  let inputs: [Port]
  let outputs: [Port]
  let overridable: [Port]
  let info: ModelInfo
  let report: PassReport
  let program: Program
  let source: ModelSource
  private let limits: ModelLimits

  /// - Parameter overridden: overridable initializers to be treated as inputs.
  /// - Parameter cancellation: ends the loading when it is cancelled or its deadline passes.
  /// - Parameter previous: shares its kernels, with what they have packed, where constants are the same.
  init(
    source: ModelSource, limits: ModelLimits, overridden: Set<String> = [], cancellation: Cancellation = Cancellation(),
    number: Int = 0, previous: Generation? = nil
  ) throws {
    self.source = source
    self.limits = limits
    self.number = number
    let model = try Importer.importModel(from: source, overridden: overridden)
    try cancellation.check()
    info = ModelInfo(model)
    overridable = model.overridable.map { Port(name: $0.name, type: $0.type) }
    try InlineFunctions.run(model)
    try Model.validate(model.graph, limits)
    let graph = model.graph
    // Passes may let an output be another value; its name stays.
    let outputNames = graph.outputs.map { graph[$0].name }
    let environment = RunEnvironment(
      pool: try ThreadPool(width: 1), allocator: Allocator(limit: limits.memory), cancellation: cancellation)
    do {
      report = limits.optimizes ? try Passes.optimize(graph, PassContext(environment: environment)) : PassReport()
      try cancellation.check()
      program = try Program(graph, like: previous?.program)
    } catch let e as SwiftletError {
      throw Model.completed(e, source, overridden, limits)
    }
    inputs = graph.inputs.map { Port(name: graph[$0].name, type: graph[$0].type) }
    outputs = zip(graph.outputs, outputNames).map { Port(name: $1, type: graph[$0].type) }
  }

  /// Overridable initializers that callers feed make another program; it is made once per choice.
  private let variants = Variants()
  func variant(overriding names: Set<String>) throws -> Generation {
    if names.isEmpty { return self }
    return try variants.get(names) { try Generation(source: source, limits: limits, overridden: names, number: number) }
  }
  private final class Variants {
    private var known: [Set<String>: Lazily<Generation>] = [:]
    private let lock = Lock()
    func get(_ names: Set<String>, _ make: () throws -> Generation) throws -> Generation {
      let slot = lock.locked { () -> Lazily<Generation> in
        let s = known[names] ?? Lazily<Generation>()
        known[names] = s
        return s
      }
      return try slot.get(make)
    }
  }
}
