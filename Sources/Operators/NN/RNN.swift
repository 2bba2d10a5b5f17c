import Kernels
import Tensors

/// RNN: H = f(X W' + H R' + Wb + Rb).
enum RNN {
  static let definitions = [
    OperatorDefinition(
      "RNN", since: [1, 7, 14, 22], inputs: Recurrent.inputs, outputs: [.optional("Y", "T"), .optional("Y_h", "T")],
      types: Recurrent.types, attributes: Recurrent.attributes, takesHalf: true, exactness: .accumulating,
      infer: { try form($0).infer($0) }, kernel: kernel)
  ]

  private static func form(_ c: some NodeReading) throws -> Recurrent { try Recurrent(c, gates: 1, defaults: ["Tanh"]) }

  @Sendable private static func kernel(_ c: KernelContext) throws -> Kernel {
    let form = try form(c)
    let packed = c.constant(1) != nil && c.constant(2) != nil ? Lazily<[Recurrent.Weights]>() : nil
    return { r in
      func run<S: KernelScalar>(_: S.Type) throws {
        try form.run(r, S.self, packed, parts: [0..<1], foldsRecurrentBias: 0..<1) { lane, x, stride in
          try lane.product(lane.h, part: 0, to: lane.nextH, addend: x, rowStride: stride, r)
          try lane.activate(0, lane.nextH, lane.sizes.batch * lane.sizes.hidden)
        }
      }
      try dispatch(r.input(0).type, float: { try run(Float.self) }, double: { try run(Double.self) })
    }
  }
}
