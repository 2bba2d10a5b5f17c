import Kernels
import Tensors

/// OneHot: a new axis of `depth` with the on-value at each index; indices outside [-depth, depth) set nothing.
enum OneHotOperator {
  static let definitions = [
    OperatorDefinition(
      "OneHot", since: [9, 11, 28], inputs: [.required("indices", "T1"), .required("depth", "T2"), .required("values", "T3")],
      outputs: [.required("output", "T3")], types: ["T1": .numeric, "T2": .numeric, "T3": .tensors],
      attributes: [.int("axis", -1)], takesHalf: true, exactness: .exact,
      infer: { c in
        guard var shape = c.shape(0) else { return c.set(0, c.elementType(2), nil) }
        let axis = try Checked.axis(c.int("axis"), rank: shape.count + 1)
        let size = try c.constant(1).map { Dimension.known(try depth($0)) } ?? c.dimensions(1)?.first
        shape.insert(size ?? .unknown, at: axis)
        c.set(0, c.elementType(2), shape)
      },
      kernel: { c in
        let axis = try c.int("axis")
        return { r in
          let x = try r.input(0)
          let depth = try Self.depth(r.input(1))
          let values = try r.input(2)
          guard values.shape == [2] else { throw SwiftletError(.shape, "values must be [off, on], not \(values.shape)") }
          let axis = try Checked.axis(axis, rank: x.rank + 1)
          var shape = x.shape
          shape.insert(depth, at: axis)
          let indices = try Self.indices(x)
          let inner = try Checked.count(Array(x.shape[axis...]))
          let count = try Checked.count(shape)
          try Movement.run(r, [values], shape) { from, to, size in
            try StridedCopy.fill(to, with: from[0], count, elementSize: size, pool: r.pool)
            for (i, index) in indices.enumerated() where index >= -depth && index < depth {
              let at = ((i / inner) * depth + (index < 0 ? index + depth : index)) * inner + i % inner
              (to + at * size).copyMemory(from: from[0] + size, byteCount: size)
            }
          }
        }
      })
  ]

  /// As integers; what is too great for one is out of range too.
  private static func indices(_ x: Tensor) throws -> [Int] {
    if x.type == .uint64 { return x.elements(UInt64.self).map { Int(clamping: $0) } }
    return try x.type.isInteger ? x.ints() : x.doubles().map { try Checked.int($0, "an index") }
  }

  private static func depth(_ t: Tensor) throws -> Int {
    let n = try t.type.isInteger ? t.int() : Checked.int(t.scalar(), "depth")
    guard n >= 0 else { throw SwiftletError(.runtime, "depth is \(n)") }
    return n
  }
}
