import Kernels
import Tensors

/// MatMulNBits (weights of 2, 4 or 8 bits in blocks) and MatMulBnb4 (4-bit floats of two kinds), both com.microsoft.
enum MatMulNBits {
  static let definitions = [
    OperatorDefinition(
      "MatMulNBits", domain: "com.microsoft", since: [1],
      inputs: [
        .required("A", "T1"), .required("B", "T2"), .required("scales", "T1"), .optional("zero_points", "T3"),
        .optional("g_idx", "T4"), .optional("bias", "T1"),
      ],
      outputs: [.required("Y", "T1")],
      types: [
        "T1": TypeSet(.float, .float16, .bfloat16), "T2": TypeSet(.uint8),
        "T3": TypeSet(.uint8, .float, .float16, .bfloat16),
        "T4": TypeSet(.int32),
      ],
      attributes: [
        .required(.int, "K"), .required(.int, "N"), .required(.int, "block_size"), .int("bits", 4),
        .int("accuracy_level", 0),
        .int("weight_prepacked", 0),
      ],
      exactness: .accumulating, infer: { try infer($0, inner: "K", outer: "N") },
      kernel: { c in
        guard try !c.bool("weight_prepacked") else {
          throw SwiftletError(.unsupported, "weights that were packed for a GPU")
        }
        let (n, k) = try sizes(c), bits = try c.int("bits"), block = try c.int("block_size")
        // Level 4 lets A be rounded to 8 bits.
        let isRounded = try c.int("accuracy_level") == 4
        return { r in
          let b = try r.input(1), scales = try r.input(2), zeros = try r.optionalInput(3), bias = try r.optionalInput(5)
          let blocks = k / block + (k % block == 0 ? 0 : 1), count = try Checked.multiply(n, blocks)
          try checkShape(b.count == Checked.multiply(count, block / 8 * bits), "B has the shape \(b.shape)")
          try checkShape(scales.count == count && (bias?.count ?? n) == n, "scales or bias have the wrong shape")
          var points = BlockWeights.Zeros.middle
          if let zeros {
            let due = zeros.type == .uint8 ? try Checked.multiply(n, (blocks * bits + 7) / 8) : count
            try checkShape(zeros.count == due, "zero_points has the shape \(zeros.shape), \(due) elements are due")
            points = zeros.type == .uint8 ? .packed(zeros.pointer(UInt8.self)) : .floats(zeros.pointer(Float.self))
          }
          let weights = try BlockWeights(
            n: n, k: k, bits: bits, block: block, b.pointer(UInt8.self), scales: scales.pointer(Float.self), points)
          let x = try r.input(0), y = try r.output(0), m = k == 0 ? 0 : x.count / k
          if let groups = try r.optionalInput(4) {
            let groups = try groups.ints()
            guard groups.count == k || groups.count == blocks * block,
              groups.allSatisfy({ $0 >= 0 && $0 < blocks })
            else {
              throw SwiftletError(.runtime, "g_idx has \(groups.count) numbers for \(k) columns in \(blocks) blocks")
            }
            return try TiledProduct(m: m, n: n, k: k, rowStride: blocks * block).run(r, x, bias, y) {
              weights.widen($0, groups: groups, to: $1)
            }
          }
          let from = UnsafePointer(x.pointer(Float.self)), to = y.pointer(Float.self)
          let addend = bias.map { UnsafePointer($0.pointer(Float.self)) }
          if isRounded, weights.canRound {
            r.chose("integers")
            let scratch = try r.scratch(weights.roundedBytes(m: m))
            weights.multiplyRounded(from, m: m, bias: addend, to: to, pool: r.pool, scratch: scratch)
          } else if weights.isDirect(m: m) {
            r.chose("direct")
            let scratch = try r.scratch(weights.scratchCount(m: m), of: Float.self)
            weights.multiply(from, m: m, bias: addend, to: to, pool: r.pool, scratch: scratch)
          } else {
            try TiledProduct(m: m, n: n, k: k, rowStride: blocks * block).run(r, from, addend, to, weights)
          }
        }
      }),
    OperatorDefinition(
      "MatMulBnb4", domain: "com.microsoft", since: [1],
      inputs: [.required("A", "T1"), .required("B", "T2"), .required("absmax", "T1")], outputs: [.required("Y", "T1")],
      types: ["T1": TypeSet(.float, .float16, .bfloat16), "T2": TypeSet(.uint8)],
      attributes: [
        .required(.int, "K"), .required(.int, "N"), .required(.int, "block_size"), .required(.int, "quant_type"),
        .int("training_mode", 0), .int("transB", 1),
      ],
      exactness: .accumulating,
      infer: { try $0.bool("transB") ? infer($0, inner: "K", outer: "N") : infer($0, inner: "N", outer: "K") },
      kernel: { c in
        let isTransposed = try c.bool("transB"), (n, k) = try sizes(c), block = try c.int("block_size")
        let kind = try c.int("quant_type")
        try checkModel(kind == 0 || kind == 1, "quant_type is \(kind)")
        let values = kind == 0 ? fp4 : nf4
        return { r in
          let b = try r.input(1), scales = try r.input(2), count = try Checked.multiply(n, k)
          try checkShape(
            b.count == (count + 1) / 2 && scales.count == (count + block - 1) / block,
            "B or absmax have the wrong shape")
          let bytes = b.pointer(UInt8.self), scale = scales.pointer(Float.self), x = try r.input(0)
          func widen(_ row: Int, _ to: UnsafeMutablePointer<Float>) {
            // High bits first; blocks run on over the rows' ends.
            for j in 0..<k {
              let i = row * k + j
              to[j] = values[Int(bytes[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15)] * scale[i / block]
            }
          }
          if isTransposed {
            return try TiledProduct(m: x.count / k, n: n, k: k, rowStride: k).run(r, x, nil, r.output(0), widen)
          }
          // The matrix as it stands, for gradients: rare enough to be made float as a whole.
          let whole = try r.scratch(count, of: Float.self), m = x.count / n
          for row in 0..<n { widen(row, whole + row * k) }
          let gemm = try Gemm<Float>(
            m: m, n: k, k: n, a: .strided(x.pointer(Float.self), rowStride: n, columnStride: 1),
            b: .strided(whole, rowStride: k, columnStride: 1))
          let scratch = try r.scratch(gemm.scratchBytes(width: r.pool.width))
          gemm.run(try r.output(0).pointer(Float.self), rowStride: k, pool: r.pool, scratch: scratch)
        }
      }),
  ]

  /// The 4-bit floats with sign, and the quantiles of the normal distribution, of bitsandbytes.
  private static let fp4: [Float] = [
    0, 0.005208333, 0.6666667, 1, 0.33333334, 0.5, 0.16666667, 0.25, 0, -0.005208333, -0.6666667, -1, -0.33333334, -0.5,
    -0.16666667, -0.25,
  ]
  private static let nf4: [Float] = [
    -1, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.09105004, 0, 0.0795803, 0.1609302, 0.2461123,
    0.33791524, 0.44070983, 0.562617, 0.72295684, 1,
  ]

  private static func sizes(_ c: some NodeReading) throws -> (n: Int, k: Int) {
    let n = try c.int("N"), k = try c.int("K"), block = try c.int("block_size")
    try checkModel(n > 0 && k > 0 && max(n, k) <= 1 << 31, "a matrix of \(n) rows of \(k)")
    try checkModel(block >= 16 && block <= 1 << 20 && block & (block - 1) == 0, "block_size is \(block)")
    if let bits = try c.optionalInt("bits") { try checkModel([2, 4, 8].contains(bits), "weights of \(bits) bits") }
    return (n, k)
  }

  private static func infer(_ c: InferenceContext, inner: String, outer: String) throws {
    _ = try sizes(c)
    guard let a = try c.shape(0, ranks: 1...) else { return c.set(0, c.elementType(0), nil) }
    _ = try c.same(a[a.count - 1], .known(c.int(inner)), "A's last dimension and \(inner)")
    c.set(0, c.elementType(0), a.dropLast() + [.known(try c.int(outer))])
  }
}

/// x [m, k] times the transpose of weights [n, k] that are made float a few rows at a time.
struct TiledProduct {
  let m: Int
  let n: Int
  let k: Int
  /// Elements from one row of weights to the next, at least k.
  let rowStride: Int

  /// - Parameter widen: makes one row of weights.
  func run(
    _ r: RunContext, _ x: Tensor, _ bias: Tensor?, _ y: Tensor, _ widen: (Int, UnsafeMutablePointer<Float>) -> Void
  ) throws {
    try run(r, x.pointer(Float.self), bias.map { UnsafePointer($0.pointer(Float.self)) }, y.pointer(Float.self), widen)
  }

  func run(
    _ r: RunContext, _ x: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?, _ y: UnsafeMutablePointer<Float>,
    _ widen: (Int, UnsafeMutablePointer<Float>) -> Void
  ) throws {
    // Whole vectors.
    let tile = max(16, min(256, (1 << 16) / max(rowStride, 1) / 16 * 16))
    try run(
      r, x, bias, y, tile: tile, count: Checked.multiply(tile, rowStride),
      operand: { .strided($0, rowStride: 1, columnStride: rowStride) }
    ) { rows, w in
      for row in rows { widen(row, w + (row - rows.lowerBound) * rowStride) }
    }
  }

  /// With the weights made panels.
  func run(
    _ r: RunContext, _ x: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?, _ y: UnsafeMutablePointer<Float>,
    _ weights: BlockWeights
  ) throws {
    guard weights.isWhole else { return try run(r, x, bias, y) { weights.widen($0, to: $1) } }
    let width = max(16, weights.panelWidth), tile = max(width, min(256, (1 << 16) / max(k, 1) / width * width))
    try run(
      r, x, bias, y, tile: tile, count: weights.panelCount(rows: tile), operand: { .panels($0) },
      fill: weights.makePanels)
  }

  /// - Parameters:
  ///   - tile: rows of weights that stay in the second-level cache.
  ///   - count: floats that a tile takes.
  private func run(
    _ r: RunContext, _ x: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?, _ y: UnsafeMutablePointer<Float>,
    tile: Int,
    count: Int, operand: (UnsafePointer<Float>) -> Gemm<Float>.Operand,
    fill: (Range<Int>, UnsafeMutablePointer<Float>) -> Void
  ) throws {
    guard m > 0, n > 0 else { return }
    r.chose("tiles of float")
    let tiles = (n + tile - 1) / tile
    let left = try PackedMatrix(
      .a, rows: m, columns: k, data: x, source: .float, rowStride: k, columnStride: 1, pool: r.pool)
    func product(_ w: UnsafePointer<Float>, first: Int, _ rows: Int) throws -> Gemm<Float> {
      try Gemm(
        m: m, n: rows, k: k, a: .packed(left), b: operand(w), epilogue: Epilogue(columnBias: bias.map { $0 + first }))
    }
    let gemmBytes = try product(UnsafePointer(y), first: 0, min(tile, n)).scratchBytes(width: 1) + 64
    let width = r.pool.width
    let weights = try r.scratch(Checked.multiply(width, count), of: Float.self)
    let memory = try r.scratch(Checked.multiply(width, gemmBytes))
    let serial = try ThreadPool(width: 1), failure = FirstError()
    try withoutActuallyEscaping(fill) { fill in
      r.pool.parallel(tiles) { index, worker in
        failure.catching {
          let first = index * tile, rows = min(tile, n - first), w = weights + worker * count
          fill(first..<first + rows, w)
          try product(UnsafePointer(w), first: first, rows)
            .run(y + first, rowStride: n, pool: serial, scratch: memory + worker * gemmBytes)
        }
      }
      try failure.rethrow()
    }
  }
}
