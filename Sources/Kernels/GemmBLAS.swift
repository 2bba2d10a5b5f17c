import CKernels

/// A product that OpenBLAS computes: large, of operands as they are in memory, with an epilogue that only adds.
///
/// It is cut into pieces whose sizes don't depend on the pool, so results don't either.
struct BLASGemm<Scalar: GemmScalar> {
  /// Rows and columns of a piece: large enough that packing A and B again for each costs little.
  private static var piece: Int { 512 }
  /// Below this many multiplications, loading the library isn't worth it.
  private static var worthwhile: Double { 1_000_000 }

  private let blas: CBLAS<Scalar>
  private let m, n, k: Int
  private let a, b: Matrix
  private let epilogue: Epilogue<Scalar>
  private let batch: GemmBatch?
  private let batchCount: Int

  /// A matrix in CBLAS's terms.
  private struct Matrix {
    let data: UnsafePointer<Scalar>
    let rowStride, columnStride: Int
    /// Whether the columns are contiguous; else the rows are.
    var isTransposed: Bool { columnStride != 1 }
    var leading: Int { isTransposed ? columnStride : rowStride }

    init?(_ operand: Gemm<Scalar>.Operand, rows: Int, columns: Int) {
      guard case .strided(let data, var row, var column) = operand else { return nil }
      // The stride of an only row or column is never used: it is what suits CBLAS.
      if rows == 1 {
        row = column == 1 ? columns : 1
      } else if columns == 1 {
        column = row == 1 ? rows : 1
      }
      guard column == 1 && row >= columns || row == 1 && column >= rows else { return nil }
      (self.data, rowStride, columnStride) = (data, row, column)
    }

    func at(_ row: Int, _ column: Int, _ offset: Int) -> UnsafePointer<Scalar> {
      data + (offset &+ row &* rowStride &+ column &* columnStride)
    }
  }

  /// nil: it is for our own kernels.
  init?(
    m: Int, n: Int, k: Int, a: Gemm<Scalar>.Operand, b: Gemm<Scalar>.Operand, epilogue: Epilogue<Scalar>,
    batch: GemmBatch?, batchCount: Int
  ) {
    guard k > 0, Double(m) * Double(n) * Double(k) >= Self.worthwhile, epilogue.activation == .none,
      max(m, n, k) <= Int(Int32.max), let a = Matrix(a, rows: m, columns: k), let b = Matrix(b, rows: k, columns: n),
      max(a.leading, b.leading) <= Int(Int32.max), let blas = Scalar.blas
    else { return nil }
    self.blas = blas
    (self.m, self.n, self.k, self.a, self.b) = (m, n, k, a, b)
    (self.epilogue, self.batch, self.batchCount) = (epilogue, batch, batchCount)
  }

  func run(_ c: UnsafeMutablePointer<Scalar>, rowStride: Int, pool: ThreadPool) -> Bool {
    guard rowStride >= n, rowStride <= Int(Int32.max) else { return false }
    let down = (m - 1) / Self.piece + 1, across = (n - 1) / Self.piece + 1
    pool.parallel(down * across * batchCount) { task, _ in
      let place = batch?.offsets(of: task / (down * across)) ?? (a: 0, b: 0, c: 0, residual: 0)
      let i = task % down * Self.piece, j = task / down % across * Self.piece
      piece(i..<min(i + Self.piece, m), j..<min(j + Self.piece, n), place, c + place.c, rowStride)
    }
    return true
  }

  private func piece(
    _ rows: Range<Int>, _ columns: Range<Int>, _ place: (a: Int, b: Int, c: Int, residual: Int),
    _ c: UnsafeMutablePointer<Scalar>, _ rowStride: Int
  ) {
    let adds = fill(rows, columns, place.residual, c, rowStride)
    let product = MatrixProduct(
      transA: a.isTransposed, transB: b.isTransposed, m: rows.count, n: columns.count, k: k,
      lda: a.leading, ldb: b.leading, ldc: rowStride)
    product?.run(
      blas, Scalar(epilogue.alpha), a.at(rows.lowerBound, 0, place.a), b.at(0, columns.lowerBound, place.b),
      adds ? 1 : 0, c + (rows.lowerBound * rowStride + columns.lowerBound))
  }

  /// Puts what is to be added into C; false if that is nothing.
  private func fill(
    _ rows: Range<Int>, _ columns: Range<Int>, _ offset: Int, _ c: UnsafeMutablePointer<Scalar>, _ rowStride: Int
  ) -> Bool {
    guard epilogue.rowBias != nil || epilogue.columnBias != nil || epilogue.residual != nil else { return false }
    let scale = Scalar(epilogue.residual?.scale ?? 0)
    for i in rows {
      let row = c + i &* rowStride
      let bias = epilogue.rowBias?[i] ?? 0
      for j in columns { row[j] = bias }
      if let bias = epilogue.columnBias { for j in columns { row[j] += bias[j] } }
      if let r = epilogue.residual {
        let from = r.data + (offset &+ i &* r.rowStride)
        for j in columns { row[j] += scale * from[j &* r.columnStride] }
      }
    }
    return true
  }
}

extension GemmScalar {
  /// OpenBLAS's functions for this type; nil if the library isn't there or isn't to be used for it.
  fileprivate static var blas: CBLAS<Self>? {
    guard Self.self == Double.self || OpenBLASUse.wished.coversFloat, let library = OpenBLASLibrary.shared else {
      return nil
    }
    return library.double as? CBLAS<Self> ?? library.float as? CBLAS<Self>
  }
}
