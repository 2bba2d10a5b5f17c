import CKernels
import Tensors

/// A product of a few vectors with a ticket, ready to be run: partial sums of the vectors are looked up by the bits of
/// masks and signs.
struct TicketProduct {
  private let weights: TicketWeights
  private let a: UnsafePointer<Float>
  private let rowStride: Int
  private let columnStride: Int
  private let m: Int
  private let epilogue: swk_epilogue
  private let batch: GemmBatch?
  private let count: Int
  private let finish: UnsafePointer<swk_gemm_table>

  /// C[m, rows of the ticket] = epilogue(A[m, columns] times the transposed ticket).
  init(
    _ weights: TicketWeights, _ a: UnsafePointer<Float>, rowStride: Int, columnStride: Int, m: Int,
    epilogue: swk_epilogue, batch: GemmBatch?, table: UnsafePointer<swk_gemm_table>
  ) throws {
    (self.weights, self.a, self.m, self.epilogue, self.batch) = (weights, a, m, epilogue, batch)
    (self.rowStride, self.columnStride) = (rowStride, columnStride)
    finish = table
    count = try Checked.count(batch?.sizes ?? [])
    _ = try Checked.multiply(try Checked.multiply(m, try Checked.add(weights.columns, 256)), 16)
  }

  /// Floats of one vector's tables.
  private var tableCount: Int { (Int(weights.packed.pointee.words) &+ 7) / 8 &* 8 &* Int(weights.table.pointee.lookup) }

  func scratchBytes() -> Int { tableCount &* m &* 4 &+ 64 }

  func run(
    _ c: UnsafeMutablePointer<Float>, rowStride ldc: Int, pool: ThreadPool, scratch: UnsafeMutableRawPointer
  ) {
    guard m > 0, weights.rows > 0 else { return }
    let all = tableCount
    let tables = scratch.alignedUp(toMultipleOf: 64).bindMemory(to: Float.self, capacity: max(1, all * m))
    let kernels = weights.table.pointee, finish = finish.pointee.finish
    // Rows of a task: enough work to be handed out.
    let unit = Int(kernels.rows), work = Double(unit) * Double(max(1, weights.columns))
    let step = unit &* max(1, Int(min(64, Split.worthwhile / work)))
    for member in 0..<count {
      let at = batch?.offsets(of: member) ?? (a: 0, b: 0, c: 0, residual: 0)
      pool.parallel(m) { i, _ in
        kernels.tables(a + (at.a &+ i &* rowStride), columnStride, weights.columns, tables + i &* all)
      }
      pool.parallel((weights.rows &+ step &- 1) / step) { task, _ in
        let first = task &* step, end = min(weights.rows, first &+ step)
        var e = epilogue
        e.residual = e.residual.map { $0 + at.residual &* 4 }
        for i in 0..<m {
          let out = c + (at.c &+ i &* ldc &+ first)
          kernels.sums(weights.packed, tables + i &* all, first, end, out)
          finish?(&e, out, ldc, i, 1, first, end &- first)
        }
      }
    }
  }
}
