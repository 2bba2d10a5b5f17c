import Kernels
import Tensors

/// CenterCropPad: cuts dimensions down around their middle, or fills them up with zeros on both sides.
enum CenterCropPad {
  static let definitions = [
    OperatorDefinition(
      "CenterCropPad", since: [18], inputs: [.required("input_data", "T"), .required("shape", "Tind")],
      outputs: [.required("output_data", "T")],
      types: ["T": [.numeric, .bool, .complex, .string], "Tind": .indices], attributes: [.ints("axes")], takesHalf: true, exactness: .exact,
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
      }, kernel: { c in { try run($0, c) } })
  ]

  private static func axes(_ c: some NodeReading, _ rank: Int) throws -> [Int] {
    try c.optionalInts("axes")?.map { try Checked.axis($0, rank: rank) } ?? Array(0..<rank)
  }

  private static func run(_ r: RunContext, _ c: KernelContext) throws {
    let x = try r.input(0)
    let sizes = try r.input(1).ints(), axes = try axes(c, x.rank)
    let fits = sizes.count == axes.count && sizes.allSatisfy { $0 >= 0 }
    try checkShape(fits, "the sizes \(sizes) for \(axes.count) axes")
    var target = x.shape
    for (a, n) in zip(axes, sizes) { target[a] = n }
    let count = try Checked.count(target)
    let from = Broadcast.strides(of: x.shape), to = Broadcast.strides(of: target)
    var common = x.shape, start = 0, place = 0
    for d in 0..<x.rank {
      common[d] = min(x.shape[d], target[d])
      start += max(0, x.shape[d] - target[d]) / 2 * from[d]
      place += max(0, target[d] - x.shape[d]) / 2 * to[d]
    }
    try Movement.run(r, [x, PadOperator.zero(r, x.type, 0)], target) { source, out, size in
      if common != target { try StridedCopy.fill(out, with: source[1], count, elementSize: size, pool: r.pool) }
      guard !common.contains(0) else { return }
      try StridedCopy.apply(
        out + place * size, to, source[0] + start * size, from, shape: common, elementSize: size, pool: r.pool)
    }
  }
}
