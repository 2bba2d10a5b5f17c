import Glibc
import Kernels
import Tensors

/// MoE and QMoE (com.microsoft): a router chooses k of the experts for each row; each of these is two products with an
/// activation between them (gated or not), with weights in float or in 2, 4 or 8 bits.
enum MixtureOfExperts {
  static let definitions = [
    OperatorDefinition(
      "MoE", domain: "com.microsoft", since: [1],
      inputs: [
        .required("input", "T"), .required("router_probs", "T"), .required("fc1_experts_weights", "T"),
        .optional("fc1_experts_bias", "T"), .required("fc2_experts_weights", "T"), .optional("fc2_experts_bias", "T"),
        .optional("fc3_experts_weights", "T"), .optional("fc3_experts_bias", "T"),
      ],
      outputs: [.required("output", "T")], types: ["T": TypeSet(.float, .float16, .bfloat16)], attributes: attributes,
      exactness: .accumulating, infer: { $0.set(0, like: 0) },
      kernel: { c in
        guard !c.hasInput(6), !c.hasInput(7) else {
          throw SwiftletError(.unsupported, "a third product of the experts")
        }
        let form = try Form(c)
        return { r in
          try form.run(
            r, weights: nil, first: ExpertLayer(r, weights: 2, bias: 3), second: ExpertLayer(r, weights: 4, bias: 5))
        }
      }),
    OperatorDefinition(
      "QMoE", domain: "com.microsoft", since: [1],
      inputs: [
        .required("input", "T"), .required("router_probs", "T"), .required("fc1_experts_weights", "T1"),
        .optional("fc1_scales", "T2"), .optional("fc1_experts_bias", "T"), .required("fc2_experts_weights", "T1"),
        .optional("fc2_scales", "T2"), .optional("fc2_experts_bias", "T"), .optional("fc3_experts_weights", "T1"),
        .optional("fc3_scales", "T2"), .optional("fc3_experts_bias", "T"), .optional("fc1_zero_points", "T1"),
        .optional("fc2_zero_points", "T1"), .optional("fc3_zero_points", "T1"), .optional("router_weights", "T"),
      ],
      outputs: [.required("output", "T")],
      types: [
        "T": TypeSet(.float, .float16, .bfloat16), "T1": TypeSet(.uint8), "T2": TypeSet(.float, .float16, .bfloat16),
      ],
      attributes: attributes + [
        .int("accuracy_level", 0), .int("block_size", 0), .int("expert_weight_bits", 4), .int("fc1_expert_weight_bits"),
        .int("fc2_expert_weight_bits"), .int("fc3_expert_weight_bits"), .string("quant_type", "int"),
        .int("weights_prepacked", -1),
      ],
      exactness: .accumulating, infer: { $0.set(0, like: 0) },
      kernel: { c in
        guard (8...10).allSatisfy({ !c.hasInput($0) }), !c.hasInput(13) else {
          throw SwiftletError(.unsupported, "a third product of the experts")
        }
        let kind = try c.string("quant_type")
        guard kind == "int" else { throw SwiftletError(.unsupported, "weights of the kind '\(kind)'") }
        guard try c.int("weights_prepacked") != 1 else {
          throw SwiftletError(.unsupported, "weights that were packed beforehand")
        }
        let form = try Form(c), block = try c.int("block_size"), bits = try c.int("expert_weight_bits")
        let bits1 = try c.optionalInt("fc1_expert_weight_bits") ?? bits
        let bits2 = try c.optionalInt("fc2_expert_weight_bits") ?? bits
        return { r in
          try form.run(
            r, weights: 14, first: ExpertLayer(r, weights: 2, scales: 3, zeros: 11, bias: 4, bits: bits1, block: block),
            second: ExpertLayer(r, weights: 5, scales: 6, zeros: 12, bias: 7, bits: bits2, block: block))
        }
      }),
  ]
  private static let attributes: [AttributeSpec] = [
    .int("k", 1), .int("normalize_routing_weights", 0), .string("activation_type", "relu"), .int("swiglu_fusion", 0),
    .float("swiglu_limit"), .float("activation_alpha", 1), .float("activation_beta", 0), .int("use_sparse_mixer", 0),
  ]

  private struct Form: Sendable {
    enum Gate { case none, interleaved, halves }
    let k: Int
    let normalizes: Bool
    /// Whether the shares of a softmax are those among the chosen experts in any case (QMoE).
    let alwaysNormalizes: Bool
    let activation: UnaryOperator?
    let gate: Gate
    let alpha: Float
    let beta: Float
    let limit: Float

    init(_ c: KernelContext) throws {
      alwaysNormalizes = c.node.opType == "QMoE"
      k = try c.int("k")
      try checkModel(k > 0, "k is \(k)")
      // onnxruntime's kernels for CPUs take the softmax for a sparse mixer's shares too.
      try checkModel(try !c.bool("use_sparse_mixer") || k == 2, "use_sparse_mixer with k = \(k)")
      normalizes = try c.bool("normalize_routing_weights")
      let name = try c.string("activation_type"), fusion = try c.int("swiglu_fusion")
      switch name {
      case "relu": activation = .relu
      case "gelu": activation = .geluTanh
      case "silu": activation = .swish
      case "identity", "swiglu": activation = nil
      default: throw SwiftletError(.unsupported, "the activation '\(name)'")
      }
      guard name != "swiglu" || fusion == 1 || fusion == 2 else {
        throw SwiftletError(.unsupported, "swiglu of two products (swiglu_fusion = \(fusion))")
      }
      gate = name != "swiglu" ? .none : fusion == 1 ? .interleaved : .halves
      (alpha, beta) = (try c.float("activation_alpha"), try c.float("activation_beta"))
      limit = try c.optionalFloat("swiglu_limit") ?? .infinity
    }

    /// - Parameter weights: the input with the shares of the experts, where it isn't what they are chosen by.
    func run(_ r: RunContext, weights: Int?, first: ExpertLayer, second: ExpertLayer) throws {
      let x = try r.input(0), router = try r.input(1), y = try r.output(0), hidden = x.shape.last ?? 0
      let rows = hidden == 0 ? 0 : x.count / hidden, experts = first.experts
      try checkShape(
        router.shape == [rows, experts] && k <= experts, "router_probs has the shape \(router.shape) for \(rows) rows")
      let inner = gate == .none ? first.n : first.n / 2
      try checkShape(
        first.k == hidden && second.n == hidden && second.k == inner && second.experts == experts
          && (gate == .none || first.n % 2 == 0),
          "experts of [\(first.n), \(first.k)] and [\(second.n), \(second.k)] for rows of \(hidden)")
      y.data.initializeMemory(as: UInt8.self, repeating: 0, count: y.byteCount)
      guard rows > 0 else { return }
      let shares = try weights.flatMap { try r.optionalInput($0) }
      try checkShape(
        shares.map { $0.shape == router.shape } ?? true, "router_weights has the shape \(shares?.shape ?? [])")
      let chosen = choose(router.pointer(Float.self), shares?.pointer(Float.self), rows: rows, experts: experts)
      let most = chosen.map(\.count).max() ?? 0
      func buffer(_ n: Int) throws -> UnsafeMutablePointer<Float> {
        try r.scratch(max(Checked.multiply(most, n), 1), of: Float.self)
      }
      let input = try buffer(hidden), middle = try buffer(first.n), gated = gate == .none ? middle : try buffer(inner)
      let out = try buffer(hidden), from = x.pointer(Float.self), to = y.pointer(Float.self)
      for (expert, taken) in chosen.enumerated() where !taken.isEmpty {
        try r.checkCancelled()
        for (i, t) in taken.enumerated() { (input + i * hidden).update(from: from + t.row * hidden, count: hidden) }
        try first.apply(expert, input, rows: taken.count, to: middle, r)
        if let activation {
          try Unary.apply(
            activation, .float, middle, to: middle, taken.count * inner, UnaryParameters(alpha: 1), pool: r.pool)
        }
        if gate != .none { try multiply(middle, rows: taken.count, inner, to: gated, r) }
        try second.apply(expert, gated, rows: taken.count, to: out, r)
        for (i, t) in taken.enumerated() {
          let sum = to + t.row * hidden, part = out + i * hidden
          for j in 0..<hidden { sum[j] += t.share * part[j] }
        }
      }
    }

    /// For each expert the rows that go to it, with the shares of its results.
    private func choose(
      _ router: UnsafePointer<Float>, _ shares: UnsafePointer<Float>?, rows: Int, experts: Int
    ) -> [[(row: Int, share: Float)]] {
      var chosen = [[(row: Int, share: Float)]](repeating: [], count: experts)
      for row in 0..<rows {
        let scores = router + row * experts
        let best = (0..<experts).sorted { scores[$0] > scores[$1] || scores[$0] == scores[$1] && $0 < $1 }.prefix(k)
        var weights: [Float]
        if let shares {
          weights = best.map { shares[row * experts + $0] }
        } else {
          let top = best.first.map { scores[$0] } ?? 0
          let total = (0..<experts).reduce(Float(0)) { $0 + expf(scores[$1] - top) }
          weights = best.map { expf(scores[$0] - top) / total }
        }
        let sum = weights.reduce(0, +)
        if normalizes || alwaysNormalizes && shares == nil, sum > 0 { weights = weights.map { $0 / sum } }
        for (expert, weight) in zip(best, weights) { chosen[expert].append((row, weight)) }
      }
      return chosen
    }

    /// g sigmoid(alpha g) (l + beta) of g and l, which are limited.
    private func multiply(
      _ x: UnsafeMutablePointer<Float>, rows: Int, _ inner: Int, to out: UnsafeMutablePointer<Float>, _ r: RunContext
    ) throws {
      let step = gate == .interleaved ? 2 : 1, other = gate == .interleaved ? 1 : inner
      for i in 0..<rows {
        for j in 0..<inner { out[i * inner + j] = min(x[i * 2 * inner + j * step], limit) }
      }
      try Unary.apply(
        .swish, .float, out, to: out, rows * inner, UnaryParameters(alpha: Double(alpha)), pool: r.pool)
      for i in 0..<rows {
        for j in 0..<inner {
          out[i * inner + j] *= min(max(x[i * 2 * inner + j * step + other], -limit), limit) + beta
        }
      }
    }
  }
}

/// One product of all experts: weights [experts, n, k] in float or in a few bits, with biases.
struct ExpertLayer {
  let experts: Int
  let n: Int
  let k: Int
  private let weights: Tensor
  private let bias: Tensor?
  private let bits: Int
  private let block: Int
  private let scales: UnsafeMutablePointer<Float>?
  private let zeros: UnsafeMutablePointer<Float>?
  private var blocks: Int { k / block }

  init(_ r: RunContext, weights: Int, bias: Int) throws {
    let w = try r.input(weights)
    try checkShape(w.rank == 3, "the experts' weights have the shape \(w.shape)")
    (self.weights, experts, n, k, bits, block) = (w, w.shape[0], w.shape[1], w.shape[2], 32, max(1, w.shape[2]))
    (scales, zeros) = (nil, nil)
    self.bias = try Self.bias(r, bias, [experts, n])
  }

  /// - Parameter block: elements of a row that have a scale; 0: all.
  init(_ r: RunContext, weights: Int, scales: Int, zeros: Int, bias: Int, bits: Int, block: Int) throws {
    let w = try r.input(weights)
    try checkModel(
      [2, 4, 8].contains(bits) && (block == 0 || block >= 16 && block & (block - 1) == 0),
      "weights of \(bits) bits in blocks of \(block)")
    try checkShape(w.rank == 3, "the experts' weights have the shape \(w.shape)")
    let k = try Checked.multiply(w.shape[2], 8 / bits), size = block == 0 ? max(k, 1) : block
    (self.weights, experts, n, self.k, self.bits, self.block) = (w, w.shape[0], w.shape[1], k, bits, size)
    try checkShape(k % size == 0 && size % 8 == 0, "rows of \(k) elements in blocks of \(size)")
    let perRow = k / size, count = try Checked.count([experts, n, perRow])
    let given = try r.input(scales)
    try checkShape(given.count == count, "\(given.count) scales for \(count) blocks")
    self.scales = try r.scratch(max(count, 1), of: Float.self)
    for i in 0..<count { self.scales?[i] = given.pointer(Float.self)[i] }
    if let points = try r.optionalInput(zeros) {
      // Packed along a row's blocks, or along the rows where each is one block.
      let run = block == 0 ? n : perRow, parts = 8 / bits, bytes = (run + parts - 1) / parts
      try checkShape(points.count == (run == 0 ? 0 : count / run) * bytes, "zero points of the shape \(points.shape)")
      let p = points.pointer(UInt8.self), out = try r.scratch(max(count, 1), of: Float.self)
      for i in 0..<count {
        out[i] = Float(Int(p[i / run * bytes + i % run / parts]) >> (i % run % parts * bits) & (1 << bits - 1))
      }
      self.zeros = out
    } else {
      self.zeros = nil
    }
    self.bias = try Self.bias(r, bias, [experts, n])
  }

  private static func bias(_ r: RunContext, _ i: Int, _ due: [Int]) throws -> Tensor? {
    let bias = try r.optionalInput(i)
    try checkShape(bias.map { $0.shape == due } ?? true, "a bias of the experts has the shape \(bias?.shape ?? [])")
    return bias
  }

  /// y [rows, n] = x [rows, k] times the transposed weights of an expert + its bias.
  func apply(
    _ expert: Int, _ x: UnsafePointer<Float>, rows: Int, to y: UnsafeMutablePointer<Float>, _ r: RunContext
  ) throws {
    let mark = r.environment.scratch.mark
    defer { r.environment.scratch.release(to: mark) }
    let bias = bias.map { UnsafePointer($0.pointer(Float.self) + expert * n) }
    guard let scales else {
      let gemm = try Gemm<Float>(
        m: rows, n: n, k: k, a: .strided(x, rowStride: k, columnStride: 1),
        b: .strided(weights.pointer(Float.self) + expert * n * k, rowStride: 1, columnStride: k),
        epilogue: Epilogue(columnBias: bias))
      return gemm.run(y, rowStride: n, pool: r.pool, scratch: try r.scratch(gemm.scratchBytes(width: r.pool.width)))
    }
    let first = expert * n * blocks
    let matrix = try BlockWeights(
      n: n, k: k, bits: bits, block: block, weights.pointer(UInt8.self) + expert * n * weights.shape[2],
      scales: scales + first, zeros.map { .floats($0 + first) } ?? .middle)
    if matrix.isDirect(m: rows) {
      let scratch = try r.scratch(matrix.scratchCount(m: rows), of: Float.self)
      return matrix.multiply(x, m: rows, bias: bias, to: y, pool: r.pool, scratch: scratch)
    }
    try TiledProduct(m: rows, n: n, k: k, rowStride: k).run(r, x, bias, y, matrix)
  }
}
