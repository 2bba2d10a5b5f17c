import CKernels
import Tensors

/// Products over a batch: `sizes` are the batch dimensions, the strides (elements; 0 repeats) those of each operand.
/// Packed operands are shared by the whole batch and have strides of 0.
public struct GemmBatch: Sendable {
  public var sizes: [Int]
  public var a: [Int]
  public var b: [Int]
  public var c: [Int]
  public var residual: [Int]

  public init(sizes: [Int], a: [Int], b: [Int], c: [Int], residual: [Int]? = nil) {
    self.sizes = sizes
    self.a = a
    self.b = b
    self.c = c
    self.residual = residual ?? [Int](repeating: 0, count: sizes.count)
  }

  /// Where a member of the batch begins in each operand, in elements.
  func offsets(of index: Int) -> (a: Int, b: Int, c: Int, residual: Int) {
    var rest = index
    var at = (a: 0, b: 0, c: 0, residual: 0)
    for d in sizes.indices.reversed() {
      let i = rest % sizes[d]
      rest /= sizes[d]
      at.a &+= i &* a[d]
      at.b &+= i &* b[d]
      at.c &+= i &* c[d]
      at.residual &+= i &* residual[d]
    }
    return at
  }
}

/// A product, or a batch of them, ready to be run by the blocked kernels of a table, whatever its element types.
struct BlockedProduct {
  var problem: swk_gemm
  private let table: UnsafePointer<swk_gemm_table>
  private let batch: GemmBatch?
  let batchCount: Int
  private let swapped: Bool
  private let elementBytes: (a: Int, b: Int, c: Int)
  /// Keeps packed operands alive.
  private let held: [PackedMatrix]

  /// `units` is k as the table counts it.
  init(
    m: Int, n: Int, units: Int, a: swk_operand, b: swk_operand, epilogue: swk_epilogue, batch: GemmBatch?,
    elementBytes: (Int, Int, Int), table: UnsafePointer<swk_gemm_table>, holding held: [PackedMatrix]
  ) throws {
    guard m >= 0, n >= 0, units >= 0 else { throw SwiftletError.invalid("negative matrix size") }
    guard !m.multipliedReportingOverflow(by: max(n, 1)).overflow else {
      throw SwiftletError.invalid("matrix size overflows")
    }
    if let batch {
      let rank = batch.sizes.count
      guard batch.a.count == rank, batch.b.count == rank, batch.c.count == rank, batch.residual.count == rank else {
        throw SwiftletError.invalid("batch strides and sizes differ in rank")
      }
    }
    batchCount = try Checked.count(batch?.sizes ?? [])
    var g = swk_gemm()
    g.m = m
    g.n = n
    g.k = units
    g.mc = table.pointee.mc
    g.nc = b.ticket == nil ? table.pointee.nc : table.pointee.nr * 16  // what is expanded stays in L2
    g.kc = swk_gemm_block_k(units, table.pointee.kc)
    g.a = a
    g.b = b
    g.epilogue = epilogue
    // Few columns and many rows: the rows become the vectors.
    swapped = a.packed == nil && b.packed == nil && b.ticket == nil && n < m && (n == 1 || n <= table.pointee.nr / 4)
    if swapped { g.transpose() }
    problem = g
    self.table = table
    self.batch = batch
    self.elementBytes = elementBytes
    self.held = held
  }

  func scratchBytes(width: Int) -> Int {
    let split = Split(problem, table: table, batch: batchCount, width: width)
    return GemmScratch.bytes(split.scratchBytes, width: split.tasks == 1 ? 1 : width)
  }

  func run(_ c: UnsafeMutableRawPointer, rowStride: Int, pool: ThreadPool, scratch: UnsafeMutableRawPointer) {
    guard problem.m > 0, problem.n > 0, batchCount > 0 else { return }
    let split = Split(problem, table: table, batch: batchCount, width: pool.width)
    let scratch = GemmScratch(scratch, bytes: split.scratchBytes)
    func run(_ task: Int, _ scratch: UnsafeMutableRawPointer) {
      var g = problem
      g.c = c
      g.ldc = rowStride
      if let batch { g.move(to: task / split.regions, in: batch, swapped: swapped, elementBytes: elementBytes) }
      split.run(&g, region: task % split.regions, table: table, scratch: scratch)
    }
    if split.tasks == 1 { return run(0, scratch[0]) }
    pool.parallel(split.tasks) { task, worker in run(task, scratch[worker]) }
  }
}

extension swk_gemm {
  /// The same product as (B^T A^T)^T.
  mutating func transpose() {
    swap(&m, &n)
    swap(&a, &b)
    swap(&epilogue.row_bias, &epilogue.column_bias)
    swap(&epilogue.residual_row, &epilogue.residual_column)
    c_transposed.toggle()
  }

  /// Moves all pointers to a member of a batch.
  fileprivate mutating func move(
    to index: Int, in batch: GemmBatch, swapped: Bool, elementBytes: (a: Int, b: Int, c: Int)
  ) {
    var (x, y, z, r) = batch.offsets(of: index)
    x = x &* elementBytes.a
    y = y &* elementBytes.b
    if swapped { swap(&x, &y) }
    a.data = a.data.map { $0 + x }
    b.data = b.data.map { $0 + y }
    c = c.map { $0 + z &* elementBytes.c }
    epilogue.residual = epilogue.residual.map { $0 + r &* elementBytes.c }
  }
}
