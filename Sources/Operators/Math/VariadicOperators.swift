import Kernels
import Tensors

/// Min, Max, Sum, Mean of any number of tensors. Before version 8 all have one shape.
enum VariadicOperators {
  static let definitions: [OperatorDefinition] = [
    variadic("Min", since: [1, 6, 8, 12, 13], .min, .numeric, takesHalf: true, exactness: .exact),
    variadic("Max", since: [1, 6, 8, 12, 13], .max, .numeric, takesHalf: true, exactness: .exact),
    variadic("Sum", since: [1, 6, 8, 13], .add, .floats),
    variadic("Mean", since: [1, 6, 8, 13], .add, .floats, divides: true),
  ]

  private static func variadic(
    _ name: String, since: [Int], _ op: BinaryOperator, _ types: TypeSet, takesHalf: Bool = false,
    exactness: Exactness = .rounding, divides: Bool = false
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, since: since, inputs: [.variadic("data_0", "T")], outputs: [.required("result", "T")], types: ["T": types],
      attributes: [.ints("consumed_inputs")], memory: .inPlace([0, 1]), takesHalf: takesHalf, exactness: exactness,
      infer: { c in
        let shape = try ShapeRule.broadcast((0..<c.inputCount).map { c.shape($0) })
        c.set(0, (0..<c.inputCount).lazy.compactMap { c.elementType($0) }.first, shape)
      },
      kernel: { _ in
        { r in
          let x = try r.variadic()
          let y = try r.output(0)
          func combine(_ a: Tensor, _ b: Tensor) throws {
            try Binary.apply(op, y.type, a.data, a.shape, b.data, b.shape, to: y.data, y.shape, pool: r.pool)
          }
          var next = 1
          if x.count > 1, x[0].shape == y.shape || x[1].shape == y.shape {
            try combine(x[0], x[1])
            next = 2
          } else if let size = y.type.size, x[0].data != y.data {
            try StridedCopy.broadcast(x[0].data, x[0].shape, to: y.data, y.shape, elementSize: size, pool: r.pool)
          }
          for t in x.dropFirst(next) { try combine(y, t) }
          if divides {
            let n = try y.type == .double ? Tensor([Double(x.count)], []) : Tensor([Float(x.count)], [])
            try Binary.apply(.divide, y.type, y.data, y.shape, n.data, [], to: y.data, y.shape, pool: r.pool)
          }
        }
      })
  }
}
