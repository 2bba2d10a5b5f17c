import Kernels
import Tensors

/// CropAndResize (com.microsoft): boxes [y1, x1, y2, x2] (0 to 1, of images [N, C, H, W]) brought to one size.
enum CropAndResize {
  static let definitions = [
    OperatorDefinition(
      "CropAndResize", domain: "com.microsoft", since: [1],
      inputs: [
        .required("X", "T1"), .required("rois", "T1"), .required("batch_indices", "T2"), .required("crop_size", "T2"),
      ],
      outputs: [.required("Y", "T1")], types: ["T1": TypeSet(.float, .float16, .double), "T2": TypeSet(.int32)],
      attributes: [.string("mode", "bilinear"), .float("extrapolation_value", 0)],
      infer: { c in
        let x = try c.shape(0, rank: 4), boxes = try c.shape(1, rank: 2)
        let size = try c.constantInts(3)
        try checkShape(size.map { $0.count == 2 } ?? true, "crop_size has \(size?.count ?? 0) elements")
        guard size?.allSatisfy({ $0 > 0 }) ?? true else { throw SwiftletError(.runtime, "crop_size is \(size ?? [])") }
        c.set(0, c.elementType(0), [boxes?[0] ?? .unknown, x?[1] ?? .unknown] + (size ?? []).map { .known($0) }
          + (size == nil ? [.unknown, .unknown] : []))
      },
      kernel: { c in
        let mode = try c.string("mode"), outside = Double(try c.float("extrapolation_value"))
        try checkModel(mode == "bilinear" || mode == "nearest", "mode is '\(mode)'")
        return { r in
          let type = try r.input(0).type
          try dispatch(
            type, float: { try run(r, Float.self, isNearest: mode == "nearest", outside: Float(outside)) },
            double: { try run(r, Double.self, isNearest: mode == "nearest", outside: outside) })
        }
      })
  ]

  /// Where a row or column of the crop is taken from; nil: outside the image.
  private struct Place<S: KernelScalar> {
    let low: Int
    let high: Int
    let part: S

    static func all(_ from: S, _ to: S, size: Int, count: Int, isNearest: Bool) -> [Place?] {
      let last = S(size - 1), step = count > 1 ? (to - from) * last / S(count - 1) : 0
      return (0..<count).map { i in
        let at = count > 1 ? from * last + S(i) * step : (from + to) * last / 2
        guard at >= 0, at <= last else { return nil }
        // The last position may have been rounded up.
        func index(_ x: S) -> Int { min(Int(x), size - 1) }
        if isNearest {
          let nearest = index(at.rounded())
          return Place(low: nearest, high: nearest, part: 0)
        }
        return Place(low: index(at.rounded(.down)), high: index(at.rounded(.up)), part: at - at.rounded(.down))
      }
    }
  }

  private static func run<S: KernelScalar>(_ r: RunContext, _: S.Type, isNearest: Bool, outside: S) throws {
    let x = try r.input(0), boxes = try r.input(1), images = try r.input(2).ints(), y = try r.output(0)
    let (n, channels, height, width) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    try checkShape(boxes.shape == [images.count, 4], "\(images.count) batch_indices for rois of \(boxes.shape)")
    for i in images where i < 0 || i >= n { throw SwiftletError(.runtime, "batch index \(i) of \(n)") }
    let (rows, columns) = (y.shape[2], y.shape[3])
    guard y.count > 0 else { return }
    r.pool.parallel(over: images.count, grain: 1) { range in
      for box in range {
        let b = boxes.pointer(S.self) + box * 4
        let down = Place.all(b[0], b[2], size: height, count: rows, isNearest: isNearest)
        let across = Place.all(b[1], b[3], size: width, count: columns, isNearest: isNearest)
        for channel in 0..<channels {
          let plane = x.pointer(S.self) + (images[box] * channels + channel) * height * width
          let out = y.pointer(S.self) + (box * channels + channel) * rows * columns
          for (i, v) in down.enumerated() {
            for (j, h) in across.enumerated() {
              guard let v, let h else {
                out[i * columns + j] = outside
                continue
              }
              let top = plane + v.low * width, bottom = plane + v.high * width
              let above = top[h.low] + (top[h.high] - top[h.low]) * h.part
              let below = bottom[h.low] + (bottom[h.high] - bottom[h.low]) * h.part
              out[i * columns + j] = above + (below - above) * v.part
            }
          }
        }
      }
    }
  }
}
