import Kernels
import Tensors

/// Gelu, QuickGelu, BiasGelu and FastGelu (com.microsoft): an activation, of a sum with a bias of the last dimension.
enum BiasedActivations {
  static let definitions = [
    definition("Gelu", .gelu, bias: nil),
    definition("QuickGelu", .swish, bias: nil, attributes: [.float("alpha", 1.702)]),
    definition("BiasGelu", .gelu, bias: .required("B", "T")),
    definition("FastGelu", .geluTanh, bias: .optional("bias", "T")),
  ]

  private static func definition(
    _ name: String, _ op: UnaryOperator, bias: Parameter?, attributes: [AttributeSpec] = []
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, domain: "com.microsoft", since: [1], inputs: [.required("X", "T")] + [bias].compactMap { $0 },
      outputs: [.required("Y", "T")], types: ["T": .floats], attributes: attributes, memory: .inPlace([0]),
      takesHalf: true,
      infer: { c in
        if let x = try c.shape(0, ranks: (bias == nil ? 0 : 1)...), c.hasInput(1), let b = try c.shape(1, rank: 1) {
          _ = try c.same(x[x.count - 1], b[0], "the last dimension and the bias")
        }
        c.set(0, like: 0)
      },
      kernel: { c in
        let parameters = UnaryParameters(alpha: Double(try c.optionalFloat("alpha") ?? 0))
        return { r in
          let x = try r.input(0), y = try r.output(0)
          guard let bias = try r.optionalInput(1) else {
            return try Unary.apply(op, x.type, x.data, to: y.data, x.count, parameters, pool: r.pool)
          }
          let wide = x.type.isHalf ? try r.scratchTensor(.float, x.shape) : y
          let n = bias.count, rows = n == 0 ? 0 : x.count / n
          try Unary.apply(
            op, wide.type, r.widened(x).data, rows: rows, plus: r.widened(bias).data, n, to: wide.data, parameters,
            pool: r.pool)
          if wide.type != y.type { try Cast.apply(.float, wide.data, to: y.type, y.data, y.count, pool: r.pool) }
        }
      })
  }
}
