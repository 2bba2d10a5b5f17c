import Tensors

/// Loop: the body again and again, at most M times and while the condition holds. Values that it carries may change their
/// shapes; scan outputs are stacked.
enum LoopOperator {
  static let definitions = [
    OperatorDefinition(
      "Loop", since: [1, 11, 13, 16, 19, 21, 23, 24, 25],
      inputs: [.optional("M", "I"), .optional("cond", "B"), .variadic("v_initial", "V*", minimum: 0)],
      outputs: [.variadic("v_final_and_scan_outputs", "V*", minimum: 0)],
      types: ["I": .int64, "B": .bool, "V*": .anything], attributes: [.required(.graph, "body")], takesHalf: true,
      infer: { c in
        let body = try c.graph("body")
        let n = max(0, c.inputCount - 2)
        func after(_ carried: [ValueType?]) -> [ValueType?] {
          Subgraphs.infer(c, body, [.tensor(.int64, []), .tensor(.bool, [])] + carried)
        }
        let first = (0..<n).map { c.type($0 + 2) }
        let carried = Subgraphs.carried(first) { Array(after($0).dropFirst().prefix(n)) }
        for (i, t) in carried.enumerated() { c.set(i, t) }
        for (i, t) in after(carried).dropFirst(1 + n).enumerated() {
          if case .tensor(let e, let shape)? = t { c.set(n + i, .tensor(e, shape.map { [.unknown] + $0 })) }
        }
      },
      kernel: { c in
        let body = try c.subprogram("body")
        let graph = try c.graph("body")
        let n = max(0, c.inputCount - 2)
        let scans = max(0, c.outputCount - n)
        guard graph.inputs.count == n + 2, graph.outputs.count == 1 + n + scans else {
          throw SwiftletError(
            .invalidModel,
            "the body has \(graph.inputs.count) inputs and \(graph.outputs.count) outputs, \(n + 2) and \(1 + n + scans) are due")
        }
        return { r in
          let limit = try r.optionalInput(0)?.int() ?? .max
          var goesOn = try r.hasInput(1) ? Subgraphs.condition(r.value(1)) : true
          var carried = try (0..<n).map { try r.value($0 + 2) }
          var collected = [[Value]](repeating: [], count: scans)
          var i = 0
          while goesOn, i < limit {
            try r.checkCancelled()
            let results = try body.run(
              [.tensor(Tensor([Int64(i)], [])), .tensor(Tensor([goesOn], []))] + carried, in: r)
            guard results.count == 1 + n + scans else { throw SwiftletError(.internal, "outputs of the body") }
            goesOn = try Subgraphs.condition(results[0])
            carried = Array(results[1..<(1 + n)])
            for k in 0..<scans { collected[k].append(results[1 + n + k]) }
            i += 1
          }
          for (k, v) in carried.enumerated() { try r.setOutput(k, v) }
          for (k, slices) in collected.enumerated() {
            try r.setOutput(
              n + k, Subgraphs.stack(r, slices, axis: 0, declared: graph[graph.outputs[1 + n + k]].type))
          }
        }
      })
  ]
}
