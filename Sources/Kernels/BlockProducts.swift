import CKernels
import Tensors

/// Products with weights of few bits, without making a float matrix of them.
extension BlockWeights {
  /// Whether blocks are of whole vectors, which `multiply` and `makePanels` need.
  public var isWhole: Bool { blockBytes % 16 == 0 }

  /// Whether `multiply` is worth its while: few rows, since a row of weights is spread out for every four of them.
  public func isDirect(m: Int) -> Bool { isWhole && m <= 12 }

  /// Floats of scratch that `multiply` needs.
  public func scratchCount(m: Int) throws -> Int { try Checked.multiply(m, Checked.multiply(blocks, block)) }

  /// y [m, n] = x [m, k] times the transposed matrix + bias.
  public func multiply(
    _ x: UnsafePointer<Float>, m: Int, bias: UnsafePointer<Float>?, to y: UnsafeMutablePointer<Float>, pool: ThreadPool,
    scratch planes: UnsafeMutablePointer<Float>
  ) {
    // Each row of x in planes, as the kernel reads it.
    let padded = blocks * block, plane = padded / parts
    for i in 0..<m {
      let from = x + i * k, to = planes + i * padded
      for part in 0..<parts {
        for j in 0..<plane { to[part * plane + j] = j * parts + part < k ? from[j * parts + part] : 0 }
      }
    }
    forAllRows(
      m: m, bias: bias, to: y, pool: pool, one: { kernels.dot($0, $1, planes + $2 * padded, plane, $3) },
      four: { kernels.dots($0, $1, planes + $2 * padded, padded, plane, $3) })
  }

  // MARK: Rounded to 8 bits

  /// Whether `multiplyRounded` can be called.
  public var canRound: Bool {
    integers != nil && (blockBytes == 16 || blockBytes == 32 || blockBytes % 64 == 0 && block <= 1 << 15)
  }

  /// Bytes of scratch that `multiplyRounded` needs.
  public func roundedBytes(m: Int) throws -> Int { try Checked.multiply(m, recordBytes) }
  private var recordBytes: Int { integers?.pointee.record_bytes(Int32(bits), blocks, blockBytes) ?? 0 }

  /// The same product with each block of x rounded to 8 bits and a scale.
  public func multiplyRounded(
    _ x: UnsafePointer<Float>, m: Int, bias: UnsafePointer<Float>?, to y: UnsafeMutablePointer<Float>, pool: ThreadPool,
    scratch records: UnsafeMutableRawPointer
  ) {
    guard let integers = integers?.pointee else { return }
    let step = recordBytes
    pool.parallel(over: m, grain: max(1, 16384 / max(1, k))) { rows in
      for i in rows { integers.quantize(Int32(bits), x + i * k, k, blocks, blockBytes, records + i * step) }
    }
    forAllRows(
      m: m, bias: bias, to: y, pool: pool, one: { integers.dot($0, $1, records + $2 * step, $3) },
      four: { integers.dots($0, $1, records + $2 * step, step, $3) })
  }

  private typealias Product = (
    _ w: UnsafePointer<swk_nbits_rows>, _ count: Int, _ x: Int, _ sums: UnsafeMutablePointer<Float>
  ) -> Void

  /// Makes y of products of some rows of weights with one row of x, or with four of them.
  @inline(__always)
  private func forAllRows(
    m: Int, bias: UnsafePointer<Float>?, to y: UnsafeMutablePointer<Float>, pool: ThreadPool, one: Product,
    four: Product
  ) {
    let rowBytes = blocks * blockBytes, most = 16
    // Weights that stay in the second-level cache meet four rows of x, which stay in the first, at a time.
    let tile = max(most, (1 << 18) / max(1, rowBytes))
    pool.parallel(over: n, grain: max(1, 65536 / max(1, rowBytes * parts * m))) { range in
      withZeroPoints(of: most) { memory in
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 4 * most) { sums in
          guard let sums = sums.baseAddress else { return }
          for start in stride(from: range.lowerBound, to: range.upperBound, by: tile) {
            let end = min(start + tile, range.upperBound)
            for i in stride(from: 0, to: m, by: 4) {
              let rows = min(4, m - i)
              for first in stride(from: start, to: end, by: most) {
                let count = min(most, end - first)
                var w = weights(first, count: count, memory)
                if rows == 4 {
                  four(&w, count, i, sums)
                } else {
                  for u in 0..<rows { one(&w, count, i + u, sums + u * count) }
                }
                let (step, next) = rows == 4 ? (1, 4) : (count, 1)
                for u in 0..<rows {
                  let to = y + ((i + u) * n + first)
                  for j in 0..<count { to[j] = sums[u * step + j * next] + (bias?[first + j] ?? 0) }
                }
              }
            }
          }
        }
      }
    }
  }

  // MARK: Panels

  /// Columns of a panel: what is made panels should be a multiple of them.
  public var panelWidth: Int { gemm.pointee.nr }

  /// Floats that `makePanels` writes for so many rows.
  public func panelCount(rows: Int) throws -> Int {
    let width = max(16, panelWidth)
    return try Checked.multiply(Checked.add(rows, width - 1) / width * width, k)
  }

  /// Rows of weights as float in panels, the right operand [k, rows.count] of a `Gemm`.
  public func makePanels(_ rows: Range<Int>, to out: UnsafeMutablePointer<Float>) {
    let width = panelWidth, padded = (rows.count + width - 1) / width * width
    let depth = swk_gemm_block_k(k, gemm.pointee.kc)
    withZeroPoints(of: rows.count) { memory in
      let w = weights(rows.lowerBound, count: rows.count, memory)
      for k0 in stride(from: 0, to: k, by: depth) {
        let count = min(depth, k - k0)
        for i in stride(from: 0, to: rows.count, by: 16) {
          var some = w
          some.data += i * w.data_step
          some.scales += i * w.scale_step
          some.zeros += i * w.zero_step
          kernels.panel(
            Int32(bits), &some, rows.count - i, k0, k0 + count,
            out + (k0 * padded + i / width * width * count + i % width), width, width < 16 ? width * count : 8)
        }
      }
    }
  }

  // MARK: Zero points

  /// Calls `body` with memory for the zero points of so many rows, where `weights` makes them.
  private func withZeroPoints(of rows: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: rows * (blocks + parts)) { memory in
      guard let start = memory.baseAddress else { return }
      if case .middle = zeros { start.update(repeating: Float(1 << (bits - 1)), count: blocks) }
      body(start)
    }
  }

  /// Rows of weights as the kernels see them; their zero points are where they stand, or in `memory`.
  private func weights(_ row: Int, count: Int, _ memory: UnsafeMutablePointer<Float>) -> swk_nbits_rows {
    let rowBytes = blocks * blockBytes
    var w = swk_nbits_rows(
      data: data + row * rowBytes, scales: scales + row * blocks, zeros: UnsafePointer(memory), data_step: rowBytes,
      scale_step: blocks, zero_step: 0, blocks: blocks, bytes: blockBytes)
    switch zeros {
    case .middle: break
    case .floats(let p): (w.zeros, w.zero_step) = (p + row * blocks, blocks)
    case .packed(let p):
      let bytes = (blocks + parts - 1) / parts
      w.zero_step = blocks + parts
      for i in 0..<count { kernels.widen(p + (row + i) * bytes, bytes, 1, 0, memory + i * w.zero_step) }
    }
    return w
  }
}
