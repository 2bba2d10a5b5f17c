import Glibc
import Kernels
import Tensors

/// LinearAttention: a recurrent state per head, [key size][value size], that is decayed, corrected, written and read at
/// each step.
enum LinearAttention {
  static let definitions = [
    OperatorDefinition(
      "LinearAttention", since: [27],
      inputs: [
        .required("query", "T"), .required("key", "T"), .required("value", "T"), .optional("past_state", "S"),
        .optional("decay", "T"), .optional("beta", "T"),
      ],
      outputs: [.required("output", "T"), .required("present_state", "S")], types: ["T": .floats, "S": .floats],
      attributes: [
        .required(.int, "q_num_heads"), .required(.int, "kv_num_heads"), .float("scale", 0),
        .string("update_rule", "gated_delta"), .int("chunk_size", 64),
      ],
      exactness: .accumulating, infer: infer, kernel: { c in { try run($0, c) } })
  ]

  @Sendable private static func infer(_ c: InferenceContext) throws {
    let q = try c.shape(0, rank: 3), v = try c.shape(2, rank: 3)
    let heads = try c.int("q_num_heads"), kvHeads = try c.int("kv_num_heads")
    try checkModel(heads > 0 && kvHeads > 0 && heads % kvHeads == 0, "\(heads) heads for \(kvHeads) of key and value")
    let keySize = try q?[2].map { hidden -> Int in
      try checkShape(hidden % heads == 0, "\(hidden) elements in \(heads) heads")
      return hidden / heads
    } ?? .unknown
    let valueSize = try v?[2].map { hidden -> Int in
      try checkShape(hidden % kvHeads == 0, "\(hidden) elements in \(kvHeads) heads")
      return hidden / kvHeads
    } ?? .unknown
    c.set(0, c.elementType(0), [q?[0] ?? .unknown, q?[1] ?? .unknown, valueSize * .known(heads)])
    c.set(1, c.hasInput(3) ? c.elementType(3) : c.elementType(0), [q?[0] ?? .unknown, .known(kvHeads), keySize, valueSize])
  }

  private static func run(_ r: RunContext, _ c: KernelContext) throws {
    func float(_ i: Int) throws -> Tensor? {
      guard let t = try r.optionalInput(i) else { return nil }
      if t.type == .float { return t }
      let w = try r.scratchTensor(.float, t.shape)
      try Cast.apply(t.type, t.data, to: .float, w.data, t.count, pool: r.pool)
      return w
    }
    guard let q = try float(0), let k = try float(1), let v = try float(2) else { return }
    let past = try float(3), decay = try float(4), beta = try float(5)
    let heads = try c.int("q_num_heads"), kvHeads = try c.int("kv_num_heads"), rule = try c.string("update_rule")
    guard ["linear", "gated", "delta", "gated_delta"].contains(rule) else { throw SwiftletError(.invalidModel, "update_rule is '\(rule)'") }
    let isGated = rule.hasPrefix("gated"), corrects = rule.hasSuffix("delta")
    try checkModel(isGated == (decay != nil) && corrects == (beta != nil), "update_rule '\(rule)' and the inputs decay and beta don't agree")
    let (batch, steps) = (q.shape[0], q.shape[1]), dk = q.shape[2] / heads, dv = v.shape[2] / kvHeads
    try checkShape(k.shape == [batch, steps, kvHeads * dk] && v.shape == [batch, steps, kvHeads * dv], "key and value have the shapes \(k.shape), \(v.shape)")
    try checkShape(past.map { $0.shape == [batch, kvHeads, dk, dv] } ?? true, "past_state has the shape \(past?.shape ?? [])")
    let decaySize = decay?.shape.last ?? 0, betaSize = beta?.shape.last ?? 0
    try checkShape(decay == nil || decay?.count == batch * steps * decaySize && (decaySize == kvHeads || decaySize == kvHeads * dk), "decay has the shape \(decay?.shape ?? [])")
    try checkShape(beta == nil || beta?.count == batch * steps * betaSize && (betaSize == kvHeads || betaSize == 1), "beta has the shape \(beta?.shape ?? [])")
    let given = Double(try c.float("scale")), scale = Float(given == 0 ? 1 / Double(max(dk, 1)).squareRoot() : given)
    let y = try r.output(0), present = try r.output(1)
    let out = y.type == .float ? y : try r.scratchTensor(.float, y.shape)
    let states = present.type == .float ? present : try r.scratchTensor(.float, present.shape)
    let group = heads / kvHeads
    try Rows.parallel(batch * kvHeads, steps * dk * dv * 4, r.pool) { range in
      var read = [Float](repeating: 0, count: dv)
      for lane in range {
        let b = lane / kvHeads, h = lane % kvHeads
        let state = states.pointer(Float.self) + lane * dk * dv
        if let past { state.update(from: past.pointer(Float.self) + lane * dk * dv, count: dk * dv) } else { state.update(repeating: 0, count: dk * dv) }
        for t in 0..<steps {
          let row = b * steps + t
          let key = k.pointer(Float.self) + (row * kvHeads + h) * dk, value = v.pointer(Float.self) + (row * kvHeads + h) * dv
          if let decay {
            let g = decay.pointer(Float.self) + row * decaySize
            for d in 0..<dk {
              let factor = expf(decaySize == kvHeads ? g[h] : g[h * dk + d])
              for m in 0..<dv { state[d * dv + m] *= factor }
            }
          }
          for m in 0..<dv { read[m] = value[m] }
          if let beta {
            for d in 0..<dk { for m in 0..<dv { read[m] -= state[d * dv + m] * key[d] } }
            let f = beta.pointer(Float.self)[row * betaSize + (betaSize == 1 ? 0 : h)]
            for m in 0..<dv { read[m] *= f }
          }
          for d in 0..<dk { for m in 0..<dv { state[d * dv + m] += key[d] * read[m] } }
          for g in 0..<group {
            let head = h * group + g, query = q.pointer(Float.self) + (row * heads + head) * dk
            let o = out.pointer(Float.self) + (row * heads + head) * dv
            for m in 0..<dv { o[m] = 0 }
            for d in 0..<dk { for m in 0..<dv { o[m] += query[d] * state[d * dv + m] } }
            for m in 0..<dv { o[m] *= scale }
          }
        }
      }
    }
    if y.type != .float { try Cast.apply(.float, out.data, to: y.type, y.data, y.count, pool: r.pool) }
    if present.type != .float { try Cast.apply(.float, states.data, to: present.type, present.data, present.count, pool: r.pool) }
  }
}
