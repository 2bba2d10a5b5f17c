import Kernels
import Tensors

/// GRU: update and reset gates z, r and the candidate h, in this order in W and R.
enum GRU {
  static let definitions = [
    OperatorDefinition(
      "GRU", since: [1, 3, 7, 14, 22], inputs: Recurrent.inputs, outputs: [.optional("Y", "T"), .optional("Y_h", "T")],
      types: Recurrent.types, attributes: Recurrent.attributes + [.int("linear_before_reset", 0)], takesHalf: true,
      exactness: .accumulating, infer: { try form($0).infer($0) }, kernel: kernel)
  ]

  private static func form(_ c: some NodeReading) throws -> Recurrent {
    try Recurrent(c, gates: 3, defaults: ["Sigmoid", "Tanh"])
  }

  @Sendable private static func kernel(_ c: KernelContext) throws -> Kernel {
    let form = try form(c)
    let linearBeforeReset = try c.bool("linear_before_reset")
    let packed = c.constant(1) != nil && c.constant(2) != nil ? Lazily<[Recurrent.Weights]>() : nil
    return { r in
      func run<S: KernelScalar>(_: S.Type) throws {
        try form.run(r, S.self, packed, parts: [0..<2, 2..<3], foldsRecurrentBias: 0..<(linearBeforeReset ? 2 : 3)) {
          try step($0, $1, $2, linearBeforeReset, r)
        }
      }
      try dispatch(r.input(0).type, float: { try run(Float.self) }, double: { try run(Double.self) })
    }
  }

  private static func step<S: KernelScalar>(
    _ lane: Recurrent.Lane<S>, _ x: UnsafePointer<S>, _ stride: Int, _ linearBeforeReset: Bool, _ r: RunContext
  ) throws {
    let n = lane.sizes.hidden, batch = lane.sizes.batch
    try lane.product(lane.h, part: 0, to: lane.gates, addend: x, rowStride: stride, r)
    for b in 0..<batch { try lane.activate(0, lane.gates + b * 3 * n, 2 * n) }
    if linearBeforeReset {
      // h = g(X Wh' + Wbh + r (H Rh' + Rbh))
      try lane.product(lane.h, part: 1, to: lane.gates + 2 * n, addend: nil, rowStride: 0, bias: lane.bias.map { $0.recurrent + 2 * n }, r)
      for b in 0..<batch {
        let reset = lane.gates + (b * 3 + 1) * n, candidate = lane.gates + (b * 3 + 2) * n, xh = x + b * stride + 2 * n
        for j in 0..<n { candidate[j] = xh[j] + reset[j] * candidate[j] }
      }
    } else {
      // h = g(X Wh' + Wbh + (r H) Rh' + Rbh)
      for b in 0..<batch {
        let reset = lane.gates + (b * 3 + 1) * n, h = lane.h + b * n, out = lane.nextH + b * n
        for j in 0..<n { out[j] = reset[j] * h[j] }
      }
      try lane.product(lane.nextH, part: 1, to: lane.gates + 2 * n, addend: x + 2 * n, rowStride: stride, r)
    }
    for b in 0..<batch {
      let z = lane.gates + b * 3 * n, candidate = z + 2 * n, h = lane.h + b * n, out = lane.nextH + b * n
      try lane.activate(1, candidate, n)
      for j in 0..<n { out[j] = (1 - z[j]) * candidate[j] + z[j] * h[j] }
    }
  }
}
