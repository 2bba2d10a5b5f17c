import CKernels
import Tensors

/// Weights of which only what isn't zero is kept, in the order in which the sparse kernels read it.
public final class SparseWeights: @unchecked Sendable {
  public let rows: Int
  public let k: Int
  /// Rows that share the places of their nonzeros: 1, 4 or 8.
  public let group: Int
  /// Elements that aren't 0.
  public let nonzeros: Int
  /// Bytes held.
  public var bytes: Int { memory.bytes }
  /// For people.
  public var kernelName: String {
    if let ticket { return "\(ticket.kernelName), as sparse weights" }
    let kept = rows * k == 0 ? 0 : Int((Double(nonzeros) / Double(rows * k) * 100).rounded())
    return "sparse\(group == 1 ? "" : " 1x\(group)"), \(kept)% kept"
  }

  /// Not nil: blocks of rows are made of it as they are needed.
  let ticket: TicketWeights?
  let table: UnsafePointer<swk_sparse_table>
  private(set) var packed: swk_sparse
  private let memory: AlignedMemory
  static let blockRows = 256

  /// Packs the weights if the sparse kernels are faster for them; nil if not.
  static func choose(
    _ source: SparseSource, rival: SparseChoice.Rival, level: swk_level, pool: ThreadPool?
  ) throws -> SparseWeights? {
    guard SparseChoice.Wish.user != .never, source.seemsSparse || SparseChoice.Wish.user == .always,
      source.isExactInFloat
    else { return nil }
    let layout = try SparseLayout(source, pool: pool)
    guard let group = SparseChoice.group(stored: layout.stored, rival: rival, level: level) else { return nil }
    return try SparseWeights(source, layout: layout, group: group, rival: rival, level: level, pool: pool)
  }

  init(
    _ source: SparseSource, layout: SparseLayout, group: Int, rival: SparseChoice.Rival, level: swk_level,
    pool: ThreadPool?
  ) throws {
    guard let table = swk_sparse_f32(level), SparseChoice.groups.contains(group), source.type != SWK_F64 else {
      throw SwiftletError.invalid("no sparse kernels for these weights")
    }
    self.table = table
    ticket = nil
    (rows, k, self.group, nonzeros) = (source.rows, source.k, group, layout.nonzeros)
    var w = swk_sparse()
    (w.rows, w.k, w.group, w.block_rows) = (rows, k, group, Self.blockRows)
    w.block_k = Self.blockK(k: k, kept: layout.kept, group: group, rival: rival)
    w.type = source.isIntegers ? SWK_S8 : source.type == SWK_F16 ? SWK_F16 : SWK_F32
    let rowBlocks = layout.rowBlocks, entries = rowBlocks * Int(swk_sparse_k_blocks(&w)) + 1
    let c = source.c
    // What each row block takes, then where each begins.
    var begins = [swk_sparse_block](repeating: .init(), count: rowBlocks + 1)
    var failed = [Bool](repeating: false, count: rowBlocks)
    func pack(
      _ block: Int, _ w: swk_sparse, _ at: swk_sparse_block, _ failed: UnsafeMutableBufferPointer<Bool>
    ) -> swk_sparse_block {
      var (w, c, at) = (w, c, at)
      if !layout.withOrder(of: block, group: group, { swk_sparse_pack(&c, &w, block, $0, &at) }) { failed[block] = true }
      return at
    }
    func forEach(_ body: (Int) -> Void) {
      if let pool { pool.parallel(rowBlocks) { block, _ in body(block) } } else { (0..<rowBlocks).forEach(body) }
    }
    failed.withUnsafeMutableBufferPointer { failed in
      begins.withUnsafeMutableBufferPointer { begins in forEach { begins[$0 + 1] = pack($0, w, .init(), failed) } }
    }
    if failed.contains(true) { throw SwiftletError.outOfMemory(bytes: Self.blockRows * 4) }
    for block in 0..<rowBlocks {
      begins[block + 1].first_group += begins[block].first_group
      begins[block + 1].first_place += begins[block].first_place
    }
    let groups = Int(begins[rowBlocks].first_group), places = Int(begins[rowBlocks].first_place)
    let valueBytes = w.type == SWK_S8 ? 1 : w.type == SWK_F16 ? 2 : 4
    var bytes = 0
    func room(_ count: Int, _ size: Int) throws -> Int {
      defer { bytes = (bytes + count * size + 63) & ~63 }
      _ = try Checked.add(bytes, try Checked.multiply(count, size + 64))
      return bytes
    }
    let atBlocks = try room(entries, MemoryLayout<swk_sparse_block>.stride), atMembers = try room(groups, group * 2)
    let atCounts = try room(groups, 2), atPlaces = try room(places, 2), atValues = try room(places, group * valueBytes)
    memory = try AlignedMemory(bytes: bytes)
    w.blocks = (memory.start + atBlocks).bindMemory(to: swk_sparse_block.self, capacity: entries)
    w.blocks[0] = .init()
    w.members = (memory.start + atMembers).bindMemory(to: UInt16.self, capacity: groups * group)
    w.counts = (memory.start + atCounts).bindMemory(to: UInt16.self, capacity: groups)
    w.places = (memory.start + atPlaces).bindMemory(to: UInt16.self, capacity: places)
    w.values = memory.start + atValues
    packed = w
    let first = begins
    failed.withUnsafeMutableBufferPointer { failed in forEach { _ = pack($0, w, first[$0], failed) } }
    if failed.contains(true) { throw SwiftletError.outOfMemory(bytes: Self.blockRows * 4) }
  }

  /// A ticket whose nonzeros, a block of rows at a time, will be packed at each run; nil if dense kernels are faster.
  /// - Parameter taps: of a convolution's kernels; 1 for a matrix.
  static func choose(
    _ ticket: TicketWeights, taps: Int = 1, rival: SparseChoice.Rival, level: swk_level
  ) throws -> SparseWeights? {
    let share = Double(ticket.kept) / Double(max(1, ticket.rows * ticket.columns))
    guard SparseChoice.group(stored: [share], rival: rival, level: level) == 1, let table = swk_sparse_f32(level) else {
      return nil
    }
    return try SparseWeights(ticket, taps: taps, table: table)
  }

  private init(_ ticket: TicketWeights, taps: Int, table: UnsafePointer<swk_sparse_table>) throws {
    self.table = table
    self.ticket = ticket
    (rows, k, group, nonzeros) = (ticket.rows, ticket.columns, 1, ticket.kept)
    memory = try AlignedMemory(bytes: 0)
    var w = swk_sparse()
    (w.rows, w.k, w.group, w.type) = (rows, k, 1, SWK_F32)
    w.ticket = UnsafePointer(ticket.packed)
    // 32 channels of all taps if that can be: the taps of a channel read nearly the same.
    let together = taps > 1 && 32 * taps <= Int(SWK_TICKET_BLOCK_K) && k % (32 * taps) == 0
    (w.taps, w.block_k) = together ? (taps, 32 * taps) : (1, 128)
    // A block stays in the second-level cache.
    let bytes = Double(k) * Double(nonzeros) / Double(max(1, rows * k)) * 6, unit = Int(SWK_TICKET_ROWS)
    w.block_rows = min(Int(SWK_TICKET_BLOCK_ROWS), max(4, Int(min(512e3 / max(bytes, 1), 1e6)) / unit) * unit)
    w.most_places = ticket.mostKept(rows: w.block_rows)
    packed = w
  }

  /// Few enough columns for a tile of X to stay near the core, enough for a row to have some nonzeros in them.
  private static func blockK(k: Int, kept: Double, group: Int, rival: SparseChoice.Rival) -> Int {
    if rival == .vector { return max(1, min(k, 32768)) }
    let wanted = group == 1 ? min(512, max(128, Int(8 / max(kept, 0.01)))) : 384
    let blocks = max(1, (k + wanted - 1) / wanted)
    return max(1, (k + blocks - 1) / blocks)
  }
}
