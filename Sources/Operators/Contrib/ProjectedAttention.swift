import Kernels
import Tensors

/// Attention and QAttention (com.microsoft): one product makes queries, keys and values of the input, in float or 8
/// bits; then multi-head attention with masks and a cache [2, batch, heads, rows, size].
enum ProjectedAttention {
  static let definitions = [
    OperatorDefinition(
      "Attention", domain: "com.microsoft", since: [1],
      inputs: [
        .required("input", "T"), .required("weights", "T"), .optional("bias", "T"), .optional("mask_index", "M"),
        .optional("past", "T"), .optional("attention_bias", "T"), .optional("past_sequence_length", "M"),
      ],
      outputs: outputs, types: ["T": TypeSet(.float, .float16, .bfloat16), "M": TypeSet(.int32)],
      attributes: attributes + [.ints("qkv_hidden_sizes"), .int("rotary_embedding_dim", 0)], exactness: .accumulating,
      infer: { try infer($0, type: $0.elementType(0), past: 4) },
      kernel: { c in
        try check(c)
        let packed = c.constant(1) != nil ? Lazily<PackedMatrix?>() : nil
        return { r in
          try run(r, c, mask: 3, past: 4, addend: 5) { out in
            let x = try r.input(0), w = try r.input(1), bias = try r.optionalInput(2)
            let operands = try Operands(x.shape, w.shape)
            try checkShape(bias.map { $0.shape == [operands.n] } ?? true, "the bias has the shape \(bias?.shape ?? [])")
            let pack = try packed?.get { try Operands.pack(w, .init(), for: x, r.pool) } ?? nil
            try operands.multiply(
              x.pointer(Float.self), UnsafePointer(w.pointer(Float.self)), pack, out,
              Epilogue(columnBias: bias.map { UnsafePointer($0.pointer(Float.self)) }), r)
          }
        }
      }),
    OperatorDefinition(
      "QAttention", domain: "com.microsoft", since: [1],
      inputs: [
        .required("input", "T1"), .required("weight", "T2"), .required("bias", "T3"), .required("input_scale", "T3"),
        .required("weight_scale", "T3"), .optional("mask_index", "M"), .optional("input_zero_point", "T1"),
        .optional("weight_zero_point", "T2"), .optional("past", "T3"),
      ],
      outputs: outputs.map { .init(name: $0.name, type: "T3", kind: $0.kind) },
      types: [
        "T1": TypeSet(.int8, .uint8), "T2": TypeSet(.int8, .uint8), "T3": TypeSet(.float, .float16),
        "M": TypeSet(.int32),
      ],
      attributes: attributes, exactness: .accumulating,
      infer: { try infer($0, type: $0.elementType(3), past: 8) },
      kernel: { c in
        try check(c)
        let packed = QuantizedMatMul.packing(c, b: 1, zero: 7)
        return { r in
          try run(r, c, mask: 5, past: 8, addend: nil) { out in
            let x = try r.input(0), w = try r.input(1), n = w.shape.last ?? 1
            let count = try Checked.multiply(Checked.count(Array(x.shape.dropLast())), n)
            let sums = try r.scratch(max(count, 1), of: Int32.self)
            try QuantizedMatMul.multiply(r, x, r.optionalInput(6), w, r.optionalInput(7), packed, to: sums)
            try QuantizedMatMul.toFloat(
              sums, out, count: count, columns: n, QuantizedMatMul.products(r.input(3), r.input(4), of: nil),
              r.input(2), r.pool)
          }
        }
      }),
  ]
  private static let outputs: [Parameter] = [.required("output", "T"), .optional("present", "T")]
  private static let attributes: [AttributeSpec] = [
    .required(.int, "num_heads"), .int("unidirectional", 0), .int("past_present_share_buffer", 0), .int("do_rotary", 0),
    .float("mask_filter_value", -10000), .float("scale"),
  ]

  private static func check(_ c: KernelContext) throws {
    guard try !c.bool("do_rotary"), try !c.bool("past_present_share_buffer") else {
      throw SwiftletError(.unsupported, "do_rotary and past_present_share_buffer of \(c.node.opType)")
    }
  }

  /// How the columns of the product divide into queries, keys and values.
  private static func columns(_ c: some NodeReading, _ total: Int) throws -> (key: Int, value: Int) {
    let heads = try c.headCount()
    let sizes = try c.optionalInts("qkv_hidden_sizes") ?? []
    if sizes.isEmpty {
      try checkShape(total % 3 == 0 && total / 3 % heads == 0, "weights of \(total) columns for \(heads) heads")
      return (total / 3, total / 3)
    }
    guard sizes.count == 3, sizes[0] == sizes[1], sizes.allSatisfy({ $0 >= 0 && $0 % heads == 0 }),
      try Checked.add(Checked.multiply(2, sizes[0]), sizes[2]) == total
    else {
      throw SwiftletError(
        .invalidModel, "qkv_hidden_sizes are \(sizes) for weights of \(total) columns and \(heads) heads")
    }
    return (sizes[0], sizes[2])
  }

  private static func infer(_ c: InferenceContext, type: ElementType?, past: Int) throws {
    let heads = try c.headCount()
    guard let x = try c.shape(0, rank: 3), let w = try c.shape(1, rank: 2) else {
      c.set(0, type, nil)
      return c.set(1, type, nil)
    }
    _ = try c.same(x[2], w[0], "the input's and the weights' inner dimension")
    var (value, size) = (Dimension.unknown, Dimension.unknown)
    if let width = w[1].value {
      let sizes = try columns(c, width)
      (value, size) = (.known(sizes.value), .known(sizes.key / heads))
    }
    let rows = c.hasInput(past) ? (try c.shape(past, rank: 5)?[3] ?? .unknown) + x[1] : x[1]
    c.set(0, type, [x[0], x[1], value])
    c.set(1, type, [.known(2), x[0], .known(heads), rows, size])
  }

  /// - Parameter project: writes queries, keys and values of all rows.
  private static func run(
    _ r: RunContext, _ c: KernelContext, mask: Int, past: Int, addend: Int?,
    _ project: (UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    let heads = try c.headCount()
    let x = try r.input(0), w = try r.input(1), (batch, rows, width) = (x.shape[0], x.shape[1], w.shape[1])
    let (key, value) = try columns(c, width), size = key / heads, valueSize = value / heads
    let all = try r.scratch(max(Checked.count([batch, rows, width]), 1), of: Float.self)
    try project(all)
    func part(_ first: Int, _ size: Int) -> HeadRows {
      HeadRows(all + first, .init(batch: rows * width, head: size, row: width))
    }
    let q = part(0, size)
    var k = part(key, size), v = part(2 * key, valueSize)
    let before = try r.optionalInput(past), present = r.hasOutput(1)
    if before != nil || present {
      try checkShape(key == value, "a cache for keys of \(key) and values of \(value) elements")
    }
    if let before {
      try checkShape(
        before.rank == 5 && before.shape == [2, batch, heads, before.shape[3], size],
        "past has the shape \(before.shape)")
    }
    let single = try before?.reshaped([2 * batch, heads, before?.shape[3] ?? 0, size])
    let cache = try CacheSizes(single, pastLength: nil, batch: batch, heads: heads, rows: rows)
    if before != nil || present {
      let shape = [2, batch, heads, cache.total, size]
      let out = (present ? try r.output(1, .float, shape) : try r.scratchTensor(.float, shape)).pointer(Float.self)
      let from = before.map { UnsafePointer($0.pointer(Float.self)) }, pastShape = before.map { Array($0.shape[1...]) }
      k = try cache.join(to: out, past: from, shape: pastShape, k, size: size)
      v = try cache.join(
        to: out + batch * heads * cache.total * size, past: from.map { $0 + (before?.count ?? 0) / 2 },
        shape: pastShape, v,
        size: size)
    }
    var core = AttentionCore(
      batch: batch, heads: heads, kvHeads: heads, queries: rows, keys: cache.total, headSize: size,
      valueSize: valueSize,
      scale: try AttentionCore.scale(c, size: size))
    core.isCausal = try c.bool("unidirectional")
    core.offsets = [cache.pastLength]
    let filter = try c.float("mask_filter_value")
    var biases = try r.optionalInput(mask).map { [try AttentionMask.additive($0, core, filter: filter, r)] } ?? []
    if let addend, let t = try r.optionalInput(addend) { biases.append(try AttentionCore.Bias(t, core)) }
    try core.run(q, k, v, out: r.output(0), biases: biases, r)
  }
}
