import Glibc
import Kernels
import Tensors

/// Random numbers of several distributions (see `RandomStream`). The bits of the attribute `seed` are the key.
enum RandomOperators {
  static let definitions = [
    plain("RandomUniform", uniform, .float("low", 0), .float("high", 1)),
    plain("RandomNormal", normal, .float("mean", 0), .float("scale", 1)),
    like("RandomUniformLike", uniform, .float("low", 0), .float("high", 1)),
    like("RandomNormalLike", normal, .float("mean", 0), .float("scale", 1)),
    bernoulli, multinomial,
  ]

  private typealias Distribution = @Sendable (_ pair: (Double, Double), _ a: Double, _ b: Double) -> (Double, Double)
  private static let uniform: Distribution = { u, low, high in (low + (high - low) * u.0, low + (high - low) * u.1) }
  /// Box-Muller.
  private static let normal: Distribution = { u, mean, scale in
    let radius = sqrt(-2 * log(1 - u.0)) * scale
    return (mean + radius * cos(2 * .pi * u.1), mean + radius * sin(2 * .pi * u.1))
  }

  private static func draw(
    _ c: KernelContext, _ r: RunContext, _ count: Int, _ f: (_ pair: (Double, Double)) -> (Double, Double)
  ) throws -> Tensor {
    try RandomStream.draw(c, r, seed: c.optionalFloat("seed").map { UInt64($0.bitPattern) }, count, f)
  }
  private static func fill(_ c: KernelContext, _ r: RunContext, _ d: Distribution, _ names: [String]) throws {
    let y = try r.output(0)
    let a = try Double(c.float(names[0]))
    let b = try Double(c.float(names[1]))
    // Below 1 in the output's type as well.
    let isDouble = y.type == .double
    func cut(_ u: Double) -> Double { isDouble ? u : (u * 0x1p24).rounded(.down) * 0x1p-24 }
    let wide = try draw(c, r, y.count) { d((cut($0.0), cut($0.1)), a, b) }
    try Cast.apply(.double, wide.data, to: y.type, y.data, y.count, pool: r.pool)
  }

  private static func plain(_ name: String, _ d: @escaping Distribution, _ a: AttributeSpec, _ b: AttributeSpec) -> OperatorDefinition {
    OperatorDefinition(
      name, since: [1, 22], inputs: [], outputs: [.required("output", "T")], types: ["T": .floats],
      attributes: [.int("dtype", 1), .required(.ints, "shape"), .float("seed"), a, b], takesHalf: true,
      isDeterministic: false,
      infer: { c in
        let shape = try c.ints("shape")
        _ = try Checked.count(shape)
        c.set(0, try c.elementType("dtype"), shape)
      },
      kernel: { c in { r in try fill(c, r, d, [a.name, b.name]) } })
  }
  private static func like(_ name: String, _ d: @escaping Distribution, _ a: AttributeSpec, _ b: AttributeSpec) -> OperatorDefinition {
    OperatorDefinition(
      name, since: [1, 22], inputs: [.required("input", "T1")], outputs: [.required("output", "T2")],
      types: ["T1": .tensors, "T2": .floats], attributes: [.int("dtype"), .float("seed"), a, b], takesHalf: true,
      isDeterministic: false,
      infer: { c in
        let type = try c.optionalElementType("dtype") ?? c.elementType(0)
        if let type, !TypeSet.floats.contains(type) {
          throw SwiftletError(.type, "random numbers of \(type.name): give dtype")
        }
        c.set(0, type, c.shape(0))
      },
      kernel: { c in { r in try fill(c, r, d, [a.name, b.name]) } })
  }

  private static let bernoulli = OperatorDefinition(
    "Bernoulli", since: [15, 22], inputs: [.required("input", "T1")], outputs: [.required("output", "T2")],
    types: ["T1": .floats, "T2": [.numeric, .bool]], attributes: [.int("dtype"), .float("seed")], takesHalf: true,
    isDeterministic: false,
    infer: { c in c.set(0, try c.optionalElementType("dtype") ?? c.elementType(0), c.shape(0)) },
    kernel: { c in
      { r in
        let x = try r.input(0)
        let y = try r.output(0)
        let wide = try draw(c, r, x.count) { $0 }
        let p = try r.temporary(.double, [x.count])
        try Cast.apply(x.type, x.data, to: .double, p.data, x.count, pool: r.pool)
        let drawn = try r.temporary(.bool, [x.count])
        try Binary.apply(.less, .double, wide.data, [x.count], p.data, [x.count], to: drawn.data, [x.count], pool: r.pool)
        try Cast.apply(.bool, drawn.data, to: y.type, y.data, y.count, pool: r.pool)
      }
    })

  /// Classes by their unnormalised log-probabilities.
  private static let multinomial = OperatorDefinition(
    "Multinomial", since: [7, 22], inputs: [.required("input", "T1")], outputs: [.required("output", "T2")],
    types: ["T1": .floats, "T2": .indices], attributes: [.int("dtype", 6), .int("sample_size", 1), .float("seed")],
    takesHalf: true, isDeterministic: false,
    infer: { c in
      let samples = try c.int("sample_size")
      guard samples >= 0 else { throw SwiftletError(.invalidModel, "sample_size is \(samples)") }
      if let rank = c.rank(0), rank != 2 { throw SwiftletError(.shape, "[batch, classes] is due, not rank \(rank)") }
      c.set(0, try c.elementType("dtype"), [c.shape(0)?.first ?? .unknown, .known(samples)])
    },
    kernel: { c in
      { r in
        let x = try r.input(0)
        guard x.rank == 2, x.shape[1] > 0 else { throw SwiftletError(.shape, "[batch, classes] is due, not \(x.shape)") }
        let (batch, classes) = (x.shape[0], x.shape[1])
        let samples = try c.int("sample_size")
        let logits = try x.doubles()
        let u = try draw(c, r, Checked.multiply(batch, samples)) { $0 }
        let chosen = try r.temporary(.int64, [batch, samples])
        for b in 0..<batch {
          let row = logits[b * classes..<(b + 1) * classes]
          let top = row.max() ?? 0
          var sum = 0.0
          let cumulated = row.map { v -> Double in
            sum += exp(v - top)
            return sum
          }
          for s in 0..<samples {
            let target = u.pointer(Double.self)[b * samples + s] * sum
            chosen.pointer(Int64.self)[b * samples + s] = Int64(cumulated.firstIndex { $0 > target } ?? classes - 1)
          }
        }
        let y = try r.output(0)
        try Cast.apply(.int64, chosen.data, to: y.type, y.data, y.count)
      }
    })
}
