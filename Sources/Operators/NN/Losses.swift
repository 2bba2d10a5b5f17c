import Kernels
import Tensors

/// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss: weighted losses over the classes in dimension 1.
enum Losses {
  static let definitions = [
    OperatorDefinition(
      "NegativeLogLikelihoodLoss", since: [12, 13, 22],
      inputs: [.required("input", "T"), .required("target", "Tind"), .optional("weight", "T")],
      outputs: [.required("loss", "T")], types: ["T": .floats, "Tind": .indices], attributes: attributes,
      exactness: .accumulating, infer: infer, kernel: { try kernel($0, takesScores: false) }),
    OperatorDefinition(
      "SoftmaxCrossEntropyLoss", since: [12, 13],
      inputs: [.required("scores", "T"), .required("labels", "Tind"), .optional("weights", "T")],
      outputs: [.required("output", "T"), .optional("log_prob", "T")], types: ["T": .floats, "Tind": .indices],
      attributes: attributes, exactness: .accumulating,
      infer: {
        try infer($0)
        $0.set(1, like: 0)
      }, kernel: { try kernel($0, takesScores: true) }),
  ]
  private static let attributes: [AttributeSpec] = [.int("ignore_index"), .string("reduction", "mean")]

  @Sendable private static func infer(_ c: InferenceContext) throws {
    let x = try c.shape(0, ranks: 2...), target = c.shape(1)
    let reduction = try c.string("reduction")
    guard ["none", "sum", "mean"].contains(reduction) else { throw SwiftletError(.invalidModel, "reduction is '\(reduction)'") }
    if let x, let target {
      let expected = [x[0]] + x[2...]
      try checkShape(
        target.count == expected.count && !zip(target, expected).contains { $0.merged($1) == nil },
        "the target has the shape \(target), the input \(x)")
    }
    c.set(0, c.elementType(0), reduction == "none" ? target ?? x.map { [$0[0]] + $0[2...] } : [])
  }

  private static func kernel(_ c: KernelContext, takesScores: Bool) throws -> Kernel {
    let ignored = try c.optionalInt("ignore_index"), reduction = try c.string("reduction")
    return { r in
      func run<S: KernelScalar & SIMDScalar>(_: S.Type) throws {
        var x = try r.input(0)
        let classes = x.shape[1], inner = x.shape[2...].reduce(1, *)
        if takesScores {
          let log = r.hasOutput(1) ? try r.output(1) : try r.scratchTensor(x.type, x.shape)
          try Kernels.Softmax.apply(.logSoftmax, x.type, x.data, x.shape, axis: 1, to: log.data, pool: r.pool)
          x = log
        }
        let target = try r.input(1).ints(), weight = try r.optionalInput(2)
        try checkShape(weight.map { $0.count == classes } ?? true, "weight has the shape \(weight?.shape ?? [])")
        try checkShape(target.count == x.shape[0] * inner, "\(target.count) targets for \(x.shape)")
        let y = try r.output(0), logs = x.pointer(S.self)
        var sum = 0.0, weights = 0.0
        for (i, t) in target.enumerated() {
          var loss: S = 0, w: S = 0
          if t != ignored {
            guard t >= 0, t < classes else { throw SwiftletError(.runtime, "target \(t) is out of range for \(classes) classes") }
            w = weight?.pointer(S.self)[t] ?? 1
            loss = -logs[(i / max(inner, 1) * classes + t) * inner + i % max(inner, 1)] * w
          }
          if reduction == "none" { y.pointer(S.self)[i] = loss }
          sum += Double(loss)
          weights += Double(w)
        }
        if reduction != "none" { y.pointer(S.self)[0] = S(reduction == "sum" ? sum : sum / weights) }
      }
      try dispatch(r.input(0).type, float: { try run(Float.self) }, double: { try run(Double.self) })
    }
  }
}
