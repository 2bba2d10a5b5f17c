import Kernels
import Tensors

/// MaxRoiPool: the maxima of regions [batch index, x1, y1, x2, y2], each cut into a grid of one size.
enum MaxRoiPool {
  static let definitions = [
    OperatorDefinition(
      "MaxRoiPool", since: [1, 22], inputs: [.required("X", "T"), .required("rois", "T")], outputs: [.required("Y", "T")],
      types: ["T": .floats], attributes: [.required(.ints, "pooled_shape"), .float("spatial_scale", 1)], exactness: .exact,
      infer: { c in
        let x = try c.shape(0, rank: 4), rois = try c.shape(1, rank: 2)
        let pooled = try c.ints("pooled_shape")
        try checkModel(pooled.count == 2 && pooled.allSatisfy { $0 > 0 }, "pooled_shape is \(pooled)")
        if let rois { _ = try c.same(rois[1], .known(5), "rois") }
        c.set(0, c.elementType(0), [rois?[0] ?? .unknown, x?[1] ?? .unknown, .known(pooled[0]), .known(pooled[1])])
      },
      kernel: { c in
        let scale = Double(try c.float("spatial_scale"))
        return { r in try dispatch(r.input(0).type, float: { try run(r, Float.self, scale) }, double: { try run(r, Double.self, scale) }) }
      })
  ]

  private static func run<S: KernelScalar>(_ r: RunContext, _: S.Type, _ scale: Double) throws {
    let x = try r.input(0), rois = try r.input(1), y = try r.output(0)
    let (images, channels, height, width) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    let (h, w) = (y.shape[2], y.shape[3])
    for n in 0..<y.shape[0] {
      try r.checkCancelled()
      let roi = rois.pointer(S.self) + n * 5
      let image = try Checked.int(Double(roi[0]))
      guard image >= 0, image < images else { throw SwiftletError(.runtime, "batch index \(image) is out of range") }
      let box = try (1...4).map { i -> Int in
        let v = try Checked.int((Double(roi[i]) * scale).rounded(), "a region's bound")
        guard abs(v) < 1 << 40 else { throw SwiftletError(.runtime, "a region's bound \(v)") }
        return v
      }
      let size = (y: Double(max(box[3] - box[1] + 1, 1)) / Double(h), x: Double(max(box[2] - box[0] + 1, 1)) / Double(w))
      func span(_ i: Int, _ bin: Double, _ start: Int, _ limit: Int) -> Range<Int> {
        let low = min(max(Int((Double(i) * bin).rounded(.down)) + start, 0), limit)
        return low..<max(low, min(max(Int((Double(i + 1) * bin).rounded(.up)) + start, 0), limit))
      }
      for c in 0..<channels {
        let plane = x.pointer(S.self) + (image * channels + c) * height * width
        for bin in 0..<h * w {
          let rows = span(bin / w, size.y, box[1], height), columns = span(bin % w, size.x, box[0], width)
          var best: S = rows.isEmpty || columns.isEmpty ? 0 : -.infinity
          for i in rows { for j in columns { best = max(best, plane[i * width + j]) } }
          y.pointer(S.self)[(n * channels + c) * h * w + bin] = best
        }
      }
    }
  }
}
