import CKernels
import Tensors
import Glibc

/// The element types that the blocked matrix product exists for.
public protocol GemmScalar: BinaryFloatingPoint, Sendable {
  /// The kernels of an instruction level; nil if this processor lacks it.
  static func kernels(_ level: swk_level) -> UnsafePointer<swk_gemm_table>?
  static var sourceType: PackedMatrix.Source { get }
}

extension Float: GemmScalar {
  public static func kernels(_ level: swk_level) -> UnsafePointer<swk_gemm_table>? { swk_gemm_f32(level) }
  public static var sourceType: PackedMatrix.Source { .float }
}

extension Double: GemmScalar {
  public static func kernels(_ level: swk_level) -> UnsafePointer<swk_gemm_table>? { swk_gemm_f64(level) }
  public static var sourceType: PackedMatrix.Source { .double }
}

extension GemmScalar {
  /// The kernels that this processor runs fastest.
  static func kernels() throws -> UnsafePointer<swk_gemm_table> {
    guard let table = kernels(swk_cpu_get().pointee.level) else { throw SwiftletError.invalid("no kernels for this processor") }
    return table
  }
}

/// Memory aligned to 64 bytes, freed with its owner.
final class AlignedMemory: @unchecked Sendable {
  let start: UnsafeMutableRawPointer
  let bytes: Int

  init(bytes: Int) throws {
    let (rounded, overflow) = max(bytes, 1).addingReportingOverflow(63)
    guard !overflow, let start = aligned_alloc(64, rounded & ~63) else { throw SwiftletError.outOfMemory(bytes: bytes) }
    self.start = start
    self.bytes = bytes
  }

  deinit { free(start) }
}

/// An operand of a matrix product in the order in which the kernels read it; made once for constant weights.
public final class PackedMatrix: @unchecked Sendable {
  /// The left operand A (its rows are kept together) or the right operand B (its columns).
  public enum Side: Sendable { case a, b }
  /// What the packed memory is made from; f16 and bfloat16 become float.
  public enum Source: Sendable { case float, double, float16, bfloat16 }

  public let side: Side
  /// Rows of A, columns of B.
  public let positions: Int
  public let k: Int
  /// Bytes held.
  public var bytes: Int { ticket?.bytes ?? sparse?.bytes ?? fixedPoint?.bytes ?? memory.bytes }
  /// What was chosen for the weights, for people.
  public var kernelName: String {
    sparse?.kernelName ?? ticket?.kernelName ?? fixedPoint.map { _ in FixedPointWeights.kernelName } ?? "gemm, packed weights"
  }

  /// Not nil: nothing but the nonzeros is kept; of a ticket, they are found when they are needed.
  let sparse: SparseWeights?
  /// Not nil: a ticket is kept instead of floats; its rows are the matrix's columns.
  let ticket: TicketWeights?
  /// Not nil: a right operand of integers with scales is kept instead of floats.
  let fixedPoint: FixedPointWeights?
  let memory: AlignedMemory
  let table: UnsafePointer<swk_gemm_table>
  let blockK: Int

  /// Packs the operand whose element (row, column) is data[row * rowStride + column * columnStride], of type `source`;
  /// double gives a double matrix, the others a float one. Of a right operand with many zeros only the others are kept,
  /// where that is faster for products with about `positions` rows; weights that are only close to others become
  /// `FixedPointWeights`.
  public convenience init(
    _ side: Side, rows: Int, columns: Int, data: UnsafeRawPointer, source: Source, rowStride: Int, columnStride: Int,
    positions: Int = 64, isApproximate: Bool = false, pool: ThreadPool? = nil
  ) throws {
    let inFixedPoint = isApproximate && side == .b && source != .double
      && FixedPointWeights.suits(depth: rows, outputs: columns)
    if side == .b {
      let weights = SparseSource(
        data: data, type: source, rows: columns, k: rows, rowStride: columnStride, kStride: rowStride)
      let level = swk_cpu_get().pointee.level
      let rival: SparseChoice.Rival = positions == 1 ? .vector : inFixedPoint ? .integers : .gemm
      if let sparse = try SparseWeights.choose(weights, rival: rival, level: level, pool: pool) {
        try self.init(sparse, table: Float.kernels())
        return
      }
    }
    let table = source == .double ? try Double.kernels() : try Float.kernels()
    var operand = swk_operand()
    operand.data = data
    operand.type = source.c
    operand.stride = side == .a ? rowStride : columnStride
    operand.k_stride = side == .a ? columnStride : rowStride
    if inFixedPoint, let weights = try FixedPointWeights.make(operand, .b, outputs: columns, channels: rows, pool: pool) {
      try self.init(weights)
      return
    }
    try self.init(
      side, positions: side == .a ? rows : columns, k: side == .a ? columns : rows, operand: operand, table: table,
      pool: pool)
  }

  /// Packs 8-bit integers less their zero points, for `IntegerGemm`: `zeros`, if given, has one zero point of the same
  /// type for each row of A or column of B; else all have `zero`.
  public convenience init(
    _ side: Side, rows: Int, columns: Int, integers: UnsafeRawPointer, signed: Bool, rowStride: Int, columnStride: Int,
    zero: Int32 = 0, zeros: UnsafeRawPointer? = nil, pool: ThreadPool? = nil
  ) throws {
    if side == .b {
      let weights = SparseSource(
        integers: integers, signed: signed, zero: zero, zeros: zeros, rows: columns, k: rows, rowStride: columnStride,
        kStride: rowStride)
      if let sparse = try SparseWeights.choose(weights, rival: .integers, level: swk_cpu_get().pointee.level, pool: pool) {
        try self.init(sparse, table: IntegerGemm.kernels())
        return
      }
    }
    let operand = IntegerGemm.operand(
      .strided(integers, signed: signed, rowStride: rowStride, columnStride: columnStride, zero: zero, zeros: zeros),
      side: side, k: side == .a ? columns : rows)
    try self.init(
      side, positions: side == .a ? rows : columns, k: side == .a ? columns : rows, operand: operand,
      table: IntegerGemm.kernels(), pool: pool)
  }

  /// A right operand of integers with scales.
  init(_ weights: FixedPointWeights) throws {
    side = .b
    (positions, k, table, fixedPoint) = (weights.outputs, weights.channels, weights.table, weights)
    (sparse, ticket, blockK) = (nil, nil, 0)
    memory = try AlignedMemory(bytes: 0)
  }

  /// A right operand of sparse weights.
  init(_ sparse: SparseWeights, table: UnsafePointer<swk_gemm_table>) throws {
    side = .b
    (positions, k) = (sparse.rows, sparse.k)
    self.table = table
    self.sparse = sparse
    (ticket, fixedPoint) = (nil, nil)
    blockK = 0
    memory = try AlignedMemory(bytes: 0)
  }

  /// A right operand that is a ticket: [k, positions], or its transpose.
  public init(_ ticket: Ticket, transposed: Bool, level: swk_level = .best, pool: ThreadPool?) throws {
    let weights = try TicketWeights(ticket, transposed: !transposed, level: level, pool: pool)
    guard ticket.shape.count == 2, let kernels = Float.kernels(level) else {
      throw SwiftletError.invalid("a ticket that is no matrix")
    }
    side = .b
    (positions, k) = (weights.rows, weights.columns)
    (self.ticket, fixedPoint) = (weights, nil)
    table = kernels
    sparse = try SparseWeights.choose(weights, rival: .gemm, level: level)
    blockK = 0
    memory = try AlignedMemory(bytes: 0)
  }

  init(
    _ side: Side, positions: Int, k: Int, operand: swk_operand, table: UnsafePointer<swk_gemm_table>,
    pool: ThreadPool? = nil
  ) throws {
    guard positions >= 0, k >= 0 else { throw SwiftletError.invalid("negative matrix size") }
    let units = table.pointee.type == SWK_S32 ? k / 2 + k % 2 : k
    let width = side == .a ? table.pointee.mr : table.pointee.nr
    let size = table.pointee.type == SWK_F64 ? 8 : 4
    let (padded, overflow) = positions.addingReportingOverflow(Int(width))
    let (count, overflow2) = padded.multipliedReportingOverflow(by: max(units, 1))
    guard !overflow, !overflow2, !count.multipliedReportingOverflow(by: size).overflow else {
      throw SwiftletError.invalid("matrix size overflows")
    }
    self.side = side
    self.positions = positions
    self.k = k
    self.table = table
    (sparse, ticket, fixedPoint) = (nil, nil, nil)
    let blockK = swk_gemm_block_k(units, table.pointee.kc)
    self.blockK = blockK
    memory = try AlignedMemory(bytes: swk_gemm_packed_count(positions, units, width) * size)
    let start = memory.start, paddedBytes = swk_gemm_packed_count(positions, 1, width) * size
    func packBlock(_ block: Int) {
      var operand = operand
      let k0 = block &* blockK
      table.pointee.pack(&operand, width, 0, positions, k0, min(blockK, units &- k0), start + k0 &* paddedBytes)
    }
    let blocks = units == 0 ? 0 : (units - 1) / blockK + 1
    if let pool, positions > 0 {
      pool.parallel(blocks) { block, _ in packBlock(block) }
    } else if positions > 0 {
      for block in 0..<blocks { packBlock(block) }
    }
  }

  /// The panels, if they are those of such an operand.
  func panels(
    for side: Side, positions: Int, k: Int, table: UnsafePointer<swk_gemm_table>
  ) throws -> UnsafeRawPointer {
    guard self.side == side, self.positions == positions, self.k == k, self.table == table, sparse == nil, ticket == nil,
      fixedPoint == nil
    else {
      throw SwiftletError.invalid("a packed matrix doesn't fit the product")
    }
    return UnsafeRawPointer(memory.start)
  }
}

extension PackedMatrix.Source {
  var c: swk_type {
    switch self {
    case .float: SWK_F32
    case .double: SWK_F64
    case .float16: SWK_F16
    case .bfloat16: SWK_BF16
    }
  }
}
