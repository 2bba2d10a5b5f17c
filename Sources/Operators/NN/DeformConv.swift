import Kernels
import Tensors

/// DeformConv: a convolution whose taps are moved by offsets and weighted by a mask; two dimensions. The samples are
/// gathered and multiplied with the weights.
enum DeformConv {
  static let definitions = [
    OperatorDefinition(
      "DeformConv", since: [19, 22],
      inputs: [
        .required("X", "T"), .required("W", "T"), .required("offset", "T"), .optional("B", "T"), .optional("mask", "T"),
      ],
      outputs: [.required("Y", "T")], types: ["T": .floats],
      attributes: [
        .ints("kernel_shape"), .ints("pads"), .ints("strides"), .ints("dilations"), .int("group", 1), .int("offset_group", 1),
      ],
      exactness: .accumulating, infer: { $0.set(0, $0.elementType(0), try Conv.outputShape($0, x: $0.shape(0), w: $0.shape(1))) },
      kernel: { c in
        let window = try Window(c), group = try c.int("group"), offsetGroup = try c.int("offset_group")
        try checkModel(offsetGroup > 0, "offset_group is \(offsetGroup)")
        return { r in
          try dispatch(
            r.input(0).type, float: { try run(r, Float.self, window, group, offsetGroup) },
            double: { try run(r, Double.self, window, group, offsetGroup) })
        }
      })
  ]

  private static func run<S: KernelScalar>(_ r: RunContext, _: S.Type, _ window: Window, _ group: Int, _ offsetGroups: Int) throws {
    let x = try r.input(0), w = try r.input(1), offset = try r.input(2), bias = try r.optionalInput(3)
    let mask = try r.optionalInput(4), y = try r.output(0)
    let g = try Conv.geometry(x: x.shape, w: w.shape, window, group: group)
    guard x.rank == 4 else { throw SwiftletError(.unsupported, "DeformConv in \(x.rank - 2) dimensions") }
    let (height, width) = (x.shape[2], x.shape[3]), pixels = g.outputPlane, taps = g.taps, channels = x.shape[1]
    try checkShape(
      channels % offsetGroups == 0 && offset.shape == [g.batch, offsetGroups * taps * 2] + g.output,
      "offset has the shape \(offset.shape)")
    try checkShape(mask.map { $0.shape == [g.batch, offsetGroups * taps] + g.output } ?? true, "mask has the shape \(mask?.shape ?? [])")
    try checkShape(bias.map { $0.count == g.outputChannels } ?? true, "B has the shape \(bias?.shape ?? [])")
    guard y.count > 0 else { return }
    let columns = try r.scratchTensor(x.type, [channels * taps, pixels])
    let perOffset = channels / offsetGroups, perGroup = channels / group, outPerGroup = g.outputChannels / group
    for n in 0..<g.batch {
      try r.checkCancelled()
      let image = x.pointer(S.self) + n * channels * height * width
      try Rows.parallel(offsetGroups * taps, pixels * perOffset * 4, r.pool) { range in
        for k in range {
          let tap = k % taps, og = k / taps
          let dy = offset.pointer(S.self) + ((n * offsetGroups + og) * taps + tap) * 2 * pixels, dx = dy + pixels
          let m = mask.map { $0.pointer(S.self) + ((n * offsetGroups + og) * taps + tap) * pixels }
          for p in 0..<pixels {
            let i = p / g.output[1], j = p % g.output[1]
            let top = Double(i * g.strides[0] - g.pads[0] + tap / g.kernel[1] * g.dilations[0]) + Double(dy[p])
            let left = Double(j * g.strides[1] - g.pads[1] + tap % g.kernel[1] * g.dilations[1]) + Double(dx[p])
            let sample = Sample<S>(top, left, height, width)
            for c in og * perOffset..<(og + 1) * perOffset {
              let v = sample.value(image + c * height * width)
              columns.pointer(S.self)[(c * taps + tap) * pixels + p] = m.map { $0[p] * v } ?? v
            }
          }
        }
      }
      for gi in 0..<group {
        let depth = perGroup * taps
        let gemm = try Gemm<S>(
          m: outPerGroup, n: pixels, k: depth,
          a: .strided(w.pointer(S.self) + gi * outPerGroup * depth, rowStride: depth, columnStride: 1),
          b: .strided(columns.pointer(S.self) + gi * depth * pixels, rowStride: pixels, columnStride: 1),
          epilogue: Epilogue(rowBias: bias.map { UnsafePointer($0.pointer(S.self) + gi * outPerGroup) }))
        let mark = r.environment.scratch.mark
        let scratch = try r.scratch(gemm.scratchBytes(width: r.pool.width))
        gemm.run(y.pointer(S.self) + (n * group + gi) * outPerGroup * pixels, rowStride: pixels, pool: r.pool, scratch: scratch)
        r.environment.scratch.release(to: mark)
      }
    }
  }

  /// Bilinear interpolation with zeros outside.
  private struct Sample<S: KernelScalar> {
    var places: [Int] = []
    var weights: [S] = []

    init(_ y: Double, _ x: Double, _ height: Int, _ width: Int) {
      guard y > -1, x > -1, y < Double(height), x < Double(width) else { return }
      let top = Int(y.rounded(.down)), left = Int(x.rounded(.down))
      let fy = y - Double(top), fx = x - Double(left)
      for (i, wy) in [(top, 1 - fy), (top + 1, fy)] where i >= 0 && i < height {
        for (j, wx) in [(left, 1 - fx), (left + 1, fx)] where j >= 0 && j < width {
          places.append(i * width + j)
          weights.append(S(wy * wx))
        }
      }
    }

    func value(_ plane: UnsafePointer<S>) -> S {
      var sum: S = 0
      for k in places.indices { sum += weights[k] * plane[places[k]] }
      return sum
    }
  }
}
