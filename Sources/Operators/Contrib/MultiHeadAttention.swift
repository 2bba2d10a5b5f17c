import Kernels
import Tensors

/// MultiHeadAttention and DecoderMaskedMultiHeadAttention (com.microsoft): attention of projected queries, keys and
/// values, packed or not, with the projection's bias, masks, and caches that grow or have room.
enum MultiHeadAttention {
  static let definitions = [
    definition(
      "MultiHeadAttention", Inputs(bias: 3, mask: 4, addend: 5, past: 6, pastLength: 8, indirection: 9),
      [
        .optional("bias", "T"), .optional("key_padding_mask", "M"), .optional("attention_bias", "T"),
        .optional("past_key", "T"),
        .optional("past_value", "T"), .optional("past_sequence_length", "M"), .optional("cache_indirection", "M"),
      ], [.int("unidirectional", 0)]),
    definition(
      "DecoderMaskedMultiHeadAttention", Inputs(bias: 10, mask: 3, addend: 4, past: 5, pastLength: 7, indirection: 9),
      [
        .optional("mask_index", "M"), .optional("attention_bias", "T"), .optional("past_key", "T"),
        .optional("past_value", "T"),
        .optional("past_sequence_length", "M"), .optional("beam_width", "M"), .optional("cache_indirection", "M"),
        .optional("bias", "T"),
      ], [.int("past_present_share_buffer", 0), .int("output_qk", 0)]),
  ]

  /// Where the inputs beyond query, key and value are; past_value follows past_key.
  private struct Inputs {
    let bias: Int
    let mask: Int
    let addend: Int
    let past: Int
    let pastLength: Int
    let indirection: Int
  }

  private static func definition(
    _ name: String, _ inputs: Inputs, _ parameters: [Parameter], _ attributes: [AttributeSpec]
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, domain: "com.microsoft", since: [1],
      inputs: [.required("query", "T"), .optional("key", "T"), .optional("value", "T")] + parameters,
      outputs: [
        .required("output", "T"), .optional("present_key", "T"), .optional("present_value", "T"), .optional("qk", "T"),
      ],
      types: ["T": TypeSet(.float, .float16, .bfloat16), "M": TypeSet(.int32)],
      attributes: attributes + [.required(.int, "num_heads"), .float("mask_filter_value", -10000), .float("scale")],
      exactness: .accumulating, infer: { try infer($0, inputs) }, kernel: { c in { try run($0, c, inputs) } })
  }

  /// Queries, keys and values by their shapes.
  private struct Form {
    enum Packing {
      /// Three tensors of [batch, rows, heads * size].
      case separate
      /// Keys and values are [batch, heads, rows, size]: the whole cache, of another sequence.
      case cached
      /// [batch, rows, heads, 3, size]
      case queryKeyValue
      /// Queries, and [batch, rows, heads, 2, size]
      case keyValue
      /// [batch, rows, 3 * heads * size]
      case row
    }
    let packing: Packing
    let batch: Dimension
    let queries: Dimension
    /// Rows of keys and values that are new.
    let rows: Dimension
    let size: Dimension
    let valueSize: Dimension

    init(_ q: SymbolicShape, _ k: SymbolicShape?, _ v: SymbolicShape?, heads: Int) throws {
      func split(_ hidden: Dimension, into n: Int) throws -> Dimension {
        try hidden.map { try AttentionCore.headSize($0, heads: n) }
      }
      func check(_ condition: Bool) throws {
        func text(_ s: SymbolicShape?) -> String { s.map(\.description) ?? "none" }
        try checkShape(condition, "query, key and value have the shapes \(text(q)), \(text(k)), \(text(v))")
      }
      func same(_ a: Dimension, _ b: Dimension) throws { try check(a.merged(b) != nil) }
      try check(q.count == 3 || q.count == 5 && k == nil && v == nil)
      (batch, queries) = (q[0], q[1])
      if q.count == 5 {
        packing = .queryKeyValue
        try same(q[2], .known(heads))
        try same(q[3], .known(3))
        (rows, size, valueSize) = (q[1], q[4], q[4])
        return
      }
      guard let k else {
        try check(v == nil)
        packing = .row
        (rows, size) = (q[1], try split(q[2], into: Checked.multiply(3, heads)))
        valueSize = size
        return
      }
      size = try split(q[2], into: heads)
      try check([3, 4, 5].contains(k.count) && (k.count == 5) == (v == nil) && (v == nil || v?.count == k.count))
      try same(k[0], batch)
      if k.count == 5 {
        packing = .keyValue
        try same(k[2], .known(heads))
        try same(k[3], .known(2))
        try same(k[4], size)
        (rows, valueSize) = (k[1], size)
        return
      }
      let v = v ?? k
      try same(v[0], batch)
      if k.count == 4 {
        packing = .cached
        try same(k[1], .known(heads))
        try same(v[1], .known(heads))
        try same(k[2], v[2])
        try same(k[3], size)
        (rows, valueSize) = (k[2], v[3])
      } else {
        packing = .separate
        try same(k[1], v[1])
        try same(k[2], q[2])
        (rows, valueSize) = (k[1], try split(v[2], into: heads))
      }
    }
  }

  private static func infer(_ c: InferenceContext, _ inputs: Inputs) throws {
    let heads = try c.headCount()
    guard let q = c.shape(0), !c.hasInput(1) || c.shape(1) != nil, !c.hasInput(2) || c.shape(2) != nil else {
      for i in 0..<4 { c.set(i, c.elementType(0), nil) }
      return
    }
    let form = try Form(q, c.shape(1), c.shape(2), heads: heads)
    var (total, capacity) = (form.rows, form.rows)
    if c.hasInput(inputs.past), form.packing != .cached {
      let past = try c.shape(inputs.past, rank: 4)?[2] ?? .unknown
      if !c.hasInput(inputs.pastLength) {
        (total, capacity) = (past + form.rows, past + form.rows)
      } else {
        capacity = past
        let length = try c.constantInts(inputs.pastLength)?.first
        total = try length.map { n in try form.rows.map { try Checked.add(n, $0) } } ?? .unknown
      }
    }
    c.set(0, c.elementType(0), [form.batch, form.queries, .known(heads) * form.valueSize])
    c.set(1, c.elementType(0), [form.batch, .known(heads), capacity, form.size])
    c.set(2, c.elementType(0), [form.batch, .known(heads), capacity, form.valueSize])
    c.set(3, c.elementType(0), [form.batch, .known(heads), form.queries, total])
  }

  private static func run(_ r: RunContext, _ c: KernelContext, _ inputs: Inputs) throws {
    let heads = try c.headCount()
    let query = try r.input(0), key = try r.optionalInput(1), value = try r.optionalInput(2)
    let form = try Form(
      SymbolicShape(query.shape), key.map { SymbolicShape($0.shape) }, value.map { SymbolicShape($0.shape) },
      heads: heads)
    guard let sizes = [form.batch, form.queries, form.rows, form.size, form.valueSize].known else {
      throw SwiftletError(.internal, "a shape isn't known at a run")
    }
    let (batch, queries, rows, size, valueSize) = (sizes[0], sizes[1], sizes[2], sizes[3], sizes[4])
    var (q, k, v) = operands(form.packing, query, key, value, heads: heads, size: size, valueSize: valueSize)
    if let bias = try r.optionalInput(inputs.bias) {
      let due = try Checked.multiply(heads, Checked.add(Checked.multiply(2, size), valueSize))
      try checkShape(bias.shape == [due], "the bias has the shape \(bias.shape)")
      let b = UnsafePointer(bias.pointer(Float.self))
      q = try q.adding(b, batch: batch, heads: heads, rows: queries, size: size, r)
      // Keys and values that come from a cache have had theirs.
      if form.packing != .cached {
        k = try k.adding(b + heads * size, batch: batch, heads: heads, rows: rows, size: size, r)
        v = try v.adding(b + 2 * heads * size, batch: batch, heads: heads, rows: rows, size: valueSize, r)
      }
    }
    let grows = form.packing != .cached
    let pastKey = grows ? try r.optionalInput(inputs.past) : nil
    let pastValue = grows ? try r.optionalInput(inputs.past + 1) : nil
    try checkModel((pastKey == nil) == (pastValue == nil), "past_key and past_value must be given together")
    let given = try r.optionalInput(inputs.pastLength)?.int()
    let cache = try CacheSizes(pastKey, pastLength: given, batch: batch, heads: heads, rows: rows)
    k = try cache.join(r, output: 1, past: pastKey, k, size: size)
    v = try cache.join(r, output: 2, past: pastValue, v, size: valueSize)
    var core = AttentionCore(
      batch: batch, heads: heads, kvHeads: heads, queries: queries, keys: cache.total, headSize: size,
      valueSize: valueSize,
      scale: try AttentionCore.scale(c, size: size))
    core.isCausal = try c.optionalInt("unidirectional") ?? 0 != 0
    core.offsets = [cache.pastLength]
    if let indirection = try r.optionalInput(inputs.indirection) {
      k = try cache.gather(k, indirection, size: size, r)
      v = try cache.gather(v, indirection, size: valueSize, r)
    }
    let filter = try c.float("mask_filter_value")
    var biases: [AttentionCore.Bias<Float>] = []
    if let mask = try r.optionalInput(inputs.mask) {
      biases.append(try AttentionMask.additive(mask, core, filter: filter, r))
    }
    if let addend = try r.optionalInput(inputs.addend) { biases.append(try AttentionCore.Bias(addend, core)) }
    let y = try r.output(0)
    let scores = r.hasOutput(3) ? try r.output(3, .float, [batch, heads, queries, cache.total]) : nil
    try core.run(q, k, v, out: y, biases: biases, scores: scores.map { (.biased, $0.pointer(Float.self)) }, r)
  }

  private static func operands(
    _ packing: Form.Packing, _ query: Tensor, _ key: Tensor?, _ value: Tensor?, heads: Int, size: Int, valueSize: Int
  ) -> (HeadRows, HeadRows, HeadRows) {
    /// Part `i` of `n` that follow each other within a head, or within a row.
    func part(_ t: Tensor, _ i: Int, of n: Int, withinHead: Bool) -> HeadRows {
      let row = n * heads * size
      return HeadRows(
        UnsafePointer(t.pointer(Float.self)) + i * (withinHead ? size : heads * size),
        .init(batch: t.shape[1] * row, head: withinHead ? n * size : size, row: row))
    }
    let key = key ?? query, value = value ?? key
    switch packing {
    case .queryKeyValue, .row:
      let within = packing == .queryKeyValue
      return (
        part(query, 0, of: 3, withinHead: within), part(query, 1, of: 3, withinHead: within),
        part(query, 2, of: 3, withinHead: within)
      )
    case .keyValue:
      return (
        HeadRows(query, heads: heads, size: size), part(key, 0, of: 2, withinHead: true),
        part(key, 1, of: 2, withinHead: true)
      )
    case .separate, .cached:
      return (
        HeadRows(query, heads: heads, size: size), HeadRows(key, heads: heads, size: size),
        HeadRows(value, heads: heads, size: valueSize)
      )
    }
  }
}
