import Kernels
import Tensors

/// EmbedLayerNormalization and QEmbedLayerNormalization (com.microsoft): the sum of a word's, its position's and its
/// segment's embedding, normalised; and the length of each sequence by a mask.
enum EmbedLayerNormalization {
  static let definitions = [
    OperatorDefinition(
      "EmbedLayerNormalization", domain: "com.microsoft", since: [1],
      inputs: [
        .required("input_ids", "I"), .optional("segment_ids", "I"), .required("word_embedding", "T"),
        .required("position_embedding", "T"), .optional("segment_embedding", "T"), .required("gamma", "T"),
        .required("beta", "T"), .optional("mask", "I"), .optional("position_ids", "I"),
      ],
      outputs: [.required("output", "T"), .optional("mask_index", "I"), .optional("embedding_sum", "T")],
      types: ["I": TypeSet(.int32), "T": TypeSet(.float, .float16)],
      attributes: [.float("epsilon", 1e-12), .int("mask_index_type", 0)], takesHalf: true,
      infer: { infer($0, type: $0.elementType(2)) },
      kernel: { c in { try run($0, c, quantized: false) } }),
    OperatorDefinition(
      "QEmbedLayerNormalization", domain: "com.microsoft", since: [1],
      inputs: [
        .required("input_ids", "I"), .optional("segment_ids", "I"), .required("word_embedding_quant", "Q"),
        .required("position_embedding_quant", "Q"), .optional("segment_embedding", "Q"), .required("gamma_quant", "Q"),
        .required("beta_quant", "Q"), .optional("mask", "I"), .required("word_embedding_scale", "T"),
        .required("position_embedding_scale", "T"), .optional("segment_embedding_scale", "T"),
        .required("gamma_scale", "T"),
        .required("beta_scale", "T"), .required("word_embedding_zero_point", "Q"),
        .required("position_embedding_zero_point", "Q"), .optional("segment_embedding_zero_point", "Q"),
        .required("gamma_zero_point", "Q"), .required("beta_zero_point", "Q"),
      ],
      outputs: [.required("layernorm_out", "T"), .required("mask_index_out", "I")],
      types: ["I": TypeSet(.int32), "Q": TypeSet(.int8, .uint8), "T": TypeSet(.float)],
      attributes: [.float("epsilon", 1e-12)], infer: { infer($0, type: .float) },
      kernel: { c in { try run($0, c, quantized: true) } }),
  ]

  private static func infer(_ c: InferenceContext, type: ElementType?) {
    guard let ids = c.shape(0), ids.count == 2 else { return c.set(0, type, nil) }
    let shape = ids + [c.shape(2)?.last ?? .unknown]
    c.set(0, type, shape)
    c.set(1, .int32, [ids[0]])
    c.set(2, type, shape)
  }

  /// Rows of an embedding, float or quantised as a whole.
  private struct Table {
    private let t: Tensor
    private let scale: Float
    private let zero: Float
    let rows: Int

    /// Input `i`; its scale is six inputs further on where it is quantised, its zero point eleven.
    init?(_ r: RunContext, _ i: Int, width: Int, quantized: Bool) throws {
      guard let t = try r.optionalInput(i) else { return nil }
      try checkShape(
        (t.rank == 2 || t.rank == 1) && t.shape.last == width,
        "input \(i) has the shape \(t.shape) for rows of \(width)")
      self.t = t
      rows = t.rank == 2 ? t.shape[0] : 1
      scale = quantized ? Float(try r.input(i + 6).scalar()) : 1
      zero = quantized ? Float(try r.input(i + 11).int()) : 0
    }

    /// Row `i` as float in memory for one.
    func read(_ i: Int, _ n: Int, to out: UnsafeMutablePointer<Float>) throws {
      guard i >= 0, i < rows else { throw SwiftletError(.runtime, "row \(i) of an embedding of \(rows)") }
      try Cast.apply(t.type, t.data + i * n * t.type.bits / 8, to: .float, out, n)
      if scale != 1 || zero != 0 { for j in 0..<n { out[j] = (out[j] - zero) * scale } }
    }
  }

  private static func run(_ r: RunContext, _ c: KernelContext, quantized: Bool) throws {
    let ids = try r.input(0), words = try r.input(2)
    try checkShape(ids.rank == 2 && words.rank == 2, "input_ids has the shape \(ids.shape), the words \(words.shape)")
    let (batch, length, n) = (ids.shape[0], ids.shape[1], words.shape[1])
    let tables = try (2...6).map { try Table(r, $0, width: n, quantized: quantized) }
    guard let word = tables[0], let position = tables[1], let gamma = tables[3], let beta = tables[4] else {
      throw SwiftletError(.internal, "an embedding is missing")
    }
    let segments = try r.optionalInput(1), positions = quantized ? nil : try r.optionalInput(8)
    try checkModel((segments == nil) == (tables[2] == nil), "segment_ids and segment_embedding go together")
    try checkShape(segments.map { $0.shape == ids.shape } ?? true, "segment_ids has the shape \(segments?.shape ?? [])")
    try checkShape(
      positions.map { $0.shape == ids.shape || $0.shape == [1, length] } ?? true,
      "position_ids has the shape \(positions?.shape ?? [])")
    func values(_ t: Tensor?) -> UnsafePointer<Int32>? { t.map { UnsafePointer($0.pointer(Int32.self)) } }
    let id = ids.pointer(Int32.self), segment = values(segments), place = values(positions)
    let places = positions?.count ?? 1
    let parameters = try r.scratch(max(Checked.multiply(2, n), 1), of: Float.self)
    try gamma.read(0, n, to: parameters)
    try beta.read(0, n, to: parameters + n)
    let sums = try r.scratch(max(Checked.multiply(ids.count, n), 1), of: Float.self)
    let spare = try r.scratch(max(Checked.multiply(r.pool.width, n), 1), of: Float.self), failure = FirstError()
    let grain = max(1, 16384 / max(n, 1)), tasks = (ids.count + grain - 1) / grain
    r.pool.parallel(tasks) { task, worker in
      failure.catching {
        let row = spare + worker * n
        for i in task * grain..<min((task + 1) * grain, ids.count) {
          let sum = sums + i * n
          try word.read(Int(id[i]), n, to: sum)
          try position.read(place.map { Int($0[i % places]) } ?? i % length, n, to: row)
          for j in 0..<n { sum[j] += row[j] }
          guard let segment, let table = tables[2] else { continue }
          try table.read(Int(segment[i]), n, to: row)
          for j in 0..<n { sum[j] += row[j] }
        }
      }
    }
    try failure.rethrow()
    try r.writing(0) { y in
      try Normalization.layer(
        .float, sums, [ids.count, n], axis: 1, scale: parameters, bias: parameters + n,
        epsilon: Double(c.float("epsilon")),
        to: y.data, pool: r.pool)
    }
    if r.hasOutput(1) {
      let lengths = try r.output(1).pointer(Int32.self), mask = try r.optionalInput(7)
      try checkShape(mask.map { $0.shape == ids.shape } ?? true, "mask has the shape \(mask?.shape ?? [])")
      for b in 0..<batch {
        lengths[b] = values(mask).map { m in (0..<length).reduce(0) { $0 + (m[b * length + $1] == 1 ? 1 : 0) } } ?? 0
      }
    }
    if !quantized, r.hasOutput(2) {
      let out = try r.output(2)
      try Cast.apply(.float, sums, to: out.type, out.data, out.count, pool: r.pool)
    }
  }
}
