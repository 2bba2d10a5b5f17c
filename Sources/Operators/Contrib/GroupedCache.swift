import Kernels
import Tensors

/// The cache of keys or of values of GroupQueryAttention, [batch, heads, capacity, size]: past rows of each sequence,
/// the new ones, zeros behind them; stored as float or quantised (int8, or uint8 with two numbers of 4 bits plus 8 a
/// byte).
struct GroupedCache {
  /// Rows of the sequences before and after a run.
  struct Lengths {
    /// Whether the new rows are all there is.
    let isPrompt: Bool
    let rows: Int
    /// Where the new rows are in their sequences.
    let positions: [Int]
    /// Rows that the cache holds beforehand (less than `positions` where it drops the oldest), and those that count
    /// with the new ones.
    let past: [Int]
    let present: [Int]
    /// The rows of `present` that the cache keeps: all, or the last ones.
    let kept: [Range<Int>]
    /// What queries and keys are computed over, and the rows that the cache has room for.
    let total: Int
    let capacity: Int
    let drops: Bool

    /// - Parameter window: how many rows a cache that drops the oldest has to keep; nil: it keeps all.
    init(_ seqlens: [Int], total: Int, past: Tensor?, window: Int?, batch: Int, rows: Int) throws {
      try checkShape(seqlens.count == batch, "\(seqlens.count) seqlens_k for \(batch) sequences")
      let before = past.map { $0.rank == 4 ? $0.shape[2] : 0 } ?? 0, isPrompt = total == rows
      let room = window == nil ? before : Int.max
      guard total >= rows, total - rows <= room,
        seqlens.allSatisfy({ $0 >= -1 && $0 < total && (isPrompt || $0 + 1 >= rows && $0 + 1 - rows <= room) })
      else {
        throw SwiftletError(
          .runtime, "seqlens_k \(seqlens) and total_sequence_length \(total) for \(rows) rows and a past of \(before)")
      }
      (self.rows, self.isPrompt, drops) = (rows, isPrompt, window != nil)
      let ends = seqlens.map { $0 + 1 }, positions = ends.map { isPrompt ? 0 : $0 - rows }
      self.positions = positions
      guard let window else {
        (self.past, present, kept) = (positions, ends, ends.map { 0..<$0 })
        self.total = total
        capacity = max(total, before)
        return
      }
      guard past != nil, window > 0, before >= window else {
        throw SwiftletError(.invalidModel, "a cache of \(before) rows for a window of \(window)")
      }
      // The cache drops as many rows at once as it has more than the window.
      func held(_ end: Int) -> Int {
        let drop = before - window + 1
        return end <= before ? end : end - drop * ((end - before + drop - 1) / drop)
      }
      let resident = positions.map(held), dropped = zip(positions, resident).map { $0 - $1 }
      self.past = resident
      present = zip(ends, dropped).map { $0 - $1 }
      kept = zip(ends, dropped).map { max(0, $0 - held($0) - $1)..<$0 - $1 }
      self.total = (resident.max() ?? 0) + rows
      capacity = before
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

  /// All rows of all sequences as float; what the cache keeps is stored in output `i` if that is asked for. They get
  /// there when they are prepared.
  func join(_ new: HeadRows, output i: Int, _ r: RunContext) throws -> HeadRows {
    let batch = lengths.past.count, shape = [batch, heads, lengths.capacity, size]
    var stored: Tensor?
    if r.hasOutput(i) {
      stored = try bits == 32 ? r.output(i, .float, shape) : r.output(
        i, bits == 8 ? .int8 : .uint8, shape.dropLast() + [rowBytes])
    }
    // A cache that drops rows is cut out of all rows; any other is them.
    let drops = lengths.drops, count = drops ? lengths.total : lengths.capacity, all = [batch, heads, count, size]
    let floats = try bits == 32 && !drops ? stored ?? r.scratchTensor(.float, all) : r.scratchTensor(.float, all)
    let codes = bits == 32 ? nil
      : drops ? try r.scratch(Checked.multiply(batch * heads * count, rowBytes)) : stored?.data
    let out = floats.pointer(Float.self), before = past.map { $0.shape[2] } ?? 0
    func prepare(_ plane: Int, _ rows: Range<Int>) {
      let (b, h) = (plane / heads, plane % heads), start = lengths.past[b], end = start + lengths.rows
      let to = out + plane * count * size, store = codes.map { $0 + plane * count * rowBytes }
      let held = rows.clamped(to: 0..<start), added = rows.clamped(to: start..<end)
      let rest = rows.clamped(to: end..<count)
      if let past {
        let from = past.data + (plane * before + held.lowerBound) * rowBytes, at = to + held.lowerBound * size
        if bits == 32 { UnsafeMutableRawPointer(at).copyMemory(from: from, byteCount: held.count * rowBytes) }
        (store.map { $0 + held.lowerBound * rowBytes })?.copyMemory(from: from, byteCount: held.count * rowBytes)
        for row in 0..<(bits == 32 ? 0 : held.count) { decode(from + row * rowBytes, at + row * size, head: h) }
      }
      new.copy(b, h, added.lowerBound - start..<added.upperBound - start, size: size, to: to + added.lowerBound * size)
      if bits != 32 { for row in added { encode(to + row * size, store.map { $0 + row * rowBytes }, head: h) } }
      (to + rest.lowerBound * size).update(repeating: 0, count: rest.count * size)
      (store.map { $0 + rest.lowerBound * rowBytes })?
        .initializeMemory(as: UInt8.self, repeating: 0, count: rest.count * rowBytes)
      guard drops, rows.upperBound >= count, let stored else { return }
      let from = store.map { UnsafeRawPointer($0) } ?? UnsafeRawPointer(to), kept = lengths.kept[b]
      let cache = stored.data + plane * lengths.capacity * rowBytes, used = kept.count * rowBytes
      cache.copyMemory(from: from + kept.lowerBound * rowBytes, byteCount: used)
      (cache + used).initializeMemory(as: UInt8.self, repeating: 0, count: lengths.capacity * rowBytes - used)
    }
    return HeadRows(out, .heads(heads, rows: count, size: size), prepare: prepare)
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
