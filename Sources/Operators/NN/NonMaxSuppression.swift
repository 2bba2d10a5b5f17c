import Kernels
import Tensors

/// NonMaxSuppression: for each image and class the best boxes that don't overlap, as [image, class, box].
enum NonMaxSuppression {
  static let definitions = [
    OperatorDefinition(
      "NonMaxSuppression", since: [10, 11],
      inputs: [
        .required("boxes", "F"), .required("scores", "F"), .optional("max_output_boxes_per_class", "I"),
        .optional("iou_threshold", "F"), .optional("score_threshold", "F"),
      ],
      outputs: [.required("selected_indices", "I")], types: ["F": TypeSet(.float), "I": .int64],
      attributes: [.int("center_point_box", 0)], exactness: .exact,
      infer: { c in
        let boxes = try c.shape(0, rank: 3), scores = try c.shape(1, rank: 3)
        if let boxes, let scores {
          _ = try c.same(boxes[0], scores[0], "the batch of boxes and scores")
          _ = try c.same(boxes[1], scores[2], "the number of boxes and scores")
          _ = try c.same(boxes[2], .known(4), "boxes")
        }
        c.set(0, .int64, [.unknown, .known(3)])
      },
      kernel: { c in
        let isCentered = try c.bool("center_point_box")
        return { try run($0, isCentered) }
      })
  ]

  private struct Box {
    var low: (Float, Float)
    var high: (Float, Float)
    var area: Float

    init(_ p: UnsafePointer<Float>, isCentered: Bool) {
      if isCentered {
        low = (p[1] - p[3] / 2, p[0] - p[2] / 2)
        high = (p[1] + p[3] / 2, p[0] + p[2] / 2)
      } else {
        low = (min(p[0], p[2]), min(p[1], p[3]))
        high = (max(p[0], p[2]), max(p[1], p[3]))
      }
      area = (high.0 - low.0) * (high.1 - low.1)
    }

    func overlaps(_ b: Box, beyond threshold: Float) -> Bool {
      let height = min(high.0, b.high.0) - max(low.0, b.low.0), width = min(high.1, b.high.1) - max(low.1, b.low.1)
      guard height > 0, width > 0, area > 0, b.area > 0 else { return false }
      let intersection = height * width, union = area + b.area - intersection
      return union > 0 && intersection / union > threshold
    }
  }

  private static func run(_ r: RunContext, _ isCentered: Bool) throws {
    let boxes = try r.input(0), scores = try r.input(1)
    let limit = try r.optionalInput(2)?.int() ?? 0
    let iou = Float(try r.optionalInput(3)?.scalar() ?? 0)
    let threshold = try r.optionalInput(4).map { Float(try $0.scalar()) }
    guard iou >= 0, iou <= 1 else { throw SwiftletError(.runtime, "iou_threshold is \(iou)") }
    try checkShape(
      boxes.rank == 3 && scores.rank == 3 && boxes.shape[0] == scores.shape[0] && boxes.shape[1] == scores.shape[2]
        && boxes.shape[2] == 4, "boxes have the shape \(boxes.shape), scores \(scores.shape)")
    let (images, classes, n) = (scores.shape[0], scores.shape[1], scores.shape[2])
    var selected: [Int64] = []
    for image in 0..<(limit > 0 ? images : 0) {
      let all = (0..<n).map { Box(boxes.pointer(Float.self) + (image * n + $0) * 4, isCentered: isCentered) }
      for c in 0..<classes {
        try r.checkCancelled()
        let s = scores.pointer(Float.self) + (image * classes + c) * n
        var order = threshold.map { t in (0..<n).filter { s[$0] > t } } ?? Array(0..<n)
        order.sort { s[$0] != s[$1] ? s[$0] > s[$1] : $0 < $1 }
        var kept: [Box] = []
        for i in order where kept.count < limit {
          if kept.contains(where: { $0.overlaps(all[i], beyond: iou) }) { continue }
          kept.append(all[i])
          selected += [Int64(image), Int64(c), Int64(i)]
        }
      }
    }
    let out = try r.output(0, .int64, [selected.count / 3, 3])
    for (i, v) in selected.enumerated() { out.pointer(Int64.self)[i] = v }
  }
}
