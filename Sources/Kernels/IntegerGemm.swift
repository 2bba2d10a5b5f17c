import CKernels
import Tensors

/// A matrix product of 8-bit integers less their zero points, C[M,N] = (A - zeroA) * (B - zeroB), exact in Int32
/// (wrapping beyond). A and B may each be signed or unsigned.
public struct IntegerGemm {
  /// A matrix in memory, with any strides, or a packed one.
  public enum Operand {
    /// Element (row, column) is data[row * rowStride + column * columnStride], an Int8 or UInt8. `zeros`, if given, has
    /// one zero point of the same type for each row of A or column of B; else all have `zero`.
    case strided(
      UnsafeRawPointer, signed: Bool, rowStride: Int, columnStride: Int, zero: Int32 = 0, zeros: UnsafeRawPointer? = nil)
    case packed(PackedMatrix)
  }

  private enum Form {
    case blocked(BlockedProduct)
    case sparse(SparseIntegerProduct)
  }
  private let form: Form

  public init(m: Int, n: Int, k: Int, a: Operand, b: Operand) throws {
    try self.init(m: m, n: n, k: k, a: a, b: b, table: Self.kernels())
  }

  init(m: Int, n: Int, k: Int, a: Operand, b: Operand, table: UnsafePointer<swk_gemm_table>) throws {
    guard k >= 0 else { throw SwiftletError.invalid("negative matrix size") }
    if case .packed(let matrix) = b, let weights = matrix.sparse {
      form = .sparse(try SparseIntegerProduct(weights, m: m, n: n, k: k, a: a))
      return
    }
    var (x, y) = (Self.operand(a, side: .a, k: k), Self.operand(b, side: .b, k: k))
    var held: [PackedMatrix] = []
    if case .packed(let matrix) = a {
      x.packed = try matrix.panels(for: .a, positions: m, k: k, table: table)
      held.append(matrix)
    }
    if case .packed(let matrix) = b {
      y.packed = try matrix.panels(for: .b, positions: n, k: k, table: table)
      held.append(matrix)
    }
    form = .blocked(
      try BlockedProduct(
        m: m, n: n, units: k / 2 + k % 2, a: x, b: y, epilogue: swk_epilogue(), batch: nil, elementBytes: (1, 1, 4),
        table: table, holding: held))
  }

  /// Bytes of scratch that `run` needs with a pool of this width.
  public func scratchBytes(width: Int) -> Int {
    switch form {
    case .blocked(let product): product.scratchBytes(width: width)
    case .sparse(let product): product.scratchBytes(width: width)
    }
  }

  /// Computes the product into c, whose rows are `rowStride` elements apart.
  public func run(
    _ c: UnsafeMutablePointer<Int32>, rowStride: Int, pool: ThreadPool, scratch: UnsafeMutableRawPointer
  ) {
    switch form {
    case .blocked(let product):
      product.run(UnsafeMutableRawPointer(c), rowStride: rowStride, pool: pool, scratch: scratch)
    case .sparse(let product):
      product.run(UnsafeMutableRawPointer(c), rowStride: rowStride, pool: pool, scratch: scratch)
    }
  }

  /// The kernels that this processor runs fastest.
  static func kernels(_ level: swk_level = .best) throws -> UnsafePointer<swk_gemm_table> {
    guard let table = swk_gemm_s32(level, true) ?? swk_gemm_s32(level, false) else {
      throw SwiftletError.invalid("no kernels for this processor")
    }
    return table
  }

  static func operand(_ x: Operand, side: PackedMatrix.Side, k: Int) -> swk_operand {
    var operand = swk_operand()
    if case .strided(let data, let signed, let rowStride, let columnStride, let zero, let zeros) = x {
      operand.data = data
      operand.type = signed ? SWK_S8 : SWK_U8
      operand.stride = side == .a ? rowStride : columnStride
      operand.k_stride = side == .a ? columnStride : rowStride
      operand.depth = max(k, 0)
      operand.zero = zero
      operand.zeros = zeros
    }
    return operand
  }
}

/// Matrix products of wide integers that wrap; element (row, column) of each operand lies at
/// row * rowStride + column * columnStride, and rows of C are `n` elements apart.
public enum IntegerMatrices {
  public struct Operand<Scalar> {
    public var data: UnsafePointer<Scalar>
    public var rowStride: Int
    public var columnStride: Int

    public init(_ data: UnsafePointer<Scalar>, rowStride: Int, columnStride: Int) {
      self.data = data
      self.rowStride = rowStride
      self.columnStride = columnStride
    }
  }

  /// 32-bit integers; Int32 has the same bits.
  public static func multiply(
    m: Int, n: Int, k: Int, a: Operand<UInt32>, b: Operand<UInt32>, c: UnsafeMutablePointer<UInt32>, pool: ThreadPool
  ) {
    guard let table = swk_matmul_integers(swk_cpu_get().pointee.level), m > 0, n > 0, k >= 0 else { return }
    pool.parallel(over: m, grain: grain(n, k)) { rows in
      table.pointee.u32(
        rows.count, n, k, a.data + rows.lowerBound * a.rowStride, a.rowStride, a.columnStride, b.data, b.rowStride,
        b.columnStride, c + rows.lowerBound * n, n)
    }
  }

  /// 64-bit integers; Int64 has the same bits.
  public static func multiply(
    m: Int, n: Int, k: Int, a: Operand<UInt64>, b: Operand<UInt64>, c: UnsafeMutablePointer<UInt64>, pool: ThreadPool
  ) {
    guard let table = swk_matmul_integers(swk_cpu_get().pointee.level), m > 0, n > 0, k >= 0 else { return }
    pool.parallel(over: m, grain: grain(n, k)) { rows in
      table.pointee.u64(
        rows.count, n, k, a.data + rows.lowerBound * a.rowStride, a.rowStride, a.columnStride, b.data, b.rowStride,
        b.columnStride, c + rows.lowerBound * n, n)
    }
  }

  private static func grain(_ n: Int, _ k: Int) -> Int { max(1, Int(100_000 / (Double(n) * Double(max(k, 1))))) }
}
