import Kernels
import Tensors

/// RoiAlign: pools regions of the input to one size by bilinear samples.
enum RoiAlign {
  static let definitions = [definition([10], []), definition([16, 22], [.string("coordinate_transformation_mode", "half_pixel")])]

  private static func definition(_ since: [Int], _ attributes: [AttributeSpec]) -> OperatorDefinition {
    OperatorDefinition(
      "RoiAlign", since: since, inputs: [.required("X", "T1"), .required("rois", "T1"), .required("batch_indices", "T2")],
      outputs: [.required("Y", "T1")], types: ["T1": .floats, "T2": .int64],
      attributes: attributes + [
        .string("mode", "avg"), .int("output_height", 1), .int("output_width", 1), .int("sampling_ratio", 0),
        .float("spatial_scale", 1),
      ],
      infer: { c in
        let x = try c.shape(0, rank: 4), rois = try c.shape(1, rank: 2), indices = try c.shape(2, rank: 1)
        let (h, w) = (try c.int("output_height"), try c.int("output_width"))
        try checkModel(h > 0 && w > 0, "the output's size is \(h) x \(w)")
        let n = try c.same(rois?[0] ?? .unknown, indices?[0] ?? .unknown, "rois and batch_indices")
        if let rois { _ = try c.same(rois[1], .known(4), "rois") }
        c.set(0, c.elementType(0), [n, x?[1] ?? .unknown, .known(h), .known(w)])
      },
      kernel: { c in
        let form = try Form(c)
        return { r in try dispatch(r.input(0).type, float: { try run(r, Float.self, form) }, double: { try run(r, Double.self, form) }) }
      })
  }

  private struct Form: Sendable {
    let isMax: Bool
    let scale: Double
    let ratio: Int
    let offset: Double

    init(_ c: KernelContext) throws {
      let mode = try c.string("mode")
      guard ["avg", "max"].contains(mode) else { throw SwiftletError(.invalidModel, "mode is '\(mode)'") }
      isMax = mode == "max"
      scale = Double(try c.float("spatial_scale"))
      ratio = try c.int("sampling_ratio")
      let transformation = try c.optionalString("coordinate_transformation_mode") ?? "output_half_pixel"
      guard ["half_pixel", "output_half_pixel"].contains(transformation) else {
        throw SwiftletError(.invalidModel, "coordinate_transformation_mode is '\(transformation)'")
      }
      offset = transformation == "half_pixel" ? 0.5 : 0
      try checkModel(ratio >= 0 && ratio < 1 << 16, "sampling_ratio is \(ratio)")
    }
  }

  /// The four elements around a sample along with their weights.
  private struct Sample {
    var places: (Int, Int, Int, Int) = (0, 0, 0, 0)
    var weights: (Double, Double, Double, Double) = (0, 0, 0, 0)

    init(y: Double, x: Double, height: Int, width: Int) {
      guard y >= -1, y <= Double(height), x >= -1, x <= Double(width) else { return }
      func split(_ v: Double, _ n: Int) -> (Int, Int, Double) {
        let v = max(v, 0), low = Int(v)
        return low >= n - 1 ? (n - 1, n - 1, 0) : (low, low + 1, v - Double(low))
      }
      let (y0, y1, ly) = split(y, height), (x0, x1, lx) = split(x, width)
      places = (y0 * width + x0, y0 * width + x1, y1 * width + x0, y1 * width + x1)
      weights = ((1 - ly) * (1 - lx), (1 - ly) * lx, ly * (1 - lx), ly * lx)
    }
  }

  private static func run<S: KernelScalar>(_ r: RunContext, _: S.Type, _ form: Form) throws {
    let x = try r.input(0), rois = try r.input(1), batch = try r.input(2).ints(), y = try r.output(0)
    let (images, channels, height, width) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    let (h, w) = (y.shape[2], y.shape[3])
    let regions = rois.pointer(S.self)
    guard y.count > 0 else { return }
    try checkShape(height > 0 && width > 0, "X has the shape \(x.shape)")
    for n in 0..<y.shape[0] {
      try r.checkCancelled()
      guard batch[n] >= 0, batch[n] < images else {
        throw SwiftletError(.runtime, "batch index \(batch[n]) is out of range for \(images) images")
      }
      let box = (0..<4).map { Double(regions[n * 4 + $0]) * form.scale - form.offset }
      guard box.allSatisfy(\.isFinite) else { throw SwiftletError(.runtime, "region \(n) is not finite") }
      var size = (y: box[3] - box[1], x: box[2] - box[0])
      if form.offset == 0 { size = (max(size.y, 1), max(size.x, 1)) }
      let bin = (y: size.y / Double(h), x: size.x / Double(w))
      func grid(_ bin: Double) throws -> Int { form.ratio > 0 ? form.ratio : max(0, try Checked.int(bin.rounded(.up))) }
      let (gridY, gridX) = (try grid(bin.y), try grid(bin.x))
      guard gridY < 1 << 20, gridX < 1 << 20, gridY * gridX * h * w < 1 << 26 else {
        throw SwiftletError(.limit, "region \(n) is too large: \(size.x) x \(size.y)")
      }
      var samples: [Sample] = []
      samples.reserveCapacity(h * w * gridY * gridX)
      for bin2 in 0..<h * w {
        for s in 0..<gridY * gridX {
          samples.append(
            Sample(
              y: box[1] + Double(bin2 / w) * bin.y + (Double(s / gridX) + 0.5) * bin.y / Double(gridY),
              x: box[0] + Double(bin2 % w) * bin.x + (Double(s % gridX) + 0.5) * bin.x / Double(gridX), height: height,
              width: width))
        }
      }
      let each = gridY * gridX, image = x.pointer(S.self) + batch[n] * channels * height * width
      let out = y.pointer(S.self) + n * channels * h * w
      try Rows.parallel(channels, h * w * max(each, 1) * 4, r.pool) { range in
        for c in range {
          let plane = image + c * height * width
          for b in 0..<h * w {
            var sum = 0.0, best = -Double.infinity
            for s in samples[b * each..<(b + 1) * each] {
              let v = (
                s.weights.0 * Double(plane[s.places.0]), s.weights.1 * Double(plane[s.places.1]),
                s.weights.2 * Double(plane[s.places.2]), s.weights.3 * Double(plane[s.places.3])
              )
              if form.isMax { best = max(best, max(max(v.0, v.1), max(v.2, v.3))) } else { sum += v.0 + v.1 + v.2 + v.3 }
            }
            out[c * h * w + b] = each == 0 ? 0 : S(form.isMax ? best : sum / Double(each))
          }
        }
      }
    }
  }
}
