import Kernels
import Tensors

/// Pad: more elements (or, with negative pads, fewer) at both ends of axes: a constant, the edge, a reflection without
/// the edge, or the other end's (wrap). Pads are an attribute before version 11, an input since then.
enum PadOperator {
  static let definitions = [
    definition([1], [], [.required(.ints, "paddings"), .float("value", 0), .string("mode", "constant")]),
    definition([2], [], [.required(.ints, "pads"), .float("value", 0), .string("mode", "constant")]),
    definition(
      [11, 13, 18, 19, 21, 23, 24, 25],
      [.required("pads", "P"), .optional("constant_value", "T"), .optional("axes", "I")], [.string("mode", "constant")]),
  ]

  enum Mode: String { case constant, edge, reflect, wrap }

  private static func attribute(_ c: some NodeReading) throws -> [Int]? {
    c.version >= 11 ? nil : try c.ints(c.version == 1 ? "paddings" : "pads")
  }

  /// Pads at the beginning and at the end of every axis.
  static func pads(_ pads: [Int], axes: [Int]?, rank: Int) throws -> (begin: [Int], end: [Int]) {
    let axes = try axes.map { try $0.map { try Checked.axis($0, rank: rank) } } ?? Array(0..<rank)
    guard pads.count == 2 * axes.count, Set(axes).count == axes.count else {
      throw SwiftletError(.runtime, "\(pads.count) pads for \(axes.count) axes")
    }
    if let p = pads.first(where: { $0.magnitude > 1 << 48 }) { throw SwiftletError(.runtime, "a pad of \(p)") }
    var begin = [Int](repeating: 0, count: rank)
    var end = begin
    for (i, a) in axes.enumerated() {
      begin[a] = pads[i]
      end[a] = pads[i + axes.count]
    }
    return (begin, end)
  }

  private static func shape(_ x: [Int], _ begin: [Int], _ end: [Int]) throws -> [Int] {
    try x.indices.map { k in
      let n = try Checked.add(Checked.add(x[k], begin[k]), end[k])
      guard n >= 0 else { throw SwiftletError(.runtime, "pads \(begin[k]) and \(end[k]) take more than axis \(k) of \(x) has") }
      return n
    }
  }

  private static func definition(_ since: [Int], _ inputs: [Parameter], _ attributes: [AttributeSpec]) -> OperatorDefinition {
    OperatorDefinition(
      "Pad", since: since, inputs: [.required("data", "T")] + inputs, outputs: [.required("output", "T")],
      types: ["T": .tensors, "P": .int64, "I": .indices], attributes: attributes, takesHalf: true, exactness: .exact,
      infer: { c in
        guard let x = c.shape(0) else { return c.set(0, c.elementType(0), nil) }
        let given = try attribute(c) ?? c.constantInts(1)
        guard let given, !c.hasInput(3) || c.constant(3) != nil else {
          return c.set(0, c.elementType(0), x.map { _ in .unknown })
        }
        let (begin, end) = try pads(given, axes: c.constantInts(3), rank: x.count)
        var result = x
        for k in x.indices where begin[k] != 0 || end[k] != 0 {
          result[k] = try x[k].map { try shape([$0], [begin[k]], [end[k]])[0] }
        }
        c.set(0, c.elementType(0), result)
      },
      kernel: { c in
        guard let mode = Mode(rawValue: try c.string("mode")) else {
          throw SwiftletError(.invalidModel, "the mode '\(try c.string("mode"))'")
        }
        let attribute = try attribute(c)
        let value = c.version < 11 ? try c.float("value") : nil
        return { r in
          let x = try r.input(0)
          let (begin, end) = try pads(attribute ?? r.input(1).ints(), axes: r.optionalInput(3)?.ints(), rank: x.rank)
          let fill: Tensor
          if let given = try r.optionalInput(2), given.count > 0 {
            guard given.count == 1 else { throw SwiftletError(.shape, "constant_value has \(given.count) elements") }
            fill = given
          } else {
            fill = try zero(r, x.type, value ?? 0)
          }
          try pad(r, x, begin, end, mode, fill)
        }
      })
  }

  static func zero(_ r: RunContext, _ type: ElementType, _ value: Float) throws -> Tensor {
    if type == .string { return try Tensor(strings: [""], []) }
    let t = try r.temporary(type, [])
    if type.isComplex {
      t.data.initializeMemory(as: UInt8.self, repeating: 0, count: t.byteCount)
    } else {
      var value = value
      try Cast.apply(.float, &value, to: type, t.data, 1)
    }
    return t
  }

  private static func pad(_ r: RunContext, _ x: Tensor, _ begin: [Int], _ end: [Int], _ mode: Mode, _ fill: Tensor) throws {
    let shape = try shape(x.shape, begin, end)
    // What remains of the input, after negative pads.
    let from = begin.map { max(0, -$0) }
    let inner = x.shape.indices.map { max(0, x.shape[$0] - from[$0] - max(0, -end[$0])) }
    let outStrides = Broadcast.strides(of: shape)
    let inStrides = Broadcast.strides(of: x.shape)
    func dot(_ a: [Int], _ b: [Int]) -> Int { zip(a, b).reduce(0) { $0 &+ $1.0 &* $1.1 } }
    let first = begin.map { max(0, $0) }
    let count = try Checked.count(shape)
    if count == 0 { return try Movement.run(r, [x], shape) { _, _, _ in } }
    try Movement.run(r, [x, fill], shape) { source, to, size in
      if mode == .constant, inner != shape {
        try StridedCopy.fill(to, with: source[1], count, elementSize: size, pool: r.pool)
      }
      if try Checked.count(inner) > 0 {
        try StridedCopy.apply(
          to + dot(first, outStrides) &* size, outStrides, source[0] + dot(from, inStrides) &* size, inStrides,
          shape: inner, elementSize: size, pool: r.pool)
      }
      if mode == .constant { return }
      // Axis by axis, slabs of what stands already.
      for k in shape.indices where shape[k] > inner[k] {
        guard inner[k] > 0 else { throw SwiftletError(.runtime, "axis \(k) of \(x.shape) has nothing to pad with") }
        let slab = shape.indices.map { $0 < k ? shape[$0] : $0 == k ? 1 : inner[$0] }
        let base = dot(shape.indices.map { $0 > k ? first[$0] : 0 }, outStrides)
        for i in 0..<shape[k] where i < first[k] || i >= first[k] + inner[k] {
          let origin = first[k] + mapped(i - first[k], inner[k], mode)
          try StridedCopy.apply(
            to + (base &+ i &* outStrides[k]) &* size, outStrides, to + (base &+ origin &* outStrides[k]) &* size,
            outStrides, shape: slab, elementSize: size, pool: r.pool)
        }
      }
    }
  }

  /// Which of `n` elements stands at position `i` outside.
  private static func mapped(_ i: Int, _ n: Int, _ mode: Mode) -> Int {
    switch mode {
    case .constant: return 0
    case .edge: return min(max(i, 0), n - 1)
    case .wrap: return (i % n + n) % n
    case .reflect:
      if n == 1 { return 0 }
      let period = 2 * (n - 1)
      let j = (i % period + period) % period
      return j < n ? j : period - j
    }
  }
}
