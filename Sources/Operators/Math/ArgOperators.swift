import Kernels
import Tensors

/// ArgMax and ArgMin: where along an axis the greatest or least element stands. CumSum and CumProd: sums and products of
/// the elements so far.
enum ArgOperators {
  static let definitions = [
    arg("ArgMax", max: true), arg("ArgMin", max: false), cumulate("CumSum", since: [11, 14], product: false),
    cumulate("CumProd", since: [26], product: true),
  ]

  private static func arg(_ name: String, max: Bool) -> OperatorDefinition {
    OperatorDefinition(
      name, since: [1, 11, 12, 13], inputs: [.required("data", "T")], outputs: [.required("reduced", "I")],
      types: ["T": .numeric, "I": .int64],
      attributes: [.int("axis", 0), .int("keepdims", 1), .int("select_last_index", 0)], takesHalf: true,
      exactness: .exact,
      infer: { c in
        guard var shape = c.shape(0) else { return c.set(0, .int64, nil) }
        // A scalar counts as one element.
        if shape.isEmpty { return c.set(0, .int64, []) }
        let axis = try Checked.axis(c.int("axis"), rank: shape.count)
        if try c.bool("keepdims") { shape[axis] = .known(1) } else { shape.remove(at: axis) }
        c.set(0, .int64, shape)
      },
      kernel: { c in
        let axis = try c.int("axis")
        let last = try c.bool("select_last_index")
        return { r in
          let x = try r.input(0)
          let shape = x.rank == 0 ? [1] : x.shape
          let axis = try Checked.axis(axis, rank: shape.count)
          try Reduction.arg(
            max: max, x.type, x.data, shape, axis: axis, selectLastIndex: last, to: r.output(0).pointer(Int64.self),
            pool: r.pool)
        }
      })
  }

  private static func cumulate(_ name: String, since: [Int], product: Bool) -> OperatorDefinition {
    OperatorDefinition(
      name, since: since, inputs: [.required("x", "T"), .required("axis", "I")], outputs: [.required("y", "T")],
      types: ["T": [.floats, .indices, TypeSet(.uint32, .uint64)], "I": .indices],
      attributes: [.int("exclusive", 0), .int("reverse", 0)], takesHalf: true, exactness: .accumulating,
      infer: { $0.set(0, like: 0) },
      kernel: { c in
        let exclusive = try c.bool("exclusive")
        let reverse = try c.bool("reverse")
        return { r in
          let x = try r.input(0)
          let shape = x.rank == 0 ? [1] : x.shape
          let axis = try Checked.axis(r.input(1).int(), rank: shape.count)
          try Reduction.cumulate(
            product: product, x.type, x.data, shape, axis: axis, exclusive: exclusive, reverse: reverse,
            to: r.output(0).data, pool: r.pool)
        }
      })
  }
}
