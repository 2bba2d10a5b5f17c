import CKernels
import Tensors

/// A strong ticket as docs/ticket-format.md has it: what a call of `swiftlet.tickets::...` is given, checked.
public struct Ticket {
  public enum Kind: String, CaseIterable, Sendable {
    case signed = "Signed"
    case coated = "Coated"
    case ternary = "Ternary"
    case uniform = "Uniform"
  }

  public let kind: Kind
  public let shape: [Int]
  public let count: Int
  /// The tensor as a matrix: its first dimension by all others.
  public let rows: Int
  public let columns: Int
  /// Columns that share an index of the second dimension.
  public let taps: Int
  public let planes: Int
  /// What an element has by its code, the bits of the planes.
  public let magnitudes: [Float]
  public let seed: UInt64
  private let bits: Tensor
  private let signs: Tensor?

  /// The largest number of planes.
  private static let mostPlanes = 4

  /// The function's inputs in their order. They are kept, and not copied.
  public init(kind: Kind, bits: Tensor, signs: Tensor, magnitudes: Tensor, shape: [Int]) throws {
    self.kind = kind
    self.shape = shape
    self.bits = bits
    count = try Checked.count(shape)
    _ = try ElementType.float.byteCount(count)
    rows = shape.count > 1 ? shape[0] : 1
    columns = shape.count > 1 ? try Checked.count(Array(shape.dropFirst())) : count
    taps = shape.count > 2 && shape[1] > 0 ? columns / shape[1] : 1
    let bytes = count / 8 + (count % 8 == 0 ? 0 : 1)
    if kind == .coated {
      guard bits.type == .uint8, bits.rank == 2, bits.shape[1] == bytes, 1...Self.mostPlanes ~= bits.shape[0] else {
        throw Self.error(
          "the planes are \(bits.type.name)\(bits.shape); [1 to \(Self.mostPlanes), \(bytes)] is due for the shape \(shape)")
      }
    } else {
      try Self.checkMask(bits, "mask", bytes, shape)
    }
    planes = kind == .coated ? bits.shape[0] : 1
    if kind == .ternary {
      try Self.checkMask(signs, "signs", bytes, shape)
      self.signs = signs
      seed = 0
    } else {
      guard signs.type == .uint32, signs.shape == [2] else {
        throw Self.error("the seed is \(signs.type.name)\(signs.shape); uint32[2] is due")
      }
      let words = try signs.ints()
      seed = UInt64(truncatingIfNeeded: words[0]) | UInt64(truncatingIfNeeded: words[1]) << 32
      self.signs = nil
    }
    self.magnitudes = try Self.magnitudes(magnitudes, kind, planes: planes)
    // Blocks are numbered with 32 bits.
    let blocks = columns / 256 + 1
    guard try Checked.multiply(rows, blocks) < 1 << 32 else {
      throw SwiftletError(.limit, "a ticket of the shape \(shape) has more than 2^32 blocks of signs")
    }
    for plane in 0..<planes { try checkSpareBits(bits, plane, bytes) }
    if let signs = self.signs { try checkSpareBits(signs, 0, bytes) }
  }

  private static func error(_ text: String) -> SwiftletError { SwiftletError(.invalidModel, "ticket: \(text)") }

  private static func checkMask(_ t: Tensor, _ name: String, _ bytes: Int, _ shape: [Int]) throws {
    guard t.type == .uint8, t.shape == [bytes] else {
      throw error("the \(name): \(t.type.name)\(t.shape); \(bytes) bytes are due for the shape \(shape)")
    }
  }

  private static func magnitudes(_ t: Tensor, _ kind: Kind, planes: Int) throws -> [Float] {
    let due = kind == .coated ? [1 << planes] : []
    guard t.type == .float, t.shape == due else {
      throw error("the \(kind == .coated ? "magnitudes are" : "scale is") \(t.type.name)\(t.shape); float\(due) is due")
    }
    let values = try t.doubles().map { Float($0) }
    if kind != .coated {
      guard values[0].isFinite, values[0] > 0 else {
        throw error("the scale is \(values[0]); it must be finite and above 0")
      }
      return [0] + values
    }
    guard values.allSatisfy({ $0.isFinite && $0 >= 0 }), values[0] == 0 else {
      throw error("the magnitudes are \(values); they must be finite, not negative, and the first one 0")
    }
    return values
  }

  private func checkSpareBits(_ t: Tensor, _ plane: Int, _ bytes: Int) throws {
    guard count % 8 != 0, t.pointer(UInt8.self)[plane * bytes + bytes - 1] >> UInt8(count % 8) != 0 else { return }
    throw Self.error("bits behind the last of \(count) elements are set")
  }

  /// Whether all that is written in the file is as the specification wants it; the first thing that isn't.
  public func strictProblem() -> String? {
    guard let signs else { return nil }
    let mask = bits.elements(UInt8.self), minus = signs.elements(UInt8.self)
    guard let byte = mask.indices.first(where: { minus[$0] & ~mask[$0] != 0 }) else { return nil }
    return "signs are set in byte \(byte) where the mask isn't"
  }

  /// Elements that aren't 0.
  public var kept: Int {
    let bytes = bits.count / planes, p = bits.pointer(UInt8.self)
    return (0..<bytes).reduce(0) { sum, byte in
      var word: UInt8 = 0
      for code in 1..<magnitudes.count where magnitudes[code] != 0 {
        word |= (0..<planes).reduce(0xff) { $0 & (code >> $1 & 1 == 1 ? p[$1 * bytes + byte] : ~p[$1 * bytes + byte]) }
      }
      return sum + word.nonzeroBitCount
    }
  }

  /// The bits of the file in the kernels' terms; `transposed`: for a matrix whose rows are the ticket's columns.
  func withBits<R>(transposed: Bool, _ body: (inout swk_ticket_bits) -> R) -> R {
    var b = swk_ticket_bits(
      planes: bits.pointer(UInt8.self), bytes: bits.count / planes, count: planes, taps: taps, transposed: transposed)
    return withExtendedLifetime(bits) { body(&b) }
  }
  func withSigns<R>(transposed: Bool, _ body: (inout swk_ticket_bits) -> R) -> R? {
    guard let signs else { return nil }
    var b = swk_ticket_bits(
      planes: signs.pointer(UInt8.self), bytes: signs.count, count: 1, taps: taps, transposed: transposed)
    return withExtendedLifetime(signs) { body(&b) }
  }

  /// Tells the system that these elements' bits of a mapped file aren't needed for now.
  func forget(elements: Range<Int>) {
    let first = elements.lowerBound / 8, bytes = (elements.upperBound + 7) / 8 - first
    for plane in 0..<planes { try? bits.view(from: plane * (bits.count / planes) + first, shape: [bytes]).forget() }
    try? signs?.view(from: first, shape: [bytes]).forget()
  }

  /// Writes all elements in their order.
  public func expand(to out: UnsafeMutablePointer<Float>, pool: ThreadPool) throws {
    if count == 0 { return }
    if kind == .uniform {
      let (seed, mask, scale) = (seed, UnsafePointer(bits.pointer(UInt8.self)), magnitudes[1])
      let piece = 1 << 14
      pool.parallel((count - 1) / piece + 1) { i, _ in
        swk_ticket_uniform(seed, mask, scale, i &* piece, min(piece, count &- i &* piece), out + i &* piece)
      }
      return
    }
    let weights = try TicketWeights(self, pool: pool)
    let channels = columns / taps, group = Int(SWK_TICKET_ROWS)
    pool.parallel((rows - 1) / group + 1) { task, _ in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 32 * group) { panel in
        guard let start = panel.baseAddress else { return }
        let row = task &* group, own = min(group, rows &- row)
        for first in stride(from: 0, to: columns, by: 32) {
          let n = min(32, columns &- first)
          weights.table.pointee.panel(weights.packed, group, row, own, first, n, start)
          for i in 0..<n {
            let column = first &+ i, place = row &* columns &+ column % channels &* taps &+ column / channels
            for r in 0..<own { out[place &+ r &* columns] = start[i &* group &+ r] }
          }
        }
      }
    }
  }
}
