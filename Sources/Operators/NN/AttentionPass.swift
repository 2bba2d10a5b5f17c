import Kernels
import Tensors

/// One run of an `AttentionCore`, in blocks of queries, so that the scores stay small. Heads that share keys and values
/// are computed together, and keys that none of a block's queries sees are left out.
struct AttentionPass<S: KernelScalar & SIMDScalar> {
  let core: AttentionCore
  let q: AttentionCore.Rows<S>
  let k: AttentionCore.Rows<S>
  let v: AttentionCore.Rows<S>
  let out: UnsafeMutablePointer<S>
  let outLayout: AttentionCore.Layout
  let biases: [AttentionCore.Bias<S>]
  let scores: (stage: AttentionCore.Stage, data: UnsafeMutablePointer<S>)?

  private var planes: Int { core.batch * core.kvHeads }
  /// Heads of Q for each of K and V.
  private var sharing: Int { max(1, core.heads / max(1, core.kvHeads)) }
  /// As many of them as are computed together, lest their scores grow without bound.
  private var group: Int { min(sharing, max(1, (1 << 22) / max(1, core.keys))) }

  func run(_ r: RunContext) throws {
    guard core.batch > 0, core.heads > 0, core.queries > 0, core.valueSize > 0 || scores != nil else {
      return prepareAll(r)
    }
    if core.queries == 1, let single = self as? AttentionPass<Float> { return try single.decode(r) }
    try attend(r)
  }

  private func prepareAll(_ r: RunContext) {
    guard k.prepare != nil || v.prepare != nil else { return }
    r.pool.parallel(over: planes, grain: max(1, 16384 / max(1, core.keys * core.headSize))) { planes in
      for plane in planes {
        k.prepare?(plane, 0..<Int.max)
        v.prepare?(plane, 0..<Int.max)
      }
    }
  }

  /// The keys that some of the queries see; all if the scores are asked for.
  private func span(_ b: Int, _ queries: Range<Int>) -> Range<Int> {
    if scores != nil { return 0..<core.keys }
    let first = core.visible(b, queries.lowerBound), last = core.visible(b, queries.upperBound - 1)
    return first.lowerBound..<max(first.upperBound, last.upperBound)
  }

  // MARK: Blocks of queries

  private func attend(_ r: RunContext) throws {
    prepareAll(r)
    let keys = core.keys, size = core.headSize, valueSize = core.valueSize, sharing = sharing, group = group
    let block = max(1, min(core.queries, min(1 << 16 / max(1, keys), 128) / group)), rows = block * group
    let blocks = (core.queries + block - 1) / block, parts = (sharing + group - 1) / group
    func queries(_ piece: Int) -> Range<Int> { piece * block..<min(core.queries, (piece + 1) * block) }
    /// Q K' and P V over the keys of `span`; rows of Q `stride` apart.
    @inline(never)
    func products(
      _ rows: Int, _ q: UnsafePointer<S>, stride: Int, _ p: UnsafePointer<S>, plane: Int, span: Range<Int>
    ) throws -> (scoring: Gemm<S>, mixing: Gemm<S>) {
      let (b, h) = (plane / core.kvHeads, plane % core.kvHeads)
      let keyRows = k.data + (b * k.layout.batch + h * k.layout.head + span.lowerBound * k.layout.row)
      let valueRows = v.data + (b * v.layout.batch + h * v.layout.head + span.lowerBound * v.layout.row)
      return (
        try Gemm(
          m: rows, n: span.count, k: size, a: .strided(q, rowStride: stride, columnStride: 1),
          b: .strided(keyRows, rowStride: 1, columnStride: k.layout.row), epilogue: Epilogue(alpha: core.scale)),
        try Gemm(
          m: rows, n: valueSize, k: span.count, a: .strided(p + span.lowerBound, rowStride: keys, columnStride: 1),
          b: .strided(valueRows, rowStride: v.layout.row, columnStride: 1))
      )
    }
    var gemmBytes = 0
    for b in 0..<core.batch {
      for piece in 0..<blocks {
        for heads in Set([group, sharing - (parts - 1) * group]) {
          let (scoring, mixing) = try products(
            queries(piece).count * heads, q.data, stride: size, UnsafePointer(out), plane: b * core.kvHeads,
            span: span(b, queries(piece)))
          gemmBytes = max(gemmBytes, scoring.scratchBytes(width: 1), mixing.scratchBytes(width: 1))
        }
      }
    }
    let width = r.pool.width, serial = try ThreadPool(width: 1), failure = FirstError()
    let memory = try r.scratch(Checked.multiply(width, gemmBytes + 64))
    // Scores, and, of heads that share keys, queries and results one under the other.
    let operands = group == 1 ? 0 : try Checked.multiply(rows, Checked.add(size, valueSize))
    let count = try Checked.add(Checked.add(Checked.multiply(rows, keys), operands), 16)
    let pieces = try r.scratch(Checked.multiply(width, count), of: S.self)
    func attend(
      _ plane: Int, _ heads: Range<Int>, _ queries: Range<Int>, _ p: UnsafeMutablePointer<S>,
      _ scratch: UnsafeMutableRawPointer
    ) throws {
      let b = plane / core.kvHeads, first = plane % core.kvHeads * sharing + heads.lowerBound, span = span(b, queries)
      let from = q.data + (b * q.layout.batch + first * q.layout.head + queries.lowerBound * q.layout.row)
      let to = out + (b * outLayout.batch + first * outLayout.head + queries.lowerBound * outLayout.row)
      let together = p + rows * keys, results = together + rows * size
      // Whether the rows of all heads have one distance anyway.
      let isUniform = group == 1
        || q.layout.head == queries.count * q.layout.row && outLayout.head == queries.count * outLayout.row
      func forEachRow(_ body: (_ head: Int, _ query: Int, _ row: Int) -> Void) {
        for h in 0..<heads.count { for i in 0..<queries.count { body(h, i, h * queries.count + i) } }
      }
      if !isUniform {
        forEachRow { (together + $2 * size).update(from: from + ($0 * q.layout.head + $1 * q.layout.row), count: size) }
      }
      let (scoring, mixing) = try products(
        queries.count * heads.count, isUniform ? from : UnsafePointer(together),
        stride: isUniform ? q.layout.row : size, UnsafePointer(p), plane: plane, span: span)
      scoring.run(p + span.lowerBound, rowStride: keys, pool: serial, scratch: scratch)
      for h in 0..<heads.count {
        try finish(p + h * queries.count * keys, head: b * core.heads + first + h, queries, span)
      }
      if isUniform { return mixing.run(to, rowStride: outLayout.row, pool: serial, scratch: scratch) }
      mixing.run(results, rowStride: valueSize, pool: serial, scratch: scratch)
      forEachRow {
        (to + ($0 * outLayout.head + $1 * outLayout.row)).update(from: results + $2 * valueSize, count: valueSize)
      }
    }
    r.pool.parallel(planes * parts * blocks) { task, worker in
      let part = task / blocks % parts * group, heads = part..<min(part + group, sharing)
      failure.catching {
        try attend(
          task / blocks / parts, heads, queries(task % blocks), pieces + worker * count,
          memory + worker * (gemmBytes + 64))
      }
    }
    try failure.rethrow()
  }

  // MARK: From products to probabilities

  /// Makes probabilities of the products of a head's queries with the keys of `span`, in place: `keys` elements a row.
  fileprivate func finish(
    _ p: UnsafeMutablePointer<S>, head: Int, _ queries: Range<Int>, _ span: Range<Int>
  ) throws {
    let b = head / core.heads, h = head % core.heads, keys = core.keys
    func export(_ stage: AttentionCore.Stage) {
      guard let scores, scores.stage == stage else { return }
      let to = scores.data + (head * core.queries + queries.lowerBound) * keys
      to.update(from: p, count: queries.count * keys)
    }
    export(.product)
    if core.softcap != 0 {
      for i in 0..<queries.count {
        let row = p + (i * keys + span.lowerBound)
        try Unary.apply(
          .scale, S.elementType, row, to: row, span.count, UnaryParameters(alpha: 1 / core.softcap, beta: 0))
        try Unary.apply(.tanh, S.elementType, row, to: row, span.count)
        try Unary.apply(.scale, S.elementType, row, to: row, span.count, UnaryParameters(alpha: core.softcap, beta: 0))
      }
    }
    export(.capped)
    for i in 0..<queries.count {
      let row = p + i * keys, query = queries.lowerBound + i
      for bias in biases { bias.add(to: row, span, b, h, query) }
      let visible = core.visible(b, query).clamped(to: span)
      for j in span.lowerBound..<visible.lowerBound { row[j] = -.infinity }
      for j in visible.upperBound..<span.upperBound { row[j] = -.infinity }
    }
    export(.biased)
    let sink = core.sinks.map { $0[h] }
    if span.count == keys, keys <= 512 {
      // Short rows at once: what nobody sees is -infinity already.
      try Kernels.Softmax.attention(S.elementType, p, keys, runs: queries.count, sink: sink)
      return export(.probabilities)
    }
    for i in 0..<queries.count {
      // Zeros where nothing can be seen.
      let row = p + i * keys, visible = core.visible(b, queries.lowerBound + i).clamped(to: span)
      for j in span.lowerBound..<visible.lowerBound { row[j] = 0 }
      for j in visible.upperBound..<span.upperBound { row[j] = 0 }
      try Kernels.Softmax.attention(
        S.elementType, row + visible.lowerBound, visible.count, sink: sink)
    }
    export(.probabilities)
  }
}

extension AttentionPass<Float> {
  /// One query of each head: bound by the reading of keys and values, which is done once for all heads that share them.
  fileprivate func decode(_ r: RunContext) throws {
    let keys = core.keys, width = r.pool.width, sharing = sharing
    // Few planes for many threads: the heads that share one are divided.
    let heads = planes >= width ? group : min(group, (sharing * planes + width - 1) / width)
    let parts = (sharing + heads - 1) / heads
    if parts > 1 { prepareAll(r) }
    let count = try Checked.add(Checked.multiply(heads, keys), 16), failure = FirstError()
    let memory = try r.scratch(Checked.multiply(width, count), of: Float.self)
    r.pool.parallel(planes * parts) { task, worker in
      let first = task % parts * heads
      failure.catching {
        try decode(
          task / parts, first..<min(first + heads, sharing), memory + worker * count, prepares: parts == 1)
      }
    }
    try failure.rethrow()
  }

  /// - Parameter group: some of the heads that share the keys and values of a plane.
  private func decode(_ plane: Int, _ group: Range<Int>, _ p: UnsafeMutablePointer<Float>, prepares: Bool) throws {
    let b = plane / core.kvHeads, shared = plane % core.kvHeads, first = shared * sharing + group.lowerBound
    let keys = core.keys, seen = span(b, 0..<1)
    let from = q.data + (b * q.layout.batch + first * q.layout.head)
    let to = out + (b * outLayout.batch + first * outLayout.head)
    /// Calls `body` with the rows that count, a block at a time, each when it is ready.
    func blocks(_ x: AttentionCore.Rows<Float>, _ count: Int, _ body: (UnsafePointer<Float>, Range<Int>) -> Void) {
      let rows = x.data + (b * x.layout.batch + shared * x.layout.head)
      for start in stride(from: 0, to: max(keys, 1), by: count) {
        let end = start + count
        if prepares { x.prepare?(plane, start..<(end < keys ? end : Int.max)) }
        let block = (start..<min(end, max(keys, start))).clamped(to: seen)
        if !block.isEmpty { body(rows + block.lowerBound * x.layout.row, block) }
      }
    }
    let scoring = RowProducts(size: core.headSize), mixing = RowProducts(size: core.valueSize)
    blocks(k, scoring.blockCount) { rows, block in
      scoring.dots(
        from, stride: q.layout.head, vectors: group.count, rows: rows, stride: k.layout.row, count: block.count,
        scale: Float(core.scale), to: p + block.lowerBound, stride: keys)
    }
    for g in 0..<group.count {
      try finish(p + g * keys, head: b * core.heads + first + g, 0..<1, seen)
      (to + g * outLayout.head).update(repeating: 0, count: core.valueSize)
    }
    blocks(v, mixing.blockCount) { rows, block in
      mixing.mix(
        p + block.lowerBound, stride: keys, vectors: group.count, rows: rows, stride: v.layout.row, count: block.count,
        to: to, stride: outLayout.head)
    }
  }
}
