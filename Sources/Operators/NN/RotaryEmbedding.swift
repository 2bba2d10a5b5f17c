import Kernels
import Tensors

/// RotaryEmbedding (ai.onnx, and com.microsoft with its other order of inputs): rotates pairs of each head's elements
/// by angles that depend on the position.
enum RotaryEmbedding {
  static let definitions = [
    OperatorDefinition(
      "RotaryEmbedding", since: [23],
      inputs: [
        .required("X", "T"), .required("cos_cache", "T"), .required("sin_cache", "T"), .optional("position_ids", "M"),
      ],
      outputs: [.required("Y", "T")], types: ["T": .floats, "M": .int64],
      attributes: [.int("interleaved", 0), .int("num_heads"), .int("rotary_embedding_dim", 0)], memory: .inPlace([0]),
      infer: { $0.set(0, like: 0) }, kernel: { try kernel($0, cos: 1, sin: 2, positions: 3) }),
    OperatorDefinition(
      "RotaryEmbedding", domain: "com.microsoft", since: [1],
      inputs: [
        .required("input", "T"), .required("position_ids", "M"), .required("cos_cache", "T"),
        .required("sin_cache", "T"),
      ],
      outputs: [.required("output", "T")], types: ["T": .floats, "M": .int64],
      attributes: [
        .int("interleaved", 0), .int("num_heads"), .int("rotary_embedding_dim", 0), .int("is_packed_batching", 0),
        .float("scale", 1),
      ],
      memory: .inPlace([0]), infer: { $0.set(0, like: 0) }, kernel: { try kernel($0, cos: 2, sin: 3, positions: 1) }),
  ]

  private static func kernel(_ c: KernelContext, cos: Int, sin: Int, positions: Int) throws -> Kernel {
    let isInterleaved = try c.bool("interleaved"), numHeads = try c.optionalInt("num_heads") ?? 0
    let rotated = try c.int("rotary_embedding_dim")
    return { r in
      let x = try r.input(0), cosines = try r.input(cos), sines = try r.input(sin), y = try r.output(0)
      try checkShape(x.rank == 3 || x.rank == 4, "X has the shape \(x.shape)")
      let (batch, length) = (x.shape[0], x.shape[x.rank == 4 ? 2 : 1])
      let half = cosines.shape.last ?? 0
      var heads = x.rank == 4 ? x.shape[1] : numHeads
      if heads == 0 {
        // com.microsoft: the head size follows from the caches.
        try checkModel(half > 0, "num_heads is missing")
        heads = max(1, x.shape[2] / 2 / half)
      }
      try checkShape(heads > 0 && (x.rank == 4 || x.shape[2] % heads == 0), "\(heads) heads for the shape \(x.shape)")
      let size = x.rank == 4 ? x.shape[3] : x.shape[2] / heads
      let span = rotated == 0 ? size : rotated
      try checkShape(
        span <= size && span % 2 == 0 && half == span / 2 && sines.shape == cosines.shape,
        "the caches have the shapes \(cosines.shape), \(sines.shape)")
      let ids = try r.optionalInput(positions)?.ints()
      let rows = half == 0 ? 0 : cosines.count / half
      let position: (Int, Int) -> Int
      if let ids {
        // One id: the first position of all sequences.
        try checkShape(
          ids.count == batch * length || ids.count == 1,
          "\(ids.count) position_ids for \(batch) sequences of \(length)")
        for id in ids where id < 0 || id >= rows || ids.count == 1 && id > rows - length {
          throw SwiftletError(.runtime, "position \(id) is out of range for \(rows)")
        }
        position = { b, i in ids.count == 1 && batch * length > 1 ? ids[0] + i : ids[b * length + i] }
      } else {
        try checkShape(rows == batch * length, "the caches have the shape \(cosines.shape)")
        position = { b, i in b * length + i }
      }
      func run<S: KernelScalar>(_: S.Type) {
        let layout: AttentionCore.Layout = x.rank == 4 ? .heads(heads, rows: length, size: size) : .rows(
          length, heads: heads, size: size)
        for b in 0..<batch {
          for h in 0..<heads {
            for i in 0..<length {
              let at = b * layout.batch + h * layout.head + i * layout.row
              rotate(
                x.pointer(S.self) + at, y.pointer(S.self) + at, cosines.pointer(S.self) + position(b, i) * half,
                sines.pointer(S.self) + position(b, i) * half, half, size, isInterleaved)
            }
          }
        }
      }
      try dispatch(x.type, float: { run(Float.self) }, double: { run(Double.self) })
    }
  }

  /// Rotates the first 2 * half of `size` elements. y may be x.
  static func rotate<S: KernelScalar>(
    _ x: UnsafePointer<S>, _ y: UnsafeMutablePointer<S>, _ cos: UnsafePointer<S>, _ sin: UnsafePointer<S>, _ half: Int,
    _ size: Int, _ isInterleaved: Bool
  ) {
    let step = isInterleaved ? 2 : 1, other = isInterleaved ? 1 : half
    for j in 0..<half {
      let a = x[j &* step], b = x[j &* step &+ other]
      y[j &* step] = cos[j] * a - sin[j] * b
      y[j &* step &+ other] = sin[j] * a + cos[j] * b
    }
    for j in 2 * half..<max(size, 2 * half) { y[j] = x[j] }
  }
}
