import CKernels
import Tensors

/// A matrix product C[M,N] = epilogue(A[M,K] * B[K,N]), or a batch of them, for Float and Double.
///
/// Sizes may be 0: with K = 0 the sums are 0 and the epilogue still applies. Sums run over K in the same order whatever
/// the pool's width, so results don't depend on it. Making one is cheap and allocates nothing.
public struct Gemm<Scalar: GemmScalar> {
  /// A matrix in memory, with any strides, or a packed one.
  public enum Operand {
    /// Element (row, column) is data[row * rowStride + column * columnStride].
    case strided(UnsafePointer<Scalar>, rowStride: Int, columnStride: Int)
    case packed(PackedMatrix)
    /// A right operand in the panels of `BlockWeights`.
    case panels(UnsafePointer<Scalar>)
  }

  public typealias Batch = GemmBatch

  private enum Form {
    case blocked(BlockedProduct)
    case sparse(SparseProduct)
    case ticket(TicketProduct)
    case fixedPoint(FixedPointProduct)
  }
  private let form: Form
  private var blas: BLASGemm<Scalar>?

  public init(
    m: Int, n: Int, k: Int, a: Operand, b: Operand, epilogue: Epilogue<Scalar> = Epilogue(), batch: Batch? = nil
  ) throws {
    try self.init(m: m, n: n, k: k, a: a, b: b, epilogue: epilogue, batch: batch, table: Scalar.kernels())
    if case .blocked(let product) = form {
      blas = BLASGemm(m: m, n: n, k: k, a: a, b: b, epilogue: epilogue, batch: batch, batchCount: product.batchCount)
    }
  }

  init(
    m: Int, n: Int, k: Int, a: Operand, b: Operand, epilogue: Epilogue<Scalar>, batch: Batch?,
    table: UnsafePointer<swk_gemm_table>
  ) throws {
    if let ticket = try Self.ticket(m: m, n: n, k: k, a: a, b: b, epilogue: epilogue, batch: batch, table: table) {
      form = .ticket(ticket)
      return
    }
    if let sparse = try Self.sparse(m: m, n: n, k: k, a: a, b: b, epilogue: epilogue, batch: batch) {
      form = .sparse(sparse)
      return
    }
    if let product = try Self.fixedPoint(m: m, n: n, k: k, a: a, b: b, epilogue: epilogue, batch: batch) {
      form = .fixedPoint(product)
      return
    }
    var held: [PackedMatrix] = []
    let operandA = try Self.operand(a, side: .a, positions: m, k: k, table: table, held: &held)
    let operandB = try Self.operand(b, side: .b, positions: n, k: k, table: table, held: &held)
    let size = MemoryLayout<Scalar>.stride
    form = .blocked(
      try BlockedProduct(
        m: m, n: n, units: k, a: operandA, b: operandB, epilogue: epilogue.c, batch: batch,
        elementBytes: (size, size, size), table: table, holding: held))
  }

  /// The product as one of sparse weights, whose positions are the rows of A.
  private static func sparse(
    m: Int, n: Int, k: Int, a: Operand, b: Operand, epilogue: Epilogue<Scalar>, batch: Batch?
  ) throws -> SparseProduct? {
    guard case .packed(let matrix) = b, let weights = matrix.sparse else { return nil }
    guard case .strided(let data, let rowStride, let columnStride) = a, Scalar.self == Float.self, weights.rows == n,
      weights.k == k, m >= 0
    else { throw SwiftletError.invalid("a packed matrix doesn't fit the product") }
    var x = swk_operand()
    x.data = UnsafeRawPointer(data)
    x.type = SWK_F32
    (x.stride, x.k_stride) = (rowStride, columnStride)
    return try SparseProduct(
      weights, x: x, n: m, transposed: true, epilogue: epilogue.c, batch: batch, count: try Checked.count(batch?.sizes ?? []))
  }

  /// The product as one of integers.
  private static func fixedPoint(
    m: Int, n: Int, k: Int, a: Operand, b: Operand, epilogue: Epilogue<Scalar>, batch: Batch?
  ) throws -> FixedPointProduct? {
    guard case .packed(let matrix) = b, let weights = matrix.fixedPoint else { return nil }
    guard case .strided(let data, let rowStride, let columnStride) = a, Scalar.self == Float.self,
      weights.outputs == n, weights.channels == k, m >= 0
    else { throw SwiftletError.invalid("a packed matrix doesn't fit the product") }
    return try FixedPointProduct(
      weights, UnsafeRawPointer(data).assumingMemoryBound(to: Float.self), rowStride: rowStride,
      columnStride: columnStride, m: m, epilogue: epilogue.c, batch: batch)
  }

  /// The product as one of a ticket's masks, if A has few rows; else the ticket is made sparse weights, or expanded as
  /// panels are packed.
  private static func ticket(
    m: Int, n: Int, k: Int, a: Operand, b: Operand, epilogue: Epilogue<Scalar>, batch: Batch?,
    table: UnsafePointer<swk_gemm_table>
  ) throws -> TicketProduct? {
    guard case .packed(let matrix) = b, let weights = matrix.ticket else { return nil }
    guard case .strided(let data, let rowStride, let columnStride) = a, Scalar.self == Float.self,
      matrix.positions == n, matrix.k == k, m >= 0
    else { throw SwiftletError.invalid("a packed matrix doesn't fit the product") }
    // Making sparse weights costs about as much as eight vectors.
    let most = Int(weights.table.pointee.vectors)
    guard m <= (matrix.sparse == nil ? most : max(1, most / 2)) else { return nil }
    return try TicketProduct(
      weights, UnsafeRawPointer(data).assumingMemoryBound(to: Float.self), rowStride: rowStride,
      columnStride: columnStride, m: m, epilogue: epilogue.c, batch: batch, table: table)
  }

  private static func operand(
    _ x: Operand, side: PackedMatrix.Side, positions: Int, k: Int, table: UnsafePointer<swk_gemm_table>,
    held: inout [PackedMatrix]
  ) throws -> swk_operand {
    var operand = swk_operand()
    operand.type = table.pointee.type
    switch x {
    case .strided(let data, let rowStride, let columnStride):
      operand.data = UnsafeRawPointer(data)
      operand.stride = side == .a ? rowStride : columnStride
      operand.k_stride = side == .a ? columnStride : rowStride
    case .packed(let matrix):
      held.append(matrix)
      if let ticket = matrix.ticket {
        operand.ticket = UnsafePointer(ticket.packed)
        return operand
      }
      operand.packed = try matrix.panels(for: side, positions: positions, k: k, table: table)
    case .panels(let data):
      operand.packed = UnsafeRawPointer(data)
    }
    return operand
  }

  /// Bytes of scratch that `run` needs with a pool of this width.
  public func scratchBytes(width: Int) -> Int {
    switch form {
    case .blocked(let product): product.scratchBytes(width: width)
    case .sparse(let product): product.scratchBytes(width: width)
    case .ticket(let product): product.scratchBytes()
    case .fixedPoint(let product): product.scratchBytes(width: width)
    }
  }

  /// Computes the product into c, whose rows are `rowStride` elements apart.
  public func run(
    _ c: UnsafeMutablePointer<Scalar>, rowStride: Int, pool: ThreadPool, scratch: UnsafeMutableRawPointer
  ) {
    if let blas, blas.run(c, rowStride: rowStride, pool: pool) { return }
    switch form {
    case .blocked(let product):
      product.run(UnsafeMutableRawPointer(c), rowStride: rowStride, pool: pool, scratch: scratch)
    case .sparse(let product):
      product.run(nil, UnsafeMutableRawPointer(c), ldc: rowStride, pool: pool, scratch: scratch)
    case .ticket(let product):
      product.run(
        UnsafeMutableRawPointer(c).assumingMemoryBound(to: Float.self), rowStride: rowStride, pool: pool, scratch: scratch)
    case .fixedPoint(let product):
      product.run(
        UnsafeMutableRawPointer(c).assumingMemoryBound(to: Float.self), rowStride: rowStride, pool: pool, scratch: scratch)
    }
  }
}
