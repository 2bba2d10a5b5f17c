import Tensors

/// If: one of two subgraphs, of which only the one that is taken runs.
enum IfOperator {
  static let definitions = [
    OperatorDefinition(
      "If", since: [1, 11, 13, 16, 19, 21, 23, 24, 25], inputs: [.required("cond", "B")],
      outputs: [.variadic("outputs", "V*", minimum: 0)], types: ["B": .bool, "V*": .anything],
      attributes: [.required(.graph, "then_branch"), .required(.graph, "else_branch")], takesHalf: true,
      infer: { c in
        var types: [ValueType?]?
        let known = try c.constant(0).map { try Subgraphs.condition(.tensor($0)) }
        for (branch, taken) in [("then_branch", true), ("else_branch", false)] where known ?? taken == taken {
          let found = try Subgraphs.infer(c, c.graph(branch), [])
          types = types.map { zip($0, found).map { Subgraphs.either($0, $1) } } ?? found
        }
        for (i, t) in (types ?? []).enumerated() { c.set(i, t) }
      },
      kernel: { c in
        let yes = try c.subprogram("then_branch")
        let no = try c.subprogram("else_branch")
        return { r in
          let results = try (Subgraphs.condition(r.value(0)) ? yes : no).run([], in: r)
          guard results.count == r.outputs.count else {
            throw SwiftletError(.invalidModel, "the branch has \(results.count) outputs, the node \(r.outputs.count)")
          }
          for (i, v) in results.enumerated() { try r.setOutput(i, v) }
        }
      })
  ]
}
