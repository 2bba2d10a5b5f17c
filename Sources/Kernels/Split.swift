import CKernels

/// How a product is cut into regions for the workers of a pool.
struct Split {
  let m: Int
  let n: Int
  let rows: Int
  let columns: Int
  let regions: Int
  let tasks: Int
  /// For one worker.
  let scratchBytes: Int

  /// Below this many multiplications and additions a task isn't worth handing out.
  static let worthwhile = 200_000.0

  init(_ g: swk_gemm, table: UnsafePointer<swk_gemm_table>, batch: Int, width: Int) {
    (m, n) = (Int(g.m), Int(g.n))
    let (mr, nr) = (Int(table.pointee.mr), Int(table.pointee.nr))
    let work = 2 * Double(m) * Double(n) * Double(max(g.k, 1)) * Double(batch)
    var wanted = width == 1 ? 1 : Int(min(work / Self.worthwhile, Double(width &* 4)))
    if batch >= width &* 2 { wanted = 1 }
    wanted = max(1, wanted / max(batch, 1))
    // Cutting columns packs A again for each piece, cutting rows packs B again: take what costs less, or what is longer.
    var (down, across) = (1, 1)
    let downMost = max(1, (m + mr - 1) / mr), acrossMost = max(1, (n + nr - 1) / nr)
    let costA = g.a.packed == nil ? Double(m) : 0, costB = g.b.packed == nil ? Double(n) : 0
    while down &* across < wanted {
      let canDown = down < downMost, canAcross = across < acrossMost
      guard canDown || canAcross else { break }
      let costDown = costB + Double(n) / Double(across) * 1e-3, costAcross = costA + Double(m) / Double(down) * 1e-3
      if canDown && (!canAcross || costDown < costAcross) { down += 1 } else { across += 1 }
    }
    rows = max(1, (downMost + down - 1) / down) * mr
    columns = max(1, (acrossMost + across - 1) / across) * nr
    regions = max(1, (m + rows - 1) / rows) * max(1, (n + columns - 1) / columns)
    tasks = regions &* batch
    var g = g
    scratchBytes = Int(swk_gemm_scratch_bytes(table, &g, min(m, rows), min(n, columns)))
  }

  func run(
    _ g: inout swk_gemm, region: Int, table: UnsafePointer<swk_gemm_table>, scratch: UnsafeMutableRawPointer
  ) {
    let down = max(1, (m + rows - 1) / rows)
    let i = region % down &* rows, j = region / down &* columns
    table.pointee.region(&g, i, min(i &+ rows, m), j, min(j &+ columns, n), scratch)
  }
}

/// The scratch memory of a run: a piece for each worker, aligned.
struct GemmScratch {
  let start: UnsafeMutableRawPointer
  let stride: Int

  static func bytes(_ each: Int, width: Int) -> Int { (each + 63) / 64 * 64 * width + 64 }

  init(_ memory: UnsafeMutableRawPointer, bytes: Int) {
    start = memory.alignedUp(toMultipleOf: 64)
    stride = (bytes + 63) / 64 * 64
  }

  subscript(worker: Int) -> UnsafeMutableRawPointer { start + worker &* stride }
}
