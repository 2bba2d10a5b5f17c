import Kernels
import Tensors

/// LSTM and DynamicQuantizeLSTM (com.microsoft): input, output and forget gates i, o, f and the candidate c, in this order in W and R; peepholes P for i, o, f.
enum LSTM {
  static let definitions = [
    OperatorDefinition(
      "LSTM", since: [1, 7, 14, 22], inputs: Recurrent.inputs + states, outputs: outputs, types: Recurrent.types,
      attributes: Recurrent.attributes + [.int("input_forget", 0)], takesHalf: true, exactness: .accumulating,
      infer: { try form($0).infer($0) }, kernel: { try kernel($0, form($0)) }),
    OperatorDefinition(
      "DynamicQuantizeLSTM", domain: "com.microsoft", since: [1],
      inputs: [
        .required("X", "T"), .required("W", "T2"), .required("R", "T2"), .optional("B", "T"), .optional("sequence_lens", "T1"),
        .optional("initial_h", "T"),
      ] + states + [
        .required("W_scale", "T"), .required("W_zero_point", "T2"), .required("R_scale", "T"), .required("R_zero_point", "T2"),
      ],
      outputs: outputs, types: ["T": TypeSet(.float), "T1": TypeSet(.int32), "T2": TypeSet(.int8, .uint8)],
      attributes: Recurrent.attributes.filter { $0.name != "layout" && $0.name != "output_sequence" } + [.int("input_forget", 0)],
      exactness: .accumulating, infer: { try form($0, quantization: 8).infer($0) },
      kernel: { try kernel($0, form($0, quantization: 8)) }),
  ]
  private static let states: [Parameter] = [.optional("initial_c", "T"), .optional("P", "T")]
  private static let outputs: [Parameter] = [.optional("Y", "T"), .optional("Y_h", "T"), .optional("Y_c", "T")]

  private static func form(_ c: some NodeReading, quantization: Int? = nil) throws -> Recurrent {
    try Recurrent(c, gates: 4, defaults: ["Sigmoid", "Tanh", "Tanh"], quantization: quantization)
  }

  private static func kernel(_ c: KernelContext, _ form: Recurrent) throws -> Kernel {
    let couples = try c.bool("input_forget")
    let packed = ([1, 2] + (form.quantization.map { Array($0..<$0 + 4) } ?? [])).allSatisfy { c.constant($0) != nil }
      ? Lazily<[Recurrent.Weights]>() : nil
    return { r in
      func run<S: KernelScalar>(_: S.Type) throws {
        let peepholes = try r.widenedOptional(7)
        let hidden = try form.hidden(r)
        try checkShape(peepholes.map { $0.count == form.directions * 3 * hidden } ?? true, "P has the shape \(peepholes?.shape ?? [])")
        let p = peepholes.map { UnsafePointer($0.pointer(S.self)) }
        try form.run(r, S.self, packed, parts: [0..<4], foldsRecurrentBias: 0..<4) { lane, x, stride in
          try step(lane, x, stride, p.map { $0 + lane.direction * 3 * hidden }, couples, r)
        }
      }
      try dispatch(r.input(0).type, float: { try run(Float.self) }, double: { try run(Double.self) })
    }
  }

  private static func step<S: KernelScalar>(
    _ lane: Recurrent.Lane<S>, _ x: UnsafePointer<S>, _ stride: Int, _ p: UnsafePointer<S>?, _ couples: Bool, _ r: RunContext
  ) throws {
    let n = lane.sizes.hidden
    try lane.product(lane.h, part: 0, to: lane.gates, addend: x, rowStride: stride, r)
    for b in 0..<lane.sizes.batch {
      let i = lane.gates + b * 4 * n, o = i + n, f = i + 2 * n, g = i + 3 * n
      let c = lane.c + b * n, nextC = lane.nextC + b * n, h = lane.nextH + b * n
      if let p {
        for j in 0..<n {
          i[j] += p[j] * c[j]
          f[j] += p[2 * n + j] * c[j]
        }
        try lane.activate(0, i, n)
        try lane.activate(0, f, n)
      } else {
        try lane.activate(0, i, 3 * n)
      }
      try lane.activate(1, g, n)
      if couples { for j in 0..<n { f[j] = 1 - i[j] } }
      for j in 0..<n { nextC[j] = f[j] * c[j] + i[j] * g[j] }
      if let p {
        for j in 0..<n { o[j] += p[n + j] * nextC[j] }
        try lane.activate(0, o, n)
      }
      h.update(from: nextC, count: n)
      try lane.activate(2, h, n)
      for j in 0..<n { h[j] *= o[j] }
    }
  }
}
