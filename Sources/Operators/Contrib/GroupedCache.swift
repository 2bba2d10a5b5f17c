import Kernels
import Tensors

/// The cache of keys or of values of GroupQueryAttention, [batch, heads, capacity, size]: past rows of each sequence, the new
/// ones, zeros behind them; stored as float or quantised (int8, or uint8 with two numbers of 4 bits plus 8 a byte).
struct GroupedCache {
  /// Rows of the sequences before and after a run.
  struct Lengths {
    /// Whether the new rows are all there is.
    let isPrompt: Bool
    let past: [Int]
    let present: [Int]
    let rows: Int
    /// The longest sequence, and the rows that the cache has room for.
    let total: Int
    let capacity: Int

    init(_ seqlens: [Int], total: Int, past: Tensor?, batch: Int, rows: Int) throws {
      try checkShape(seqlens.count == batch, "\(seqlens.count) seqlens_k for \(batch) sequences")
      let before = past.map { $0.rank == 4 ? $0.shape[2] : 0 } ?? 0
      (self.total, self.rows, isPrompt) = (total, rows, total == rows)
      capacity = max(total, before)
      let isPrompt = total == rows
      guard total >= rows, total - rows <= before, seqlens.allSatisfy({ $0 >= -1 && $0 < total && (isPrompt || $0 + 1 >= rows && $0 + 1 - rows <= before) }) else {
        throw SwiftletError(.runtime, "seqlens_k \(seqlens) and total_sequence_length \(total) for \(rows) rows and a past of \(before)")
      }
      present = seqlens.map { $0 + 1 }
      self.past = present.map { isPrompt ? 0 : $0 - rows }
    }
  }

  private let lengths: Lengths
  private let heads: Int
  private let size: Int
  private let past: Tensor?
  /// 32: float.
  private let bits: Int
  /// For each head and channel; empty unless quantised.
  private let scales: [Float]

  init(
    _ r: RunContext, past: Int, scale: Int, bits: Int, kind: String, _ lengths: Lengths, heads: Int, size: Int
  ) throws {
    self.past = try r.optionalInput(past)
    (self.lengths, self.heads, self.size) = (lengths, heads, size)
    if kind == "NONE" {
      (self.bits, scales) = (32, [])
    } else {
      guard bits == 8 || bits == 4, kind == "PER_TENSOR" || kind == "PER_CHANNEL", bits == 8 || size % 2 == 0 else {
        throw SwiftletError(.invalidModel, "a cache of \(bits) bits, quantised \(kind)")
      }
      self.bits = bits
      let given = try r.input(scale).doubles().map { Float($0) }, due = kind == "PER_TENSOR" ? 1 : heads * size
      try checkShape(given.count == due, "\(given.count) scales of a cache, not \(due)")
      scales = given.count == 1 ? Array(repeating: given.first ?? 0, count: heads * size) : given
    }
    guard let t = self.past else {
      try checkModel(self.bits == 32, "a quantised cache without a past")
      return
    }
    let due: ElementType = self.bits == 32 ? .float : self.bits == 8 ? .int8 : .uint8
    guard t.type == due else { throw SwiftletError(.type, "a cache of \(self.bits) bits of type \(t.type.name)") }
    let expected = [lengths.past.count, heads, t.rank == 4 ? t.shape[2] : 0, rowBytes / (self.bits == 32 ? 4 : 1)]
    try checkShape(t.shape == expected, "a cache has the shape \(t.shape), not \(expected)")
  }

  private var rowBytes: Int { size * bits / 8 }

  /// All rows of all sequences as float; they are stored in output `i` if that is asked for.
  func join(_ new: HeadRows, output i: Int, _ r: RunContext) throws -> HeadRows {
    let batch = lengths.past.count, shape = [batch, heads, lengths.capacity, size]
    var stored: Tensor?
    if r.hasOutput(i) {
      stored = try bits == 32 ? r.output(i, .float, shape) : r.output(i, bits == 8 ? .int8 : .uint8, shape.dropLast() + [rowBytes])
    }
    let floats = try bits == 32 && stored != nil ? stored : r.scratchTensor(.float, shape)
    guard let floats else { throw SwiftletError(.internal, "a cache without memory") }
    let out = floats.pointer(Float.self), bytes = bits == 32 ? nil : stored?.data
    let before = past.map { $0.shape[2] } ?? 0, capacity = lengths.capacity
    r.pool.parallel(over: batch * heads, grain: max(1, 16384 / max(1, capacity * size))) { range in
      for plane in range {
        let (b, h) = (plane / heads, plane % heads), start = lengths.past[b]
        let to = out + plane * capacity * size, store = bytes.map { $0 + plane * capacity * rowBytes }
        if let past {
          let from = past.data + plane * before * rowBytes
          if bits == 32 { UnsafeMutableRawPointer(to).copyMemory(from: from, byteCount: start * rowBytes) }
          store?.copyMemory(from: from, byteCount: start * rowBytes)
          for row in 0..<(bits == 32 ? 0 : start) { decode(from + row * rowBytes, to + row * size, head: h) }
        }
        for row in 0..<lengths.rows {
          let from = new.data + (b * new.layout.batch + h * new.layout.head + row * new.layout.row)
          let at = to + (start + row) * size
          at.update(from: from, count: size)
          if bits != 32 { encode(at, store.map { $0 + (start + row) * rowBytes }, head: h) }
        }
        let end = start + lengths.rows, rest = capacity - end
        (to + end * size).update(repeating: 0, count: rest * size)
        (store.map { $0 + end * rowBytes })?.initializeMemory(as: UInt8.self, repeating: 0, count: rest * rowBytes)
      }
    }
    return HeadRows(out, .heads(heads, rows: capacity, size: size))
  }

  private func decode(_ from: UnsafeRawPointer, _ to: UnsafeMutablePointer<Float>, head: Int) {
    scales.withUnsafeBufferPointer { scales in
      for d in 0..<size {
        let q: Int32
        if bits == 8 {
          q = Int32(from.load(fromByteOffset: d, as: Int8.self))
        } else {
          q = Int32(from.load(fromByteOffset: d / 2, as: UInt8.self) >> (d % 2 == 0 ? 0 : 4) & 15) - 8
        }
        to[d] = Float(q) * scales[head * size + d]
      }
    }
  }

  /// Makes a row what it is when read back, and stores it.
  private func encode(_ row: UnsafeMutablePointer<Float>, _ to: UnsafeMutableRawPointer?, head: Int) {
    let limit: Float = bits == 8 ? 127 : 7
    scales.withUnsafeBufferPointer { scales in
      for d in 0..<size {
        let scale = scales[head * size + d]
        let x = (scale == 0 ? 0 : row[d] / scale).rounded(.toNearestOrEven)
        let q = min(max(x.isNaN ? 0 : x, -limit - 1), limit)
        row[d] = q * scale
        if bits == 8 {
          to?.storeBytes(of: Int8(q), toByteOffset: d, as: Int8.self)
        } else if let to {
          let nibble = UInt8(q + 8), before = d % 2 == 0 ? 0 : to.load(fromByteOffset: d / 2, as: UInt8.self)
          to.storeBytes(of: before | nibble << (d % 2 == 0 ? 0 : 4), toByteOffset: d / 2, as: UInt8.self)
        }
      }
    }
  }
}
