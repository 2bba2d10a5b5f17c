import Kernels
import Tensors

/// CenterCropPad: cuts dimensions down around their middle, or fills them up with zeros on both sides.
enum CenterCropPad {
  static let definitions = [
    OperatorDefinition(
      "CenterCropPad", since: [18], inputs: [.required("input_data", "T"), .required("shape", "Tind")],
      outputs: [.required("output_data", "T")], types: ["T": [.numeric, .bool, .complex], "Tind": .indices], attributes: [.ints("axes")],
      takesHalf: true, exactness: .exact,
      infer: { c in
        guard let x = c.shape(0) else { return c.set(0, c.elementType(0), nil) }
        let axes = try axes(c, x.count)
        var shape = x
        if let target = try c.dimensions(1) {
          try checkShape(target.count == axes.count, "\(target.count) sizes for \(axes.count) axes")
          for (a, d) in zip(axes, target) {
            if let n = d.value { try checkShape(n >= 0, "a size of \(n)") }
            shape[a] = d
          }
        } else {
          for a in axes { shape[a] = .unknown }
        }
        c.set(0, c.elementType(0), shape)
      }, kernel: { _ in run })
  ]

  private static func axes(_ c: some NodeReading, _ rank: Int) throws -> [Int] {
    try c.optionalInts("axes")?.map { try Checked.axis($0, rank: rank) } ?? Array(0..<rank)
  }

  @Sendable private static func run(_ r: RunContext) throws {
    let x = try r.input(0), y = try r.output(0), size = x.type.bits / 8
    y.data.initializeMemory(as: UInt8.self, repeating: 0, count: y.byteCount)
    let from = Broadcast.strides(of: x.shape), to = Broadcast.strides(of: y.shape)
    var shape = x.shape, start = 0, target = 0
    for d in 0..<x.rank {
      shape[d] = min(x.shape[d], y.shape[d])
      start += max(0, x.shape[d] - y.shape[d]) / 2 * from[d]
      target += max(0, y.shape[d] - x.shape[d]) / 2 * to[d]
    }
    guard !shape.contains(0) else { return }
    try StridedCopy.apply(y.data + target * size, to, x.data + start * size, from, shape: shape, elementSize: size, pool: r.pool)
  }
}
