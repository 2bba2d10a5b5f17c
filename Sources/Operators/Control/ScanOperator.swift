import Graphs
import Tensors

/// Scan: the body for each slice of the scan inputs, carrying states; slices of the scan outputs are stacked. Since
/// version 9 with axes and directions; version 8 runs for each element of a batch, of sequences that differ in length.
enum ScanOperator {
  static let definitions = [scan8, scan]

  private struct Layout {
    var states: Int
    var scanInputs: Int
    var scanOutputs: Int
    var inputAxes: [Int]
    var inputReversed: [Bool]
    var outputAxes: [Int]
    var outputReversed: [Bool]

    init(_ c: some NodeReading, inputs: Int, outputs: Int) throws {
      scanInputs = try c.int("num_scan_inputs")
      guard scanInputs > 0, scanInputs <= inputs, outputs >= inputs - scanInputs else {
        throw SwiftletError(.invalidModel, "num_scan_inputs is \(scanInputs), with \(inputs) inputs and \(outputs) outputs")
      }
      states = inputs - scanInputs
      scanOutputs = outputs - states
      func list(_ name: String, _ count: Int) throws -> [Int] {
        guard let given = c.definition.attribute(name) == nil ? nil : try c.optionalInts(name) else {
          return Array(repeating: 0, count: count)
        }
        guard given.count == count else { throw SwiftletError(.invalidModel, "'\(name)' must have \(count) elements") }
        return given
      }
      inputAxes = try list("scan_input_axes", scanInputs)
      inputReversed = try list(c.version < 9 ? "directions" : "scan_input_directions", scanInputs).map { $0 != 0 }
      outputAxes = try list("scan_output_axes", scanOutputs)
      outputReversed = try list("scan_output_directions", scanOutputs).map { $0 != 0 }
    }
  }

  /// One sequence, of the given length or that of the scan inputs.
  private static func run(
    _ r: RunContext, _ body: Subprogram, _ graph: Graph, _ layout: Layout, _ inputs: [Value], length: Int? = nil
  ) throws -> (states: [Value], slices: [[Value]]) {
    var states = Array(inputs[..<layout.states])
    let scanned = try inputs[layout.states...].enumerated().map { k, v -> (tensor: Tensor, axis: Int) in
      guard case .tensor(let t) = v else { throw SwiftletError(.type, "a scan input must be a tensor, not \(v.type)") }
      return (t, try Checked.axis(layout.inputAxes[k], rank: t.rank))
    }
    let n = length ?? scanned.first.map { $0.tensor.shape[$0.axis] } ?? 0
    for s in scanned {
      let given = s.tensor.shape[s.axis]
      guard length == nil ? given == n : given >= n else {
        throw SwiftletError(.shape, "scan inputs of \(n) and \(given) slices")
      }
    }
    var slices = [[Value]](repeating: [], count: layout.scanOutputs)
    for i in 0..<n {
      try r.checkCancelled()
      let now = try scanned.enumerated().map { k, s in
        Value.tensor(try Subgraphs.slice(r, s.tensor, axis: s.axis, layout.inputReversed[k] ? n - 1 - i : i))
      }
      let results = try body.run(states + now, in: r)
      guard results.count == layout.states + layout.scanOutputs else {
        throw SwiftletError(.invalidModel, "the body has \(results.count) outputs, not \(layout.states + layout.scanOutputs)")
      }
      states = Array(results[..<layout.states])
      for k in 0..<layout.scanOutputs { slices[k].append(results[layout.states + k]) }
    }
    for k in 0..<layout.scanOutputs where layout.outputReversed[k] { slices[k].reverse() }
    return (states, slices)
  }

  private static let scan = OperatorDefinition(
    "Scan", since: [9, 11, 16, 19, 21, 23, 24, 25], inputs: [.variadic("initial_state_and_scan_inputs", "V*")],
    outputs: [.variadic("final_state_and_scan_outputs", "V*")], types: ["V*": .tensors],
    attributes: [
      .required(.int, "num_scan_inputs"), .required(.graph, "body"), .ints("scan_input_axes"), .ints("scan_output_axes"),
      .ints("scan_input_directions"), .ints("scan_output_directions"),
    ], takesHalf: true,
    infer: { c in
      let body = try c.graph("body")
      let layout = try Layout(c, inputs: c.inputCount, outputs: c.outputCount)
      var length = Dimension.unknown
      let slices: [ValueType?] = try (0..<layout.scanInputs).map { k in
        guard case .tensor(let e, let shape)? = c.type(layout.states + k) else { return nil }
        guard var shape else { return .tensor(e, nil) }
        let d = shape.remove(at: try Checked.axis(layout.inputAxes[k], rank: shape.count))
        length = length.merged(d) ?? .unknown
        return .tensor(e, shape)
      }
      func after(_ states: [ValueType?]) -> [ValueType?] { Subgraphs.infer(c, body, states + slices) }
      let states = Subgraphs.carried((0..<layout.states).map { c.type($0) }) { Array(after($0).prefix(layout.states)) }
      for (i, t) in states.enumerated() { c.set(i, t) }
      for (k, t) in after(states).dropFirst(layout.states).prefix(layout.scanOutputs).enumerated() {
        guard case .tensor(let e, var shape)? = t else { continue }
        if let rank = shape?.count { shape?.insert(length, at: try Checked.axis(layout.outputAxes[k], rank: rank + 1)) }
        c.set(layout.states + k, .tensor(e, shape))
      }
    },
    kernel: { c in
      let body = try c.subprogram("body")
      let graph = try c.graph("body")
      let layout = try Layout(c, inputs: c.inputCount, outputs: c.outputCount)
      guard graph.outputs.count == layout.states + layout.scanOutputs else {
        throw SwiftletError(.invalidModel, "the body has \(graph.outputs.count) outputs, the node \(c.outputCount)")
      }
      return { r in
        let (states, slices) = try run(r, body, graph, layout, try (0..<r.inputCount).map { try r.value($0) })
        for (i, v) in states.enumerated() { try r.setOutput(i, v) }
        for (k, list) in slices.enumerated() {
          let declared = graph[graph.outputs[layout.states + k]].type
          try r.setOutput(layout.states + k, Subgraphs.stack(r, list, axis: layout.outputAxes[k], declared: declared))
        }
      }
    })

  private static let scan8 = OperatorDefinition(
    "Scan", since: [8], inputs: [.optional("sequence_lens", "I"), .variadic("initial_state_and_scan_inputs", "V*")],
    outputs: [.variadic("final_state_and_scan_outputs", "V*")], types: ["I": .int64, "V*": .tensors],
    attributes: [.required(.int, "num_scan_inputs"), .required(.graph, "body"), .ints("directions")], takesHalf: true,
    infer: { c in
      let body = try c.graph("body")
      for (i, id) in body.outputs.enumerated() { c.set(i, body[id].type.map(Subgraphs.withoutShape)) }
    },
    kernel: { c in
      let body = try c.subprogram("body")
      let graph = try c.graph("body")
      let layout = try Layout(c, inputs: c.inputCount - 1, outputs: c.outputCount)
      guard graph.outputs.count == layout.states + layout.scanOutputs else {
        throw SwiftletError(.invalidModel, "the body has \(graph.outputs.count) outputs, the node \(c.outputCount)")
      }
      return { r in
        let inputs = try (1..<r.inputCount).map { try r.input($0) }
        guard let last = inputs.last, last.rank >= 2, inputs.allSatisfy({ $0.shape.first == last.shape[0] }) else {
          throw SwiftletError(.shape, "inputs without a common batch dimension")
        }
        let lengths = try r.optionalInput(0)?.ints() ?? Array(repeating: last.shape[1], count: last.shape[0])
        guard lengths.count == last.shape[0], lengths.allSatisfy({ (0...last.shape[1]).contains($0) }) else {
          throw SwiftletError(.runtime, "sequence_lens \(lengths) for \(last.shape)")
        }
        var states = [[Value]](repeating: [], count: layout.states)
        var sequences = [[Value]](repeating: [], count: layout.scanOutputs)
        for (b, length) in lengths.enumerated() {
          let own = try inputs.map { Value.tensor(try Subgraphs.slice(r, $0, axis: 0, b)) }
          let result = try run(r, body, graph, layout, own, length: length)
          for (k, v) in result.states.enumerated() { states[k].append(v) }
          for (k, var list) in result.slices.enumerated() {
            // Shorter sequences end in zeros.
            if let t = list.first?.tensor, t.type != .string, list.count < last.shape[1] {
              let zero = try r.temporary(t.type, t.shape)
              zero.data.initializeMemory(as: UInt8.self, repeating: 0, count: zero.byteCount)
              list += Array(repeating: .tensor(zero), count: last.shape[1] - list.count)
            }
            let declared = graph[graph.outputs[layout.states + k]].type
            sequences[k].append(try Subgraphs.stack(r, list, axis: 0, declared: declared))
          }
        }
        for (i, list) in (states + sequences).enumerated() {
          try r.setOutput(i, Subgraphs.stack(r, list, axis: 0, declared: graph[graph.outputs[i]].type))
        }
      }
    })
}
