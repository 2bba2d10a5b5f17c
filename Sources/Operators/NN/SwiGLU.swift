import Kernels
import Tensors

/// SwiGLU: A sigmoid(alpha A) B.
enum SwiGLU {
  static let definitions = [
    OperatorDefinition(
      "SwiGLU", since: [28], inputs: [.required("A", "T"), .required("B", "T")], outputs: [.required("Y", "T")],
      types: ["T": .floats], attributes: [.float("alpha", 1)],
      infer: { c in
        if let a = c.shape(0), let b = c.shape(1) { try checkShape(a.count == b.count && !zip(a, b).contains { $0.merged($1) == nil }, "A has the shape \(a), B \(b)") }
        c.set(0, like: 0)
      },
      kernel: { c in
        let alpha = Double(try c.float("alpha"))
        return { r in
          let a = try r.input(0), b = try r.input(1), y = try r.output(0)
          try Unary.apply(.swish, a.type, a.data, to: y.data, a.count, UnaryParameters(alpha: alpha), pool: r.pool)
          try Binary.apply(.multiply, a.type, y.data, a.shape, b.data, b.shape, to: y.data, y.shape, pool: r.pool)
        }
      })
  ]
}
