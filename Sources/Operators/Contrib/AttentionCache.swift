import Kernels
import Tensors

typealias HeadRows = AttentionCore.Rows<Float>

extension HeadRows {
  /// [batch][rows][heads][size], or [batch][heads][rows][size] of a tensor of rank 4.
  init(_ t: Tensor, heads: Int, size: Int) {
    self.init(
      UnsafePointer(t.pointer(Float.self)),
      t.rank == 4 ? .heads(heads, rows: t.shape[2], size: size) : .rows(t.shape[1], heads: heads, size: size))
  }

  /// A copy with a bias of [heads * size] added.
  @inline(never)
  func adding(
    _ bias: UnsafePointer<Float>, batch: Int, heads: Int, rows: Int, size: Int, _ r: RunContext
  ) throws -> HeadRows {
    let width = try Checked.multiply(heads, size), shape = [batch, rows, heads, size]
    let out = try r.scratch(max(Checked.count(shape), 1), of: Float.self)
    let whole = AttentionCore.Layout.rows(rows, heads: heads, size: size)
    var from = data
    if layout.batch != whole.batch || layout.head != whole.head || layout.row != whole.row {
      try StridedCopy.apply(
        out, Broadcast.strides(of: shape), data, [layout.batch, layout.row, layout.head, 1], shape: shape,
        elementSize: 4, pool: r.pool)
      from = UnsafePointer(out)
    }
    try Binary.apply(
      .add, .float, from, [batch * rows, width], bias, [width], to: out, [batch * rows, width], pool: r.pool)
    return HeadRows(out, whole)
  }
}

/// The lengths of a cache of keys or values [batch, heads, capacity, size], before and after a run's new rows.
struct CacheSizes {
  let batch: Int
  let heads: Int
  /// New rows.
  let rows: Int
  let pastLength: Int
  /// Rows that count afterwards, and those that the cache has.
  let total: Int
  let capacity: Int

  /// A cache that grows by the new rows, or with room for them behind the first `pastLength` rows if these are given.
  init(_ past: Tensor?, pastLength: Int?, batch: Int, heads: Int, rows: Int) throws {
    (self.batch, self.heads, self.rows) = (batch, heads, rows)
    let before = past.map { $0.rank == 4 ? $0.shape[2] : 0 } ?? 0
    let hasRoom = past != nil && pastLength != nil
    self.pastLength = hasRoom ? pastLength ?? 0 : before
    total = try Checked.add(self.pastLength, rows)
    capacity = hasRoom ? before : total
    guard self.pastLength >= 0, total <= capacity else {
      throw SwiftletError(.runtime, "\(rows) rows behind \(self.pastLength) in a cache of \(capacity)")
    }
  }

  /// All rows, past and new: in output `i`, in scratch memory if there is a past to join, or where the new ones are.
  /// They get there when they are prepared.
  @inline(never)
  func join(_ r: RunContext, output i: Int, past: Tensor?, _ new: HeadRows, size: Int) throws -> HeadRows {
    guard r.hasOutput(i) || past != nil else { return new }
    let shape = [batch, heads, capacity, size]
    let out = r.hasOutput(i) ? try r.output(i, .float, shape) : try r.scratchTensor(.float, shape)
    return try join(
      to: out.pointer(Float.self), past: past.map { UnsafePointer($0.pointer(Float.self)) }, shape: past?.shape, new,
      size: size)
  }

  /// The same into memory of [batch, heads, capacity, size].
  func join(
    to out: UnsafeMutablePointer<Float>, past: UnsafePointer<Float>?, shape: [Int]?, _ new: HeadRows, size: Int
  ) throws -> HeadRows {
    if past != nil, let shape {
      try checkShape(
        shape.count == 4 && shape == [batch, heads, shape[2], size] && shape[2] <= capacity,
        "a cache has the shape \(shape), not [\(batch), \(heads), ..., \(size)]")
    }
    return AttentionCore.Cache(
      memory: out, heads: heads, capacity: capacity, size: size, past: past, pastCapacity: shape.map { $0[2] } ?? 0,
      new: new,
      newRows: pastLength..<total).rows
  }

  /// The rows that beam search's `indirection` [sequences, beams, capacity] names: the past row j of a beam is that of
  /// the beam indirection[..., j] of the same sequence.
  @inline(never)
  func gather(_ x: HeadRows, _ indirection: Tensor, size: Int, _ r: RunContext) throws -> HeadRows {
    let s = indirection.shape
    try checkShape(
      s.count == 3 && s[0] &* s[1] == batch && s[2] >= pastLength,
      "cache_indirection has the shape \(s) for \(batch) beams")
    x.prepareAll(planes: batch * heads)
    let out = try r.scratch(Checked.count([batch, heads, max(total, 1), max(size, 1)]), of: Float.self)
    let beams = s[1], choice = indirection.pointer(Int32.self)
    for b in 0..<batch {
      for j in 0..<total {
        let beam = j < pastLength ? Int(choice[b * s[2] + j]) : b % beams
        guard beam >= 0, beam < beams else {
          throw SwiftletError(.runtime, "cache_indirection names the beam \(beam) of \(beams)")
        }
        for h in 0..<heads {
          let from = x.data + ((b / beams * beams + beam) * x.layout.batch + h * x.layout.head + j * x.layout.row)
          (out + ((b * heads + h) * total + j) * size).update(from: from, count: size)
        }
      }
    }
    return HeadRows(out, .heads(heads, rows: total, size: size))
  }
}
