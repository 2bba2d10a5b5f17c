import Kernels
import Tensors

/// GroupQueryAttention (com.microsoft): fewer heads of keys and values than of queries, each sequence with a length of
/// its own, rotary embedding of what is new, and a cache [batch, heads, capacity, size] in float, 8 or 4 bits.
enum GroupQueryAttention {
  static let definitions = [
    OperatorDefinition(
      "GroupQueryAttention", domain: "com.microsoft", since: [1],
      inputs: [
        .required("query", "T"), .optional("key", "T"), .optional("value", "T"), .optional("past_key", "C"),
        .optional("past_value", "C"), .required("seqlens_k", "M"), .required("total_sequence_length", "M"),
        .optional("cos_cache", "T"), .optional("sin_cache", "T"), .optional("position_ids", "I"),
        .optional("attention_bias", "T"), .optional("head_sink", "T"), .optional("k_scale", "S"),
        .optional("v_scale", "S"),
        .optional("q_norm_weight", "T"), .optional("k_norm_weight", "T"),
      ],
      outputs: [
        .required("output", "T"), .optional("present_key", "C"), .optional("present_value", "C"),
        .optional("output_qk", "T"),
      ],
      types: [
        "T": TypeSet(.float, .float16, .bfloat16), "C": TypeSet(.float, .float16, .bfloat16, .int8, .uint8),
        "S": TypeSet(.float), "M": TypeSet(.int32), "I": .int64,
      ],
      attributes: [
        .required(.int, "num_heads"), .required(.int, "kv_num_heads"), .float("scale"), .float("softcap", 0),
        .int("causal", 1), .int("local_window_size", -1), .int("do_rotary", 0), .int("rotary_interleaved", 0),
        .int("smooth_softmax", -1), .int("qk_output", 0), .int("kv_cache_bit_width", 0),
        .string("k_quant_type", "NONE"),
        .string("v_quant_type", "NONE"), .int("sliding_window_cache", 0), .float("qk_norm_epsilon", 1e-6),
      ],
      exactness: .accumulating, infer: infer, kernel: kernel)
  ]

  /// Heads of queries and of keys, and the size of one, from the width of the query (and of what is packed into it).
  private static func heads(
    _ c: some NodeReading, width: Int, isPacked: Bool
  ) throws -> (heads: Int, kv: Int, size: Int) {
    let heads = try c.headCount(), kv = try c.headCount("kv_num_heads")
    try checkModel(heads % kv == 0, "\(heads) heads of queries for \(kv) of keys")
    let parts = isPacked ? try Checked.add(heads, Checked.multiply(2, kv)) : heads
    let size = try AttentionCore.headSize(width, heads: parts)
    // Rows of nothing would be counted without end.
    try checkShape(size > 0, "rows without elements")
    return (heads, kv, size)
  }

  @Sendable private static func infer(_ c: InferenceContext) throws {
    let cache = c.hasInput(3) ? c.elementType(3) : c.elementType(0)
    guard let q = try c.shape(0, rank: 3), let width = q[2].value else {
      for i in 0..<4 { c.set(i, i == 1 || i == 2 ? cache : c.elementType(0), nil) }
      return
    }
    let (heads, kv, size) = try heads(c, width: width, isPacked: !c.hasInput(1))
    c.set(0, c.elementType(0), [q[0], q[1], .known(try Checked.multiply(heads, size))])
    let total = try c.constantInts(6)?.first, past = try c.shape(3, rank: 4)
    var capacity = Dimension.unknown
    if try c.bool("sliding_window_cache") {
      capacity = past?[2] ?? .unknown
    } else if let total {
      capacity = c.hasInput(3) ? (past?[2].map { max($0, total) } ?? .unknown) : .known(total)
    }
    let stored = past?[3] ?? (c.hasInput(3) ? .unknown : .known(size))
    for i in 1...2 { c.set(i, cache, [q[0], .known(kv), capacity, stored]) }
    c.set(3, c.elementType(0), [q[0], .known(heads), q[1], total.map { .known($0) } ?? .unknown])
  }

  @Sendable private static func kernel(_ c: KernelContext) throws -> Kernel {
    guard !c.hasInput(14), !c.hasInput(15) else {
      throw SwiftletError(
        .unsupported, "q_norm_weight and k_norm_weight, which are for GPUs: export the normalisation as nodes")
    }
    let stage: AttentionCore.Stage?
    switch try c.int("qk_output") {
    case 0: stage = nil
    case 1: stage = .biased
    case 2: stage = .probabilities
    case let other: throw SwiftletError(.invalidModel, "qk_output is \(other)")
    }
    let window = try c.int("local_window_size"), isCausal = try c.bool("causal")
    try checkModel(window == -1 || window > 0 && isCausal, "local_window_size is \(window)")
    let drops = try c.bool("sliding_window_cache")
    try checkModel(
      !drops || window > 0 && stage == nil,
      "sliding_window_cache with local_window_size = \(window), or with qk_output")
    return { r in try run(r, c, stage, window: window, drops: drops, isCausal: isCausal) }
  }

  private static func run(
    _ r: RunContext, _ c: KernelContext, _ stage: AttentionCore.Stage?, window: Int, drops: Bool, isCausal: Bool
  ) throws {
    let query = try r.input(0), key = try r.optionalInput(1), value = try r.optionalInput(2)
    try checkShape(query.rank == 3, "query has the shape \(query.shape)")
    let (batch, rows) = (query.shape[0], query.shape[1])
    let (heads, kv, size) = try heads(c, width: query.shape[2], isPacked: key == nil)
    for t in [key, value] {
      try checkShape(
        (t == nil) == (key == nil) && t.map { $0.shape == [batch, rows, kv * size] } ?? true,
        "key or value has the shape \(t?.shape ?? [])")
    }
    let width = query.shape[2], data = UnsafePointer(query.pointer(Float.self))
    func packed(_ head: Int) -> HeadRows {
      HeadRows(data + head * size, .init(batch: rows * width, head: size, row: width))
    }
    var q = packed(0)
    var k = key.map { HeadRows($0, heads: kv, size: size) } ?? packed(heads)
    let v = value.map { HeadRows($0, heads: kv, size: size) } ?? packed(heads + kv)
    let lengths = try GroupedCache.Lengths(
      try r.input(5).ints(), total: try r.input(6).int(), past: try r.optionalInput(3),
      window: drops ? window : nil, batch: batch, rows: rows)
    if try c.bool("do_rotary") {
      let rotary = try Rotary(r, lengths, batch: batch, rows: rows, isInterleaved: try c.bool("rotary_interleaved"))
      q = try rotary.apply(q, heads: heads, size: size, r)
      k = try rotary.apply(k, heads: kv, size: size, r)
    }
    let bits = try c.int("kv_cache_bit_width")
    let keys = try GroupedCache(
      r, past: 3, scale: 12, bits: bits, kind: c.string("k_quant_type"), lengths, heads: kv, size: size)
      .join(k, output: 1, r)
    let values = try GroupedCache(
      r, past: 4, scale: 13, bits: bits, kind: c.string("v_quant_type"), lengths, heads: kv, size: size)
      .join(v, output: 2, r)
    var core = AttentionCore(
      batch: batch, heads: heads, kvHeads: kv, queries: rows, keys: lengths.total, headSize: size, valueSize: size,
      scale: try AttentionCore.scale(c, size: size))
    core.softcap = Double(try c.float("softcap"))
    core.isCausal = isCausal
    core.offsets = lengths.past
    core.lengths = lengths.present
    if window > 0 { core.window.left = min(window, lengths.total) - 1 }
    if let sinks = try r.optionalInput(11)?.doubles() {
      try checkShape(sinks.count == heads, "head_sink has \(sinks.count) elements for \(heads) heads")
      core.sinks = sinks
    } else if try c.int("smooth_softmax") == 1 {
      core.sinks = Array(repeating: 0, count: heads)
    }
    let biases = try r.optionalInput(10).map {
      [try AttentionCore.Bias<Float>(drops ? resident($0, lengths, r) : $0, core)]
    } ?? []
    let scores = try stage.flatMap { stage in r.hasOutput(3) ? (stage, try r.output(3).pointer(Float.self)) : nil }
    try core.run(q, keys, values, out: r.output(0), biases: biases, scores: scores.map { (stage: $0, data: $1) }, r)
    guard let (_, p) = scores else { return }
    // What a query doesn't see counts as 0 in the output.
    for i in 0..<batch * heads * rows {
      let row = p + i * core.keys, visible = core.visible(i / (heads * rows), i % rows)
      for j in 0..<visible.lowerBound { row[j] = 0 }
      for j in visible.upperBound..<core.keys { row[j] = 0 }
    }
  }

  /// The columns of an addend [..., positions] that stand for the rows which the cache holds, and the new ones.
  private static func resident(_ t: Tensor, _ lengths: GroupedCache.Lengths, _ r: RunContext) throws -> Tensor {
    let batch = lengths.past.count, width = t.shape.last ?? 0
    let first = zip(lengths.positions, lengths.past).map { $0 - $1 }
    guard t.rank == 4, t.shape[0] == 1 || t.shape[0] == batch,
      zip(first, lengths.present).allSatisfy({ $0 + $1 <= width })
    else {
      throw SwiftletError(.shape, "attention_bias has the shape \(t.shape)")
    }
    let out = try r.scratchTensor(.float, [batch, t.shape[1], t.shape[2], lengths.total])
    let rows = t.shape[1] * t.shape[2]
    out.data.initializeMemory(as: UInt8.self, repeating: 0, count: out.byteCount)
    for b in 0..<batch {
      for row in 0..<rows {
        let from = t.pointer(Float.self) + ((t.shape[0] == 1 ? 0 : b) * rows + row) * width + first[b]
        (out.pointer(Float.self) + (b * rows + row) * lengths.total).update(from: from, count: lengths.present[b])
      }
    }
    return out
  }

  /// The angles of a run's new rows.
  private struct Rotary {
    let cos: Tensor
    let sin: Tensor
    let half: Int
    let rows: Int
    let isInterleaved: Bool
    /// For each of the rows of all sequences.
    let positions: [Int]

    init(_ r: RunContext, _ lengths: GroupedCache.Lengths, batch: Int, rows: Int, isInterleaved: Bool) throws {
      (cos, sin) = (try r.input(7), try r.input(8))
      half = cos.shape.last ?? 0
      try checkShape(cos.rank == 2 && sin.shape == cos.shape, "the caches have the shapes \(cos.shape), \(sin.shape)")
      (self.rows, self.isInterleaved) = (rows, isInterleaved)
      let ids = try r.optionalInput(9)?.ints()
      if lengths.isPrompt, let first = ids?.first {
        positions = try (0..<batch * rows).map { try Checked.add(first, $0 % rows) }
      } else if let ids {
        try checkShape(ids.count == batch * rows, "\(ids.count) position_ids for \(batch) sequences of \(rows)")
        positions = ids
      } else {
        positions = (0..<batch * rows).map { lengths.positions[$0 / rows] + $0 % rows }
      }
      for p in positions where p < 0 || p >= cos.shape[0] {
        throw SwiftletError(.runtime, "position \(p) is out of range for \(cos.shape[0])")
      }
    }

    func apply(_ x: HeadRows, heads: Int, size: Int, _ r: RunContext) throws -> HeadRows {
      try checkShape(half <= size / 2, "the caches have the shape \(cos.shape) for heads of \(size)")
      let out = try r.scratch(max(Checked.count([positions.count, heads, size]), 1), of: Float.self)
      let c = cos.pointer(Float.self), s = sin.pointer(Float.self)
      r.pool.parallel(over: positions.count, grain: max(1, 8192 / max(1, heads * size))) { range in
        for i in range {
          for h in 0..<heads {
            RotaryEmbedding.rotate(
              x.data + (i / rows * x.layout.batch + i % rows * x.layout.row + h * x.layout.head),
              out + (i * heads + h) * size,
              c + positions[i] * half, s + positions[i] * half, half, size, isInterleaved)
          }
        }
      }
      return HeadRows(out, .rows(rows, heads: heads, size: size))
    }
  }
}
