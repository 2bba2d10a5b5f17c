import CKernels
import Glibc
import Tensors

/// A ticket in the order in which the kernels read it: its masks, and no floats.
public final class TicketWeights: @unchecked Sendable {
  public let rows: Int
  public let columns: Int
  /// Elements that aren't 0.
  public let kept: Int
  /// Bytes held.
  public var bytes: Int { memory.bytes }
  /// For people.
  public let kernelName: String

  let table: UnsafePointer<swk_ticket_table>
  /// At the start of `memory`.
  let packed: UnsafeMutablePointer<swk_ticket>
  private let memory: AlignedMemory

  /// `SWIFTLET_TICKETS=6bit`: vectors that meet a ticket are rounded to 6 bits, where the processor has instructions for
  /// it. Read once.
  static let wantsShort = getenv("SWIFTLET_TICKETS").map { String(cString: $0) } == "6bit"

  /// - Parameters:
  ///   - transposed: whether the ticket's columns, of a matrix, are the rows. Signs run along the ticket's rows: then they
  ///     are kept, a second bit for each weight.
  ///   - scales: a factor for each row.
  ///   - short: whether vectors may be rounded.
  init(
    _ ticket: Ticket, transposed: Bool = false, scales: [Float]? = nil, level: swk_level = .best,
    short: Bool = wantsShort, pool: ThreadPool?
  ) throws {
    let shortTable = short ? swk_ticket_s6(level) : nil
    (rows, columns) = transposed ? (ticket.columns, ticket.rows) : (ticket.rows, ticket.columns)
    guard let table = shortTable ?? swk_ticket_f32(level), ticket.kind != .uniform, !transposed || ticket.taps == 1,
      scales == nil || scales?.count == rows
    else {
      throw SwiftletError.invalid("no kernels for this ticket")
    }
    self.table = table
    var t = swk_ticket()
    (t.rows, t.columns, t.words) = (rows, columns, columns / 32 + (columns % 32 == 0 ? 0 : 1))
    let codes = (1..<ticket.magnitudes.count).filter { ticket.magnitudes[$0] != 0 }
    t.coats = codes.count
    withUnsafeMutableBytes(of: &t.magnitudes) { all in
      for (i, code) in codes.enumerated() {
        all.storeBytes(of: ticket.magnitudes[code], toByteOffset: 4 * i, as: Float.self)
      }
    }
    swk_ticket_seed(&t, ticket.seed)
    let blockRows = Int(SWK_TICKET_ROWS)
    let paddedRows = try Checked.add(rows, blockRows - 1) / blockRows * blockRows
    let words = try Checked.multiply(paddedRows, Int(t.words))
    let isStored = ticket.kind == .ternary || transposed
    let masks = codes.count + (isStored ? 1 : 0)
    var bytes = 0
    func room(_ count: Int, _ size: Int) throws -> Int {
      let start = bytes
      bytes = try Checked.add(bytes, try Checked.add(try Checked.multiply(count, size), 63)) & ~63
      return start
    }
    _ = try room(1, MemoryLayout<swk_ticket>.stride)
    let atMasks = try room(try Checked.multiply(words, masks), 4)
    let atScales = try room(scales == nil ? 0 : paddedRows, 4)
    memory = try AlignedMemory(bytes: bytes)
    let start = memory.start
    let first = (start + atMasks).bindMemory(to: UInt32.self, capacity: words * masks)
    t.masks = first
    t.signs = isStored ? first + words * codes.count : nil
    if let scales {
      let p = (start + atScales).bindMemory(to: Float.self, capacity: paddedRows)
      for i in 0..<paddedRows { p[i] = i < rows ? scales[i] : 0 }
      t.scales = p
    }
    packed = start.bindMemory(to: swk_ticket.self, capacity: 1)
    packed.initialize(to: t)
    let shared = t
    // In pieces, so that little of the file's bits has to be in memory at a time.
    let step = max(1, (4 << 20) / max(1, columns) / blockRows) * blockRows
    func pack(_ task: Int) {
      var t = shared
      let r0 = task / masks &* step, r1 = min(t.rows, r0 &+ step), i = task % masks, to = first + i &* words
      if i < codes.count {
        ticket.withBits(transposed: transposed) { swk_ticket_pack(&t, &$0, UInt32(codes[i]), r0, r1, to) }
      } else if ticket.withSigns(transposed: transposed, { swk_ticket_pack(&t, &$0, 1, r0, r1, to) }) == nil {
        swk_ticket_transposed_signs(&t, r0, r1, to)
      }
      if !transposed { ticket.forget(elements: r0 &* Int(t.columns)..<r1 &* Int(t.columns)) }
    }
    let tasks = masks * ((rows + step - 1) / step)
    if let pool { pool.parallel(tasks) { task, _ in pack(task) } } else { (0..<tasks).forEach(pack) }
    ticket.forget(elements: 0..<ticket.count)
    kept = (0..<words &* codes.count).reduce(0) { $0 &+ first[$1].nonzeroBitCount }
    let share = rows * columns == 0 ? 0 : Int((Double(kept) / Double(rows * columns) * 100).rounded())
    kernelName = "ticket, \(share)% kept\(shortTable == nil ? "" : ", 6-bit vectors")"
  }

  /// Of blocks of so many rows, a multiple of SWK_TICKET_ROWS, the most elements that one keeps.
  func mostKept(rows blockRows: Int) -> Int {
    let t = packed.pointee, words = Int(swk_ticket_words(packed)), step = blockRows &* Int(t.words)
    return stride(from: 0, to: words, by: max(1, step)).reduce(0) { most, start in
      let kept = (0..<Int(t.coats)).reduce(0) { sum, coat in
        (start..<min(words, start &+ step)).reduce(sum) { $0 &+ t.masks[coat &* words &+ $1].nonzeroBitCount }
      }
      return max(most, kept)
    }
  }
}
