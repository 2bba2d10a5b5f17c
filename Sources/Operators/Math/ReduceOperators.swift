import Kernels
import Tensors

/// Reductions over axes. The axes are an attribute at first and an input since version 13 (ReduceSum) or 18; none named
/// means all, or with `noop_with_empty_axes` every element by itself.
enum ReduceOperators {
  static let definitions: [OperatorDefinition] =
    reduce("ReduceSum", .sum, attribute: [1, 11], input: [13])
    + reduce("ReduceMean", .mean) + reduce("ReduceProd", .prod) + reduce("ReduceL1", .l1) + reduce("ReduceL2", .l2)
    + reduce("ReduceLogSum", .logSum) + reduce("ReduceLogSumExp", .logSumExp, input: [18, 28])
    + reduce("ReduceSumSquare", .sumSquare)
    + reduce("ReduceMax", .max, attribute: [1, 11, 12, 13], input: [18, 20])
    + reduce("ReduceMin", .min, attribute: [1, 11, 12, 13], input: [18, 20])

  private static let types: TypeSet = [.floats, .indices, TypeSet(.uint32, .uint64)]

  private static func reduce(
    _ name: String, _ op: ReductionOperator, attribute: [Int] = [1, 11, 13], input: [Int] = [18]
  ) -> [OperatorDefinition] {
    let isOrder = op == .max || op == .min
    let types: TypeSet = isOrder ? [types, .integers, .bool] : types
    return [
      definition(name, op, since: attribute, types, [], [.int("keepdims", 1), .ints("axes")]),
      definition(
        name, op, since: input, types, [.optional("axes", "I")], [.int("keepdims", 1), .int("noop_with_empty_axes", 0)]),
    ]
  }

  private static func definition(
    _ name: String, _ op: ReductionOperator, since: [Int], _ types: TypeSet, _ inputs: [Parameter],
    _ attributes: [AttributeSpec]
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, since: since, inputs: [.required("data", "T")] + inputs, outputs: [.required("reduced", "T")],
      types: ["T": types, "I": .int64], attributes: attributes, takesHalf: true,
      exactness: op == .max || op == .min ? .exact : .accumulating,
      infer: { c in
        let keeps = try c.bool("keepdims")
        guard let x = c.shape(0) else { return c.set(0, c.elementType(0), nil) }
        var named = try c.optionalInts("axes")
        if c.hasInput(1) {
          guard let given = try c.constantInts(1) else {
            return c.set(0, c.elementType(0), keeps ? x.map { _ in .unknown } : nil)
          }
          named = given
        }
        let axes = try axes(c, named, rank: x.count)
        c.set(
          0, c.elementType(0),
          keeps
            ? x.indices.map { axes.contains($0) ? .known(1) : x[$0] } : x.indices.filter { !axes.contains($0) }.map { x[$0] })
      },
      kernel: { c in
        let attribute = try c.optionalInts("axes")
        return { r in
          let x = try r.input(0)
          let axes = try axes(c, Axes.read(r, attribute, input: 1), rank: x.rank)
          try Reduction.apply(op, x.type, x.data, x.shape, axes: axes, to: r.output(0).data, pool: r.pool)
        }
      })
  }

  private static func axes(_ c: some NodeReading, _ named: [Int]?, rank: Int) throws -> [Int] {
    if let named, !named.isEmpty { return try ShapeRule.axes(named, rank: rank) }
    let isNoop = c.has("noop_with_empty_axes") ? try c.bool("noop_with_empty_axes") : false
    return isNoop ? [] : Array(0..<rank)
  }
}
