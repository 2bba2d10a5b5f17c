import Kernels
import Tensors

/// A copy of the data with updates written at indices: ScatterElements (Scatter before version 11), ScatterND. With a
/// reduction, updates are combined with what stands there, in order.
enum ScatterOperators {
  static let definitions = [
    elements("Scatter", since: [9], removed: 11), elements("ScatterElements", since: [11, 13, 16, 18]), scatterND,
  ]

  private enum Reduction: String { case none, add, mul, max, min }
  private static func reduction(_ c: KernelContext) throws -> Reduction {
    let name = try c.optionalString("reduction") ?? "none"
    guard let r = Reduction(rawValue: name) else { throw SwiftletError(.invalidModel, "the reduction '\(name)'") }
    return r
  }
  private static let inputs: [Parameter] = [.required("data", "T"), .required("indices", "I"), .required("updates", "T")]

  private static func elements(_ name: String, since: [Int], removed: Int? = nil) -> OperatorDefinition {
    OperatorDefinition(
      name, since: since, removed: removed, inputs: inputs, outputs: [.required("output", "T")],
      types: ["T": .tensors, "I": .indices],
      attributes: [.int("axis", 0)] + (removed == nil ? [.string("reduction", "none")] : []), takesHalf: true,
      infer: { $0.set(0, like: 0) },
      kernel: { c in
        let axis = try c.int("axis")
        let reduction = try reduction(c)
        return { r in
          let x = try r.input(0)
          let at = try r.input(1)
          let updates = try r.input(2)
          guard updates.shape == at.shape else {
            throw SwiftletError(.shape, "updates \(updates.shape) for indices \(at.shape)")
          }
          let axis = try Checked.axis(axis, rank: x.rank)
          let indices = try Gather.checkedIndices(at.data, at.type, at.count, limit: x.shape[axis])
          if reduction == .none {
            return try Movement.run(r, [x, updates], x.shape) { from, to, size in
              to.copyMemory(from: from[0], byteCount: x.count * size)
              try Gather.scatterElements(
                to, x.shape, axis: axis, indices: indices, at.shape, updates: from[1], elementSize: size)
            }
          }
          guard at.rank == x.rank, (0..<x.rank).allSatisfy({ $0 == axis || at.shape[$0] <= x.shape[$0] }) else {
            throw SwiftletError(.shape, "indices of shape \(at.shape) for data of shape \(x.shape), axis \(axis)")
          }
          try combine(r, x, updates, reduction, rowLength: 1, rows: offsets(indices, at.shape, axis, x.shape))
        }
      })
  }
  /// Where each element of the indices' shape goes.
  private static func offsets(_ indices: [Int64], _ shape: [Int], _ axis: Int, _ data: [Int]) -> [Int64] {
    let strides = Broadcast.strides(of: data), last = shape.count - 1, n = shape[last]
    let step = strides[axis], column = axis == last ? 0 : 1
    var position = [Int](repeating: 0, count: shape.count), base = 0
    return [Int64](unsafeUninitializedCapacity: indices.count) { out, filled in
      filled = indices.count
      for row in 0..<(n == 0 ? 0 : indices.count / n) {
        for j in 0..<n { out[row &* n &+ j] = Int64(base &+ Int(indices[row &* n &+ j]) &* step &+ j &* column) }
        var k = last - 1
        while k >= 0 {
          position[k] += 1
          if k != axis { base += strides[k] }
          if position[k] < shape[k] { break }
          if k != axis { base -= position[k] * strides[k] }
          position[k] = 0
          k -= 1
        }
      }
    }
  }

  private static let scatterND = OperatorDefinition(
    "ScatterND", since: [11, 13, 16, 18], inputs: inputs, outputs: [.required("output", "T")],
    types: ["T": .tensors, "I": .int64], attributes: [.string("reduction", "none")], takesHalf: true,
    infer: { $0.set(0, like: 0) },
    kernel: { c in
      let reduction = try reduction(c)
      return { r in
        let x = try r.input(0)
        let at = try r.input(1)
        let updates = try r.input(2)
        let c = try Coordinates(at, into: x.shape)
        guard updates.shape == at.shape.dropLast() + x.shape[c.depth...] else {
          throw SwiftletError(.shape, "updates \(updates.shape) for indices \(at.shape) and data \(x.shape)")
        }
        if reduction != .none {
          return try combine(r, x, updates, reduction, rowLength: c.rowLength, rows: c.rows)
        }
        try Movement.run(r, [x, updates], x.shape) { from, to, size in
          to.copyMemory(from: from[0], byteCount: x.count * size)
          let bytes = c.rowLength * size
          for (i, row) in c.rows.enumerated() {
            (to + Int(row) * bytes).copyMemory(from: from[1] + i * bytes, byteCount: bytes)
          }
        }
      }
    })

  // MARK: Reductions

  /// Combines rows of the updates with rows of the data; 16-bit floats in float.
  private static func combine(
    _ r: RunContext, _ x: Tensor, _ updates: Tensor, _ reduction: Reduction, rowLength: Int, rows: [Int64]
  ) throws {
    if x.type.isHalf {
      let wide = try r.temporary(.float, x.shape)
      let wideUpdates = try r.temporary(.float, updates.shape)
      try Cast.apply(x.type, x.data, to: .float, wide.data, x.count, pool: r.pool)
      try Cast.apply(x.type, updates.data, to: .float, wideUpdates.data, updates.count, pool: r.pool)
      try apply(wide, wideUpdates, reduction, rowLength, rows)
      return try Cast.apply(.float, wide.data, to: x.type, r.output(0, x.type, x.shape).data, x.count, pool: r.pool)
    }
    guard x.type.size != nil else {
      throw SwiftletError(.unsupported, "the reduction \(reduction.rawValue) of \(x.type.name)")
    }
    let y = try r.output(0, x.type, x.shape)
    y.data.copyMemory(from: x.data, byteCount: x.byteCount)
    try apply(y, updates, reduction, rowLength, rows)
  }
  private static func apply(_ y: Tensor, _ u: Tensor, _ reduction: Reduction, _ n: Int, _ rows: [Int64]) throws {
    switch y.type {
    case .float: floats(y.pointer(Float.self), u.data, reduction, n, rows)
    case .double: floats(y.pointer(Double.self), u.data, reduction, n, rows)
    case .complex64 where reduction == .add:
      floats(y.data.assumingMemoryBound(to: Float.self), u.data, reduction, 2 * n, rows)
    case .complex128 where reduction == .add:
      floats(y.data.assumingMemoryBound(to: Double.self), u.data, reduction, 2 * n, rows)
    case .int64: integers(y.pointer(Int64.self), u.data, reduction, n, rows)
    case .int32: integers(y.pointer(Int32.self), u.data, reduction, n, rows)
    case .int16: integers(y.pointer(Int16.self), u.data, reduction, n, rows)
    case .int8: integers(y.pointer(Int8.self), u.data, reduction, n, rows)
    case .uint64: integers(y.pointer(UInt64.self), u.data, reduction, n, rows)
    case .uint32: integers(y.pointer(UInt32.self), u.data, reduction, n, rows)
    case .uint16: integers(y.pointer(UInt16.self), u.data, reduction, n, rows)
    case .uint8: integers(y.pointer(UInt8.self), u.data, reduction, n, rows)
    case .bool:  // add is or, mul is and
      let logic: Reduction = reduction == .add ? .max : reduction == .mul ? .min : reduction
      integers(y.pointer(UInt8.self), u.data, logic, n, rows)
    default: throw SwiftletError(.unsupported, "the reduction \(reduction.rawValue) of \(y.type.name)")
    }
  }
  private static func floats<T: BinaryFloatingPoint & BitwiseCopyable>(
    _ y: UnsafeMutablePointer<T>, _ u: UnsafeRawPointer, _ reduction: Reduction, _ n: Int, _ rows: [Int64]
  ) {
    switch reduction {
    case .add: each(y, u, n, rows) { $0 + $1 }
    case .mul: each(y, u, n, rows) { $0 * $1 }
    case .max: each(y, u, n, rows) { $0.isNaN || $0 >= $1 ? $0 : $1 }
    case .min: each(y, u, n, rows) { $0.isNaN || $0 <= $1 ? $0 : $1 }
    case .none: each(y, u, n, rows) { $1 }
    }
  }
  private static func integers<T: FixedWidthInteger & BitwiseCopyable>(
    _ y: UnsafeMutablePointer<T>, _ u: UnsafeRawPointer, _ reduction: Reduction, _ n: Int, _ rows: [Int64]
  ) {
    switch reduction {
    case .add: each(y, u, n, rows) { $0 &+ $1 }
    case .mul: each(y, u, n, rows) { $0 &* $1 }
    case .max: each(y, u, n, rows) { max($0, $1) }
    case .min: each(y, u, n, rows) { min($0, $1) }
    case .none: each(y, u, n, rows) { $1 }
    }
  }
  @inline(__always)
  private static func each<T: BitwiseCopyable>(
    _ y: UnsafeMutablePointer<T>, _ u: UnsafeRawPointer, _ n: Int, _ rows: [Int64], _ f: (T, T) -> T
  ) {
    for (i, row) in rows.enumerated() {
      let to = y + Int(row) * n
      for k in 0..<n { to[k] = f(to[k], u.loadUnaligned(fromByteOffset: (i * n + k) * MemoryLayout<T>.size, as: T.self)) }
    }
  }
}
