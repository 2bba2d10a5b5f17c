import Graphs
import Operators
import Tensors

/// A rewriting of a graph that leaves its results as they are (up to rounding where the pass says so).
public protocol Pass {
  /// Shown by `swiftlet inspect`.
  static var name: String { get }
  /// Rewrites the graph (not its subgraphs: each is visited on its own) and tells how many places were changed.
  static func run(_ graph: Graph, _ context: PassContext) throws -> Int
}

/// What passes may ask for.
public final class PassContext {
  public let environment: RunEnvironment
  /// The largest constant, in bytes, that folding may make in place of a computation.
  public let foldLimit: Int
  public init(environment: RunEnvironment, foldLimit: Int = 16 << 20) {
    self.environment = environment
    self.foldLimit = foldLimit
  }
}

/// What was done to a graph, pass by pass.
public struct PassReport {
  public var changes: [(pass: String, count: Int)] = []
  public init() {}
  mutating func add(_ pass: String, _ count: Int) {
    guard count > 0 else { return }
    if let i = changes.firstIndex(where: { $0.pass == pass }) { changes[i].count += count } else { changes.append((pass, count)) }
  }
}

public enum Passes {
  /// The passes in their order. A new pass is one file and one row here.
  static let all: [Pass.Type] = [
    FoldConstants.self,
    RemoveIdentities.self,
    MergeTransposes.self,
    MergeEqualNodes.self,
    RestateContrib.self,
    FusePatterns.self,
    FuseEpilogues.self,
    RemoveDeadNodes.self,
  ]
  /// Once, when nothing changes any more.
  static let last: [Pass.Type] = [
    TakeTickets.self, RemoveDeadNodes.self, FoldLargeConstants.self, FuseEpilogues.self, TakeCoordinates.self,
    RemoveDeadNodes.self,
  ]

  /// Runs all passes over the graph and its subgraphs until nothing changes (or a few times over).
  public static func optimize(_ graph: Graph, _ context: PassContext) throws -> PassReport {
    var report = PassReport()
    try optimize(graph, context, &report)
    return report
  }

  private static func optimize(_ graph: Graph, _ context: PassContext, _ report: inout PassReport) throws {
    func run(_ passes: [Pass.Type]) throws -> Int {
      try passes.reduce(0) { sum, pass in
        let n = try pass.run(graph, context)
        report.add(pass.name, n)
        return sum + n
      }
    }
    for _ in 0..<4 { if try run(all) == 0 { break } }
    _ = try run(last)
    for node in graph.nodes { for g in node.subgraphs { try optimize(g, context, &report) } }
  }
}
