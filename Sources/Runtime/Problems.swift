import Graphs
import Kernels
import ONNX
import Operators
import Passes
import Tensors

/// What is wrong with a model: everything at once, so that nobody has to repair it error by error.
extension Model {
  /// Everything that is wrong or unsupported in a graph whose functions are inlined: calls that the schemas don't allow, then
  /// what inference and the kernels say of the others.
  public static func problems(in graph: Graph, _ limits: ModelLimits = ModelLimits()) throws -> [SwiftletError] {
    let found = try schemaProblems(in: graph, limits)
    return try found + misuses(in: graph, limits, except: Set(found.compactMap(\.node)))
  }

  /// Lists in one error what the schemas don't allow, and everything else if there is any of that.
  static func validate(_ graph: Graph, _ limits: ModelLimits) throws {
    if try schemaProblems(in: graph, limits).isEmpty { return }
    if let error = combined(try problems(in: graph, limits)) { throw error }
  }

  /// The error that lists everything that is wrong with the model, after one was found in passes or kernels. The graph is read
  /// again: passes have changed the other.
  static func completed(
    _ error: SwiftletError, _ source: ModelSource, _ overridden: Set<String>, _ limits: ModelLimits
  ) -> SwiftletError {
    guard [.invalidModel, .unsupported, .shape, .type, .runtime].contains(error.code),
      let model = try? Importer.importModel(from: source, overridden: overridden), (try? InlineFunctions.run(model)) != nil,
      let all = try? problems(in: model.graph, limits), all.count > 1
    else { return error }
    return combined(all) ?? error
  }

  /// One error that lists them.
  static func combined(_ problems: [SwiftletError]) -> SwiftletError? {
    guard let first = problems.first, problems.count > 1 else { return problems.first }
    let worst = problems.first { $0.code == .unsupported } ?? first
    let shown = problems.prefix(100).map { "  " + $0.description }.joined(separator: "\n")
    let more = problems.count > 100 ? "\n  ... and \(problems.count - 100) more" : ""
    return SwiftletError(
      worst.code, "\(problems.count) problems:\n\(shown)\(more)", node: worst.node, operatorName: worst.operatorName)
  }

  private static func schemaProblems(in graph: Graph, _ limits: ModelLimits) throws -> [SwiftletError] {
    var problems: [SwiftletError] = []
    var count = 0
    func visit(_ g: Graph) {
      for node in g.nodes {
        count += 1
        func report(_ code: SwiftletError.Code, _ text: String) {
          problems.append(
            SwiftletError(
              code, "\(text) (operator set \(node.version))", node: node.name, operatorName: node.qualifiedOpType))
        }
        if node.domain == InternalDomain.name {
          report(.unsupported, "the domain '\(node.domain)' is not for models")
        } else if let newest = Registry.newestOpset[node.domain], node.version > newest {
          report(.unsupported, "\(newest) is the newest operator set of '\(node.domain)' that is supported")
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

  /// Calls that the schemas allow, but neither shape rules nor kernels.
  /// - Parameter except: names of nodes that are known to be wrong.
  private static func misuses(
    in graph: Graph, _ limits: ModelLimits, except known: Set<String> = []
  ) throws -> [SwiftletError] {
    var found: [SwiftletError] = []
    var seen = known
    func report(_ e: SwiftletError) {
      guard seen.insert(e.node ?? "").inserted || e.node?.isEmpty ?? true else { return }
      found.append(e)
    }
    let environment = RunEnvironment(
      pool: try ThreadPool(width: 1), allocator: Allocator(limit: limits.memory), cancellation: Cancellation())
    _ = try Inference(foldLimit: 1 << 12, environment: environment).run(graph, report: report)
    func prepare(_ g: Graph) {
      for node in g.nodes {
        node.subgraphs.forEach(prepare)
        guard node.subgraphs.isEmpty, !seen.contains(node.name), let definition = Registry.find(node) else { continue }
        do {
          _ = try definition.kernel(
            KernelContext(
              node: node, definition: definition, inputTypes: node.inputs.map { $0.flatMap { g[$0].type } },
              constants: node.inputs.map { $0.flatMap { g[$0].constant } }))
        } catch let e as SwiftletError {
          report(e.at(node: node.name, operatorName: node.qualifiedOpType))
        } catch {}
      }
    }
    prepare(graph)
    return found
  }
}
