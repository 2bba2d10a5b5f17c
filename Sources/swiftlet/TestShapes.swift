import Swiftlet

/// Whether shape inference tells what a run then does: with the inputs' shapes as they are, and with a name for each of
/// their dimensions.
enum TestShapes {
  /// - Parameter inputs: the values of a run, by the model's inputs; `outputs`: what it gave.
  static func check(_ model: Model, _ inputs: [String: Value], _ outputs: [Value]) throws {
    for isSymbolic in [false, true] {
      let graph = try Importer.importModel(from: model.source, overridden: []).inlined()
      // What the file declares of other values isn't inference's.
      for i in graph.values.indices where graph.values[i].constant == nil { graph.values[i].type = nil }
      var sizes: [String: Int] = [:]
      let types = graph.inputs.enumerated().map { k, id in
        inputs[graph[id].name].map { isSymbolic ? named($0.type, "input\(k)", &sizes) : $0.type }
      }
      let environment = RunEnvironment(
        pool: try ThreadPool(width: 1), allocator: Allocator(limit: 1 << 32), cancellation: Cancellation())
      let found = try Inference(foldLimit: 1 << 16, environment: environment).run(graph, inputs: types)
      for (j, (id, value)) in zip(graph.outputs, outputs).enumerated() {
        guard let type = found.types[id.index] else { continue }
        guard agrees(type, value.type, sizes) else {
          throw Mismatch(reason: "inference says \(type) of output \(j), which is \(value.type)\(isSymbolic ? ", sizes \(sizes)" : "")")
        }
      }
    }
  }

  private static func named(_ type: ValueType, _ name: String, _ sizes: inout [String: Int]) -> ValueType {
    guard case .tensor(let e, let shape?) = type else { return type }
    return .tensor(
      e,
      shape.enumerated().map { d, size in
        sizes["\(name).\(d)"] = size.value
        return .symbol("\(name).\(d)")
      })
  }

  private static func agrees(_ said: ValueType, _ is: ValueType, _ sizes: [String: Int]) -> Bool {
    switch (said, `is`) {
    case (.tensor(let a, let s), .tensor(let b, let t)):
      guard a == b, let s, let t else { return a == b }
      return s.count == t.count
        && zip(s, t).allSatisfy { d, n in
          switch d {
          case .known(let size): size == n.value
          case .symbol(let name): sizes[name].map { $0 == n.value } ?? true
          case .unknown: true
          }
        }
    case (.sequence(let a), .sequence(let b)): return agrees(a, b, sizes)
    case (.optional(let a), .optional(let b)): return agrees(a, b, sizes)
    // An optional that holds a value is as good as the value.
    case (.optional(let a), _): return agrees(a, `is`, sizes)
    case (_, .optional(let b)): return agrees(said, b, sizes)
    case (.map(let k, let v), .map(let l, let w)): return k == l && agrees(v, w, sizes)
    default: return false
    }
  }
}

extension ModelGraph {
  /// The graph, its functions put in place of their calls.
  fileprivate func inlined() throws -> Graph {
    try InlineFunctions.run(self)
    return graph
  }
}
