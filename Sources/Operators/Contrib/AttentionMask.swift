import Kernels
import Tensors

/// The forms of int32 masks that the attention operators of com.microsoft take: lengths [batch] or [3 * batch + 2],
/// ends and beginnings [2 * batch], or 1 for what counts in [batch, keys] or [batch, queries, keys].
enum AttentionMask {
  /// A mask as what is added to the scores: `filter` where a key doesn't count.
  static func additive(
    _ mask: Tensor, _ core: AttentionCore, filter: Float, _ r: RunContext
  ) throws -> AttentionCore.Bias<Float> {
    let (batch, keys) = (core.batch, core.keys)
    let rows = mask.rank == 3 ? core.queries : 1
    let out = try r.scratchTensor(.float, [batch, 1, rows, keys]), to = out.pointer(Float.self)
    let values = mask.pointer(Int32.self)
    guard mask.rank == 1 else {
      guard mask.shape == [batch, keys] || mask.shape == [batch, rows, keys] else {
        throw SwiftletError(
          .shape,
          "the mask has the shape \(mask.shape) for \(batch) sequences of \(core.queries) queries and \(keys) keys")
      }
      for i in 0..<mask.count { to[i] = values[i] > 0 ? 0 : filter }
      return try AttentionCore.Bias(out, core)
    }
    let n = mask.count, hasStarts = n % 2 == 0 && n / 2 == batch, isLong = n >= 2 && n % 3 == 2 && n / 3 == batch
    try checkShape(n == batch || hasStarts || isLong, "the mask has the shape \(mask.shape) for \(batch) sequences")
    for b in 0..<batch {
      let start = hasStarts ? min(max(Int(values[b + batch]), 0), keys) : 0
      let end = min(max(Int(values[b]), 0), keys)
      for j in 0..<keys { to[b * keys + j] = j >= start && j < end ? 0 : filter }
    }
    return try AttentionCore.Bias(out, core)
  }
}

extension NodeReading {
  /// The attribute `num_heads` or `kv_num_heads`; a bound keeps what is counted by heads alone within reason.
  func headCount(_ name: String = "num_heads") throws -> Int {
    let heads = try int(name)
    try checkModel(heads > 0 && heads <= 1 << 16, "\(name) is \(heads)")
    return heads
  }
}

extension AttentionCore {
  /// Elements of a head in rows of `hidden`; a bound lets them be counted without overflow.
  static func headSize(_ hidden: Int, heads: Int) throws -> Int {
    try checkShape(hidden <= 1 << 40 && hidden % heads == 0, "\(hidden) elements don't divide into \(heads) heads")
    return hidden / heads
  }

  /// 1 / sqrt(size) unless the attribute says another (0 counts as none).
  static func scale(_ c: some NodeReading, size: Int) throws -> Double {
    let given = try c.optionalFloat("scale") ?? 0
    return given == 0 ? 1 / Double(max(size, 1)).squareRoot() : Double(given)
  }

  /// `run` whose result is [batch][queries][heads][valueSize].
  func run(
    _ q: HeadRows, _ k: HeadRows, _ v: HeadRows, out: Tensor, biases: [Bias<Float>],
    scores: (stage: Stage, data: UnsafeMutablePointer<Float>)? = nil, _ r: RunContext
  ) throws {
    let layout = Layout.rows(queries, heads: heads, size: valueSize)
    try run(q, k, v, out: out.pointer(Float.self), layout, biases: biases, scores: scores, r)
  }
}
