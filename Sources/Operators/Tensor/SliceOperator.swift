import Kernels
import Tensors

/// Slice: from start to end with a step, along some axes. Attributes before version 10 (without steps), inputs since then.
enum SliceOperator {
  static let definitions = [
    definition([1], [], [.required(.ints, "starts"), .required(.ints, "ends"), .ints("axes")]),
    definition(
      [10, 11, 13],
      [.required("starts", "I"), .required("ends", "I"), .optional("axes", "I"), .optional("steps", "I")], []),
  ]

  /// What is taken of one axis.
  struct Part {
    var start: Int
    var step: Int
    var count: Int
  }

  private struct Bounds {
    var starts: [Int]?
    var ends: [Int]?
    var axes: [Int]?
    var steps: [Int]?

    /// Resolved axes; `n` bounds, a tensor of `rank`.
    func axes(_ n: Int, rank: Int) throws -> [Int] {
      guard axes.map({ $0.count == n }) ?? (n <= rank) else {
        throw SwiftletError(.runtime, "Slice: \(n) bounds for \(axes?.count ?? rank) axes")
      }
      let resolved = try (axes ?? Array(0..<n)).map { try Checked.axis($0, rank: rank) }
      guard Set(resolved).count == n else { throw SwiftletError(.runtime, "Slice: an axis is named twice in \(axes ?? [])") }
      return resolved
    }
  }

  /// NumPy's rules: bounds are clamped, negative ones count from the end.
  static func part(_ start: Int, _ end: Int, _ step: Int, length: Int) throws -> Part {
    guard step != 0, step != .min else { throw SwiftletError(.runtime, "Slice: a step of \(step)") }
    func resolved(_ i: Int, _ low: Int, _ high: Int) -> Int { min(max(i < 0 ? i &+ length : i, low), high) }
    if step > 0 {
      let s = resolved(start, 0, length)
      let e = resolved(end, 0, length)
      return Part(start: s, step: step, count: e > s ? (e - s - 1) / step + 1 : 0)
    }
    let s = resolved(start, 0, length - 1)
    let e = resolved(end, -1, length - 1)
    return Part(start: s, step: step, count: s > e && length > 0 ? (s - e - 1) / -step + 1 : 0)
  }

  private static func parts(_ b: Bounds, _ shape: [Int]) throws -> [Part] {
    guard let starts = b.starts, let ends = b.ends, starts.count == ends.count,
      b.steps.map({ $0.count == starts.count }) ?? true
    else { throw SwiftletError(.runtime, "Slice: starts, ends and steps differ in number") }
    var parts = shape.map { Part(start: 0, step: 1, count: $0) }
    for (i, axis) in try b.axes(starts.count, rank: shape.count).enumerated() {
      parts[axis] = try part(starts[i], ends[i], b.steps?[i] ?? 1, length: shape[axis])
    }
    return parts
  }

  private static func definition(_ since: [Int], _ inputs: [Parameter], _ attributes: [AttributeSpec]) -> OperatorDefinition {
    OperatorDefinition(
      "Slice", since: since, inputs: [.required("data", "T")] + inputs, outputs: [.required("output", "T")],
      types: ["T": .tensors, "I": .indices], attributes: attributes, takesHalf: true, exactness: .exact,
      infer: infer,
      kernel: { c in
        let attributes =
          c.version < 10 ? Bounds(starts: try c.ints("starts"), ends: try c.ints("ends"), axes: try c.optionalInts("axes")) : nil
        return { r in
          let x = try r.input(0)
          let bounds = try attributes ?? Bounds(
            starts: r.input(1).ints(), ends: r.input(2).ints(), axes: r.optionalInput(3)?.ints(),
            steps: r.optionalInput(4)?.ints())
          let parts = try parts(bounds, x.shape)
          let strides = Broadcast.strides(of: x.shape)
          var offset = 0
          for (p, s) in zip(parts, strides) where p.count > 0 { offset &+= p.start &* s }
          let shape = parts.map(\.count)
          try Movement.run(r, [x], shape) { from, to, size in
            try StridedCopy.apply(
              to, Broadcast.strides(of: shape), from[0] + offset &* size, zip(parts, strides).map { $0.step &* $1 },
              shape: shape, elementSize: size, pool: r.pool)
          }
        }
      })
  }

  @Sendable private static func infer(_ c: InferenceContext) throws {
    guard let x = c.shape(0) else { return c.set(0, c.elementType(0), nil) }
    var b = Bounds()
    var starts: [Dimension]?
    var ends: [Dimension]?
    if c.version < 10 {
      starts = try SymbolicShape(c.ints("starts"))
      ends = try SymbolicShape(c.ints("ends"))
      b.axes = try c.optionalInts("axes")
    } else {
      starts = try c.dimensions(1)
      ends = try c.dimensions(2)
      b.axes = try c.constantInts(3)
      b.steps = try c.constantInts(4)
    }
    let n = starts?.count ?? ends?.count ?? b.axes?.count ?? b.steps?.count ?? c.knownShape(1)?.first
    guard let n, !c.hasInput(3) || b.axes != nil else {
      return c.set(0, c.elementType(0), x.map { _ in .unknown })
    }
    var result = x
    for (i, axis) in try b.axes(n, rank: x.count).enumerated() {
      let d = x[axis]
      result[axis] = .unknown
      guard !c.hasInput(4) || b.steps != nil, let starts, let ends, i < starts.count, i < ends.count else { continue }
      if let steps = b.steps, i >= steps.count { throw SwiftletError(.runtime, "Slice: \(steps.count) steps for \(n) axes") }
      let step = b.steps?[i] ?? 1
      switch (d, starts[i], ends[i]) {
      case (.known(let length), .known(let s), .known(let e)):
        result[axis] = .known(try part(s, e, step, length: length).count)
      case (_, .known(0), .known(let e)) where e >= Int(Int32.max) && step == 1: result[axis] = d
      case (_, .known(0), let e) where e == d && step == 1 && d != .unknown: result[axis] = d
      // From a to b of at least b elements isn't known to be so long; only the full axis is.
      default: break
      }
    }
    c.set(0, c.elementType(0), result)
    // Shape computations: a part of a vector of dimensions.
    if x.count == 1, let data = try c.shapeData([0])?.first, let s = starts?.known?.first, let e = ends?.known?.first,
      !c.hasInput(4) || b.steps != nil
    {
      let p = try part(s, e, b.steps?.first ?? 1, length: data.count)
      try c.setShapeData(0, c.elementType(0), [p.count], (0..<p.count).map { data[p.start + $0 * p.step] })
    }
  }
}
