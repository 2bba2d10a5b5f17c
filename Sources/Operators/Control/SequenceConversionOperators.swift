import Kernels
import Tensors

/// Between tensors and sequences: ConcatFromSequence, SplitToSequence; SequenceMap runs a subgraph for each element.
enum SequenceConversionOperators {
  static let definitions = [concat, split, map]

  private static let concat = OperatorDefinition(
    "ConcatFromSequence", since: [11], inputs: [.required("input_sequence", "S")],
    outputs: [.required("concat_result", "T")], types: ["S": .containers, "T": .tensors],
    attributes: [.required(.int, "axis"), .int("new_axis", 0)], takesHalf: true, exactness: .exact,
    infer: { c in if case .sequence(let e)? = c.type(0) { c.set(0, e.elementType, nil) } },
    kernel: { c in
      let axis = try c.int("axis")
      let isNew = try c.bool("new_axis")
      return { r in
        let elements = try SequenceOperators.sequence(r.value(0)).elements
        if isNew {
          guard !elements.isEmpty else { throw SwiftletError(.runtime, "an empty sequence has no concatenation") }
          return try r.setOutput(0, Subgraphs.stack(r, elements, axis: axis, declared: nil))
        }
        let x = elements.compactMap(\.tensor)
        let at = try Checked.axis(axis, rank: x.first?.rank ?? 0)
        guard x.count == elements.count,
          let shape = try ConcatOperators.shape(x.map { SymbolicShape($0.shape) }, axis: at).known
        else { throw SwiftletError(.type, "a sequence of tensors is due") }
        try r.setOutput(
          0,
          Movement.moved(r, x, shape) { from, to, size in
            try ConcatOperators.copy(x, from, axis: at, to: to, shape, size, r)
          })
      }
    })

  private static let split = OperatorDefinition(
    "SplitToSequence", since: [11, 24], inputs: [.required("input", "T"), .optional("split", "I")],
    outputs: [.required("output_sequence", "S")], types: ["T": .tensors, "I": .indices, "S": .containers],
    attributes: [.int("axis", 0), .int("keepdims", 1)], takesHalf: true, exactness: .exact,
    infer: { c in c.set(0, c.elementType(0).map { .sequence(.tensor($0, nil)) }) },
    kernel: { c in
      let axis = try c.int("axis")
      let keeps = try c.bool("keepdims")
      return { r in
        let x = try r.input(0)
        let axis = try Checked.axis(axis, rank: x.rank)
        let length = x.shape[axis]
        if !keeps, !r.hasInput(1) {
          let parts = try (0..<length).map { Value.tensor(try Subgraphs.slice(r, x, axis: axis, $0)) }
          return try r.setOutput(0, .sequence(parts, elementType: .tensor(x.type, nil)))
        }
        let strides = Broadcast.strides(of: x.shape)
        var start = 0
        let parts = try sizes(r.optionalInput(1), length).map { n -> Value in
          var shape = x.shape
          shape[axis] = n
          defer { start += n }
          return .tensor(
            try Movement.moved(r, [x], shape) { from, to, size in
              try StridedCopy.apply(
                to, Broadcast.strides(of: shape), from[0] + start &* strides[axis] &* size, strides, shape: shape,
                elementSize: size, pool: r.pool)
            })
        }
        try r.setOutput(0, .sequence(parts, elementType: .tensor(x.type, nil)))
      }
    })
  /// Parts of 1 without `split`; of the given size, the last smaller, with a scalar; as listed with a vector.
  private static func sizes(_ split: Tensor?, _ length: Int) throws -> [Int] {
    guard let split else { return Array(repeating: 1, count: length) }
    if split.rank == 0 {
      let n = try split.int()
      guard n > 0 else { throw SwiftletError(.runtime, "split is \(n)") }
      return stride(from: 0, to: length, by: n).map { min(n, length - $0) }
    }
    let given = try split.ints()
    guard given.allSatisfy({ $0 >= 0 }), try given.reduce(0, { try Checked.add($0, $1) }) == length else {
      throw SwiftletError(.runtime, "split \(given) of an axis of \(length)")
    }
    return given
  }

  private static let map = OperatorDefinition(
    "SequenceMap", since: [17], inputs: [.required("input_sequence", "S"), .variadic("additional_inputs", "V*", minimum: 0)],
    outputs: [.variadic("out_sequence", "S*")], types: ["S": .containers, "V*": .anything],
    attributes: [.required(.graph, "body")], takesHalf: true,
    infer: { c in
      let inputs = (0..<c.inputCount).map { i -> ValueType? in
        if case .sequence(let e)? = c.type(i) { e } else { c.type(i) }
      }
      for (i, t) in try Subgraphs.infer(c, c.graph("body"), inputs).enumerated() {
        c.set(i, t.map { .sequence(Subgraphs.withoutShape($0)) })
      }
    },
    kernel: { c in
      let body = try c.subprogram("body")
      let graph = try c.graph("body")
      return { r in
        let inputs = try (0..<r.inputCount).map { try r.value($0) }
        let count = try SequenceOperators.sequence(inputs[0]).elements.count
        var results = [[Value]](repeating: [], count: r.outputs.count)
        for i in 0..<count {
          try r.checkCancelled()
          let own = try inputs.map { v -> Value in
            guard case .sequence(let elements, _) = v else { return v }
            guard elements.count == count else {
              throw SwiftletError(.runtime, "sequences of \(count) and \(elements.count) elements")
            }
            return elements[i]
          }
          for (k, v) in try body.run(own, in: r).enumerated() where k < results.count { results[k].append(v) }
        }
        for (k, list) in results.enumerated() {
          let declared = k < graph.outputs.count ? graph[graph.outputs[k]].type : nil
          guard let type = list.first?.type ?? declared else {
            throw SwiftletError(.invalidModel, "the type of the empty sequence \(k) is not known")
          }
          try r.setOutput(k, .sequence(list, elementType: Subgraphs.withoutShape(type)))
        }
      }
    })
}
