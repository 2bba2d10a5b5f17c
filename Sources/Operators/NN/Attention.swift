import Kernels
import Tensors

/// Attention (ai.onnx): 3D and 4D inputs, grouped heads, key and value caches, masks, softcap, windows, and the scores
/// as an output.
enum Attention {
  static let definitions = [
    definition([23], [], []), definition([24], [.optional("nonpad_kv_seqlen", "I")], []),
    definition(
      [25], [.optional("nonpad_kv_seqlen", "I")], [.int("left_window_size", -1), .int("right_window_size", -1)]),
  ]

  private static func definition(
    _ since: [Int], _ inputs: [Parameter], _ attributes: [AttributeSpec]
  ) -> OperatorDefinition {
    OperatorDefinition(
      "Attention", since: since,
      inputs: [
        .required("Q", "T1"), .required("K", "T1"), .required("V", "T2"), .optional("attn_mask", "U"),
        .optional("past_key", "T1"), .optional("past_value", "T2"),
      ] + inputs,
      outputs: [
        .required("Y", "T1"), .optional("present_key", "T1"), .optional("present_value", "T2"),
        .optional("qk_matmul_output", "T1"),
      ],
      types: ["T1": .floats, "T2": .floats, "U": [.numeric, .bool], "I": .int64],
      attributes: attributes + [
        .int("is_causal", 0), .int("q_num_heads"), .int("kv_num_heads"), .float("scale"), .float("softcap", 0),
        .int("softmax_precision"), .int("qk_matmul_output_mode", 0),
      ],
      exactness: .accumulating, infer: infer, kernel: { c in { try run($0, c) } })
  }

  /// [batch, heads, rows, size] of Q, K or V, whatever its rank.
  private static func split(_ s: SymbolicShape, heads: Int?) throws -> SymbolicShape {
    if s.count == 4 { return s }
    guard let heads, heads > 0, s.count == 3 else {
      throw SwiftletError(.invalidModel, "3D inputs need q_num_heads and kv_num_heads; the shape is \(s)")
    }
    let size = try s[2].map { hidden -> Int in
      try checkShape(hidden % heads == 0, "\(hidden) elements don't divide into \(heads) heads")
      return hidden / heads
    }
    return [s[0], .known(heads), s[1], size]
  }

  @Sendable private static func infer(_ c: InferenceContext) throws {
    guard let q0 = c.shape(0), let k0 = c.shape(1), let v0 = c.shape(2) else {
      for i in 0..<4 { c.set(i, c.elementType(i == 2 ? 2 : 0), nil) }
      return
    }
    try checkShape(q0.count == k0.count && q0.count == v0.count, "Q, K and V have the shapes \(q0), \(k0), \(v0)")
    let heads = try c.optionalInt("q_num_heads"), kvHeads = try c.optionalInt("kv_num_heads")
    let q = try split(q0, heads: heads), k = try split(k0, heads: kvHeads), v = try split(v0, heads: kvHeads)
    _ = try c.same(q[3], k[3], "the head sizes of Q and K")
    _ = try c.same(k[2], v[2], "the lengths of K and V")
    _ = try c.same(k[1], v[1], "the heads of K and V")
    _ = try c.same(c.same(q[0], k[0], "the batches of Q and K"), v[0], "the batches of Q and V")
    if let h = q[1].value, let g = k[1].value { try checkShape(g > 0 && h % g == 0, "\(h) heads of Q for \(g) of K") }
    var total = k[2]
    _ = try c.shape(5, rank: 4)
    if c.hasInput(4) { total = total + (try c.shape(4, rank: 4)?[2] ?? .unknown) }
    c.set(0, c.elementType(0), q0.count == 4 ? [q[0], q[1], q[2], v[3]] : [q[0], q[2], q[1] * v[3]])
    c.set(1, c.elementType(1), [k[0], k[1], total, k[3]])
    c.set(2, c.elementType(2), [v[0], v[1], total, v[3]])
    c.set(3, c.elementType(0), [q[0], q[1], q[2], total])
  }

  private static func run(_ r: RunContext, _ c: KernelContext) throws {
    let q = try r.input(0), k = try r.input(1)
    let heads = try c.optionalInt("q_num_heads"), kvHeads = try c.optionalInt("kv_num_heads")
    func split(_ t: Tensor, _ heads: Int?) throws -> [Int] {
      try Self.split(SymbolicShape(t.shape), heads: heads).known ?? []
    }
    let qs = try split(q, heads), ks = try split(k, kvHeads)
    let v = try same(r.input(2), q.type, r), vs = try split(v, kvHeads)
    let past = try r.optionalInput(4), pastValue = try r.optionalInput(5).map { try same($0, q.type, r) }
    try checkModel((past == nil) == (pastValue == nil), "past_key and past_value must be given together")
    let pastLength = past.map { $0.rank == 4 ? $0.shape[2] : 0 } ?? 0
    for (p, s) in [(past, ks), (pastValue, vs)] {
      guard let p else { continue }
      try checkShape(p.shape == [s[0], s[1], pastLength, s[3]], "a cache has the shape \(p.shape)")
    }
    let size = qs[3], mask = try r.optionalInput(3)
    var core = AttentionCore(
      batch: qs[0], heads: qs[1], kvHeads: ks[1], queries: qs[2], keys: try Checked.add(pastLength, ks[2]),
      headSize: size,
      valueSize: vs[3], scale: try c.optionalFloat("scale").map(Double.init) ?? 1 / Double(max(size, 1)).squareRoot())
    core.softcap = Double(try c.float("softcap"))
    core.isCausal = try c.bool("is_causal")
    core.window = (try c.optionalInt("left_window_size") ?? -1, try c.optionalInt("right_window_size") ?? -1)
    try checkModel(core.window.left >= -1 && core.window.right >= -1, "a window of \(core.window)")
    let most = try Checked.add(core.keys, core.queries)
    core.window = (min(core.window.left, most), min(core.window.right, most))
    core.offsets = [pastLength]
    if let lengths = try r.optionalInput(6)?.ints() {
      try checkShape(lengths.count == core.batch && past == nil, "nonpad_kv_seqlen must have \(core.batch) elements")
      guard lengths.allSatisfy({ $0 >= 0 && $0 <= core.keys }) else {
        throw SwiftletError(.runtime, "nonpad_kv_seqlen is \(lengths)")
      }
      core.lengths = lengths
      core.offsets = lengths.map { $0 - core.queries }
    }
    let mode = try c.int("qk_matmul_output_mode")
    guard (0...3).contains(mode) else { throw SwiftletError(.invalidModel, "qk_matmul_output_mode is \(mode)") }
    let stages: [AttentionCore.Stage] = [.product, .capped, .biased, .probabilities]
    let y = try r.output(0), scores = r.hasOutput(3) ? try r.output(3) : nil
    func compute<S: KernelScalar & SIMDScalar>(_: S.Type) throws {
      let is3D = q.rank == 3
      func rows(_ t: Tensor, _ s: [Int]) -> AttentionCore.Rows<S> { .init(UnsafePointer(t.pointer(S.self)), layout(s)) }
      func layout(_ s: [Int]) -> AttentionCore.Layout {
        is3D ? .rows(s[2], heads: s[1], size: s[3]) : .heads(s[1], rows: s[2], size: s[3])
      }
      let biases = try mask.map { [try AttentionCore.Bias<S>(additive($0, S.self, r), core)] } ?? []
      try core.run(
        rows(q, qs), cache(r, 1, past, rows(k, ks), ks), cache(r, 2, pastValue, rows(v, vs), vs),
        out: y.pointer(S.self),
        layout([qs[0], qs[1], qs[2], vs[3]]), biases: biases, scores: scores.map { (stages[mode], $0.pointer(S.self)) },
        r)
    }
    try dispatch(q.type, float: { try compute(Float.self) }, double: { try compute(Double.self) })
  }

  private static func same(_ t: Tensor, _ type: ElementType, _ r: RunContext) throws -> Tensor {
    guard t.type != type else { return t }
    let u = try r.scratchTensor(type, t.shape)
    try Cast.apply(t.type, t.data, to: type, u.data, t.count, pool: r.pool)
    return u
  }

  /// Past and new rows as [batch, heads, rows, size]: in output `i`, in memory of their own if there is a past to join,
  /// or as they are.
  private static func cache<S: KernelScalar>(
    _ r: RunContext, _ i: Int, _ past: Tensor?, _ new: AttentionCore.Rows<S>, _ s: [Int]
  ) throws -> AttentionCore.Rows<S> {
    guard r.hasOutput(i) || past != nil else { return new }
    let before = past?.shape[2] ?? 0, total = try Checked.add(before, s[2])
    let planned = r.hasOutput(i) ? try r.output(i) : nil
    let joined = planned?.type == S.elementType ? planned : nil
    let out = try joined ?? r.scratchTensor(S.elementType, [s[0], s[1], total, s[3]])
    let rows = AttentionCore.Cache(
      memory: out.pointer(S.self), heads: s[1], capacity: total, size: s[3],
      past: past.map { UnsafePointer($0.pointer(S.self)) },
      pastCapacity: before, new: new, newRows: before..<total).rows
    guard let planned, joined == nil else { return rows }
    rows.prepareAll(planes: s[0] * s[1])
    try Cast.apply(S.elementType, out.data, to: planned.type, planned.data, out.count, pool: r.pool)
    return .init(rows.data, rows.layout)
  }

  /// A mask as what is added to the scores.
  static func additive<S: KernelScalar>(_ mask: Tensor, _: S.Type, _ r: RunContext) throws -> Tensor {
    if mask.type == S.elementType { return mask }
    let t = try r.scratchTensor(S.elementType, mask.shape)
    if mask.type == .bool {
      let from = mask.pointer(UInt8.self), to = t.pointer(S.self)
      for i in 0..<mask.count { to[i] = from[i] != 0 ? 0 : -.infinity }
    } else {
      try Cast.apply(mask.type, mask.data, to: S.elementType, t.data, mask.count, pool: r.pool)
    }
    return t
  }
}
