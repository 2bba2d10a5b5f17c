import Kernels
import Tensors

/// Dropout: the input itself in inference; in training mode elements are dropped with probability `ratio` and the
/// others scaled by 1 / (1 - ratio). The mask tells which ones stay.
enum Dropout {
  static let definitions = [
    definition([1, 6], [.float("ratio", 0.5), .int("is_test", 0), .optional(.ints, "consumed_inputs")], mask: "T"),
    definition([7], [.float("ratio", 0.5)], mask: "T"),
    definition([10], [.float("ratio", 0.5)], mask: "T2"),
    definition([12, 13, 22], [.int("seed")], mask: "T2", inputs: [.optional("ratio", "T1"), .optional("training_mode", "T2")]),
  ]

  private static func definition(
    _ since: [Int], _ attributes: [AttributeSpec], mask: String, inputs: [Parameter] = []
  ) -> OperatorDefinition {
    let floats: TypeSet = [.floats, .float8s]
    return OperatorDefinition(
      "Dropout", since: since, inputs: [.required("data", "T")] + inputs,
      outputs: [.required("output", "T"), .optional("mask", mask)], types: ["T": floats, "T1": floats, "T2": .bool],
      attributes: attributes, memory: .view, takesHalf: true, exactness: .exact, isDeterministic: false,
      infer: { c in
        c.set(0, like: 0)
        c.set(1, mask == "T" ? c.elementType(0) : .bool, c.shape(0))
      }, kernel: kernel)
  }

  @Sendable private static func kernel(_ c: KernelContext) throws -> Kernel {
    let seed = c.version >= 12 ? try c.optionalInt("seed") : nil
    let version = c.version
    let fixedRatio = version < 12 ? Double(try c.float("ratio")) : nil
    // Version 1 and 6 drop unless `is_test` is set: they were meant for training.
    let fixedTraining = version < 7 ? try !c.bool("is_test") : false
    return { r in
      let x = try r.input(0)
      let training = try r.optionalInput(2)?.int() ?? (fixedTraining ? 1 : 0) != 0
      let ratio = try fixedRatio ?? r.optionalInput(1).map { try scalar($0, r) } ?? 0.5
      try checkModel(ratio >= 0 && ratio < 1, "ratio is \(ratio)")
      guard training, ratio > 0, version >= 12 else {
        try r.setOutput(0, x)
        guard r.hasOutput(1) else { return }
        let mask = try r.output(1)
        return try fillOnes(mask)
      }
      let draws = try RandomStream.draw(c, r, seed: seed.map { UInt64(bitPattern: Int64($0)) }, x.count) { $0 }
      try drop(x, ratio, draws, r)
    }
  }

  private static func scalar(_ t: Tensor, _ r: RunContext) throws -> Double {
    guard t.count == 1 else { throw SwiftletError(.shape, "ratio must be a scalar") }
    let wide = try r.scratchTensor(.double, t.shape)
    try Cast.apply(t.type, t.data, to: .double, wide.data, 1)
    return try wide.scalar()
  }

  private static func fillOnes(_ mask: Tensor) throws {
    if mask.type == .bool {
      mask.data.initializeMemory(as: UInt8.self, repeating: 1, count: mask.byteCount)
    } else {
      var one: Float = 1
      var element: UInt64 = 0
      try Cast.apply(.float, &one, to: mask.type, &element, 1)
      try StridedCopy.fill(mask.data, with: &element, mask.count, elementSize: mask.type.bits / 8)
    }
  }

  /// Keeps the elements whose number of `draws` is at least `ratio`.
  private static func drop(_ x: Tensor, _ ratio: Double, _ draws: Tensor, _ r: RunContext) throws {
    let y = try r.output(0)
    let wide = try r.scratchTensor(.double, x.shape)
    try Cast.apply(x.type, x.data, to: .double, wide.data, x.count, pool: r.pool)
    let mask = r.hasOutput(1) ? try r.output(1).pointer(UInt8.self) : nil
    let p = wide.pointer(Double.self), u = draws.pointer(Double.self), scale = 1 / (1 - ratio)
    for i in 0..<x.count {
      p[i] = u[i] >= ratio ? p[i] * scale : 0
      mask?[i] = u[i] >= ratio ? 1 : 0
    }
    try Cast.apply(.double, wide.data, to: y.type, y.data, y.count, pool: r.pool)
  }
}
