import Kernels
import Tensors

/// CausalConvWithState: a depthwise convolution that sees only what came before; its last inputs are the next call's state.
enum CausalConvWithState {
  static let definitions = [
    OperatorDefinition(
      "CausalConvWithState", since: [27],
      inputs: [.required("input", "T"), .required("weight", "T"), .optional("bias", "T"), .optional("past_state", "T")],
      outputs: [.required("output", "T"), .required("present_state", "T")], types: ["T": .floats],
      attributes: [.string("activation", "none")], exactness: .accumulating,
      infer: { c in
        c.set(0, like: 0)
        let x = try c.shape(0, rank: 3), w = try c.shape(1, rank: 3)
        c.set(1, c.elementType(0), [x?[0] ?? .unknown, x?[1] ?? .unknown, try w?[2].map { try Checked.subtract($0, 1) } ?? .unknown])
      },
      kernel: { c in
        let activation = try c.string("activation")
        guard ["none", "silu", "swish"].contains(activation) else { throw SwiftletError(.invalidModel, "activation is '\(activation)'") }
        return { r in try dispatch(r.input(0).type, float: { try run(r, Float.self, activation != "none") }, double: { try run(r, Double.self, activation != "none") }) }
      })
  ]

  private static func run<S: KernelScalar>(_ r: RunContext, _: S.Type, _ silu: Bool) throws {
    let x = try r.input(0), w = try r.input(1), bias = try r.optionalInput(2), past = try r.optionalInput(3)
    let y = try r.output(0), present = try r.output(1)
    let (batch, channels, length, taps) = (x.shape[0], x.shape[1], x.shape[2], w.shape[2]), before = taps - 1
    try checkShape(w.shape == [channels, 1, taps] && taps > 0 && (bias?.count ?? channels) == channels, "weight has the shape \(w.shape)")
    try checkShape(past.map { $0.shape == [batch, channels, before] } ?? true, "past_state has the shape \(past?.shape ?? [])")
    try Rows.parallel(batch * channels, length * taps, r.pool) { range in
      var line = [S](repeating: 0, count: before + length)
      for p in range {
        for i in 0..<before { line[i] = past.map { $0.pointer(S.self)[p * before + i] } ?? 0 }
        for i in 0..<length { line[before + i] = x.pointer(S.self)[p * length + i] }
        let weights = w.pointer(S.self) + p % channels * taps, start = bias?.pointer(S.self)[p % channels] ?? 0
        let out = y.pointer(S.self) + p * length
        for i in 0..<length {
          var sum = start
          for k in 0..<taps { sum += weights[k] * line[i + k] }
          out[i] = sum
        }
        for i in 0..<before { present.pointer(S.self)[p * before + i] = line[length + i] }
        if silu { try Unary.apply(.swish, S.elementType, out, to: out, length, UnaryParameters(alpha: 1)) }
      }
    }
  }
}
