import Glibc
import Kernels
import Tensors

/// The training operators Adagrad, Adam and Momentum: one step of each for any number of tensors.
enum Optimizers {
  static let definitions = [
    definition("Adagrad", states: 1, [.float("decay_factor", 0), .float("epsilon", 1e-6), .float("norm_coefficient", 0)]) { c in
      let decay = Double(try c.float("decay_factor")), epsilon = Double(try c.float("epsilon"))
      let norm = Double(try c.float("norm_coefficient"))
      return { rate, t, x, g, s in
        let g = norm * x + g
        s[0] += g * g
        return x - rate / (1 + Double(t) * decay) * g / (s[0].squareRoot() + epsilon)
      }
    },
    definition(
      "Adam", states: 2,
      [.float("alpha", 0.9), .float("beta", 0.999), .float("epsilon", 1e-6), .float("norm_coefficient", 0), .float("norm_coefficient_post", 0)]
    ) { c in
      let alpha = Double(try c.float("alpha")), beta = Double(try c.float("beta")), epsilon = Double(try c.float("epsilon"))
      let norm = Double(try c.float("norm_coefficient")), post = Double(try c.float("norm_coefficient_post"))
      return { rate, t, x, g, s in
        let g = norm * x + g
        s[0] = alpha * s[0] + (1 - alpha) * g
        s[1] = beta * s[1] + (1 - beta) * g * g
        let adjusted = t > 0 ? rate * (1 - pow(beta, Double(t))).squareRoot() / (1 - pow(alpha, Double(t))) : rate
        return (1 - post) * (x - adjusted * (s[0] / (s[1].squareRoot() + epsilon)))
      }
    },
    definition(
      "Momentum", states: 1,
      [.required(.float, "alpha"), .required(.float, "beta"), .required(.string, "mode"), .required(.float, "norm_coefficient")]
    ) { c in
      let alpha = Double(try c.float("alpha")), beta = Double(try c.float("beta")), norm = Double(try c.float("norm_coefficient"))
      let mode = try c.string("mode")
      guard ["standard", "nesterov"].contains(mode) else { throw SwiftletError(.invalidModel, "mode is '\(mode)'") }
      return { rate, t, x, g, s in
        let g = norm * x + g
        s[0] = alpha * s[0] + (t > 0 ? beta : 1) * g
        return x - rate * (mode == "standard" ? s[0] : g + alpha * s[0])
      }
    },
  ]

  /// The new value of an element from rate, step count, value and gradient; changes the states.
  private typealias Update = @Sendable (Double, Int, Double, Double, inout [Double]) -> Double

  private static func definition(
    _ name: String, states: Int, _ attributes: [AttributeSpec], _ update: @escaping @Sendable (KernelContext) throws -> Update
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, domain: "ai.onnx.preview.training", since: [1],
      inputs: [.required("R", "T1"), .required("T", "T2"), .variadic("inputs", "T3")], outputs: [.variadic("outputs", "T3")],
      types: ["T1": TypeSet(.float, .double), "T2": .int64, "T3": TypeSet(.float, .double)], attributes: attributes,
      infer: { c in
        let n = try count(c.inputCount, states)
        // The tensors and their states are updated; the gradients between them aren't.
        for i in 0..<n { for k in 0...states { c.set(k * n + i, like: 2 + (k == 0 ? 0 : k + 1) * n + i) } }
      },
      kernel: { c in
        let update = try update(c)
        return { r in
          let n = try count(r.inputCount, states), rate = try r.input(0).scalar(), step = try r.input(1).int()
          for i in 0..<n {
            let x = try r.input(2 + i), g = try r.input(2 + n + i)
            let old = try (0..<states).map { try r.input(2 + ($0 + 2) * n + i) }
            try checkShape(([g] + old).allSatisfy { $0.shape == x.shape }, "a gradient or state differs in shape from its tensor \(x.shape)")
            let new = try (0...states).map { try r.output($0 * n + i) }
            func run<S: KernelScalar>(_: S.Type) {
              var s = [Double](repeating: 0, count: states)
              for j in 0..<x.count {
                for k in 0..<states { s[k] = Double(old[k].pointer(S.self)[j]) }
                new[0].pointer(S.self)[j] = S(update(rate, step, Double(x.pointer(S.self)[j]), Double(g.pointer(S.self)[j]), &s))
                for k in 0..<states { new[k + 1].pointer(S.self)[j] = S(s[k]) }
              }
            }
            try dispatch(x.type, float: { run(Float.self) }, double: { run(Double.self) })
          }
        }
      })
  }

  private static func count(_ inputs: Int, _ states: Int) throws -> Int {
    guard inputs > 2, (inputs - 2) % (states + 2) == 0 else { throw SwiftletError(.invalidModel, "\(inputs) inputs don't divide into tensors, gradients and states") }
    return (inputs - 2) / (states + 2)
  }
}
