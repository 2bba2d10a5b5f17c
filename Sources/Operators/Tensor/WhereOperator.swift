import Kernels
import Tensors

/// Where: elements of X where the condition holds, else of Y.
enum WhereOperator {
  static let definitions = [
    OperatorDefinition(
      "Where", since: [9, 16], inputs: [.required("condition", "B"), .required("X", "T"), .required("Y", "T")],
      outputs: [.required("output", "T")], types: ["B": .bool, "T": .tensors], takesHalf: true, exactness: .exact,
      infer: { c in
        c.set(0, c.elementType(1) ?? c.elementType(2), try ShapeRule.broadcast([c.shape(0), c.shape(1), c.shape(2)]))
        // A condition that is known picks dimensions.
        if let condition = c.constant(0), condition.rank <= 1, condition.count <= 64, c.rank(1) ?? 2 <= 1,
          c.rank(2) ?? 2 <= 1, c.elementType(1)?.isInteger ?? false, let d = try c.shapeData([1, 2])
        {
          let choice = try condition.ints()
          let n = max(choice.count, d[0].count, d[1].count)
          guard [choice.count, d[0].count, d[1].count].allSatisfy({ $0 == n || $0 == 1 }) else { return }
          let data = (0..<n).map { i in
            let from = choice[choice.count == 1 ? 0 : i] != 0 ? d[0] : d[1]
            return from[from.count == 1 ? 0 : i]
          }
          try c.setShapeData(0, c.elementType(1), c.outputTypes[0]?.shape?.count == 0 ? [] : [n], data)
        }
      },
      kernel: { _ in
        { r in
          let condition = try r.input(0)
          let x = try r.input(1)
          let y = try r.input(2)
          let shape = try Broadcast.shape([condition.shape, x.shape, y.shape])
          try Movement.run(r, [x, y], shape) { from, to, size in
            try Select.apply(
              condition.data, condition.shape, from[0], x.shape, from[1], y.shape, to: to, shape, elementSize: size,
              pool: r.pool)
          }
        }
      })
  ]
}
