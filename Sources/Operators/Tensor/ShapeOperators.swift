import Tensors

/// Shape (or a part of it) and Size.
enum ShapeOperators {
  static let definitions = [shape, size]

  /// `start` and `end` count from the back when negative, and are clamped to the rank.
  private static func range(_ c: some NodeReading, rank: Int) throws -> Range<Int> {
    func clamped(_ i: Int) -> Int { min(max(i < 0 ? i &+ rank : i, 0), rank) }
    let start = try clamped(c.int("start"))
    return try start..<max(start, clamped(c.optionalInt("end") ?? rank))
  }

  private static let shape = OperatorDefinition(
    "Shape", since: [1, 13, 15, 19, 21, 23, 24, 25], inputs: [.required("data", "T")], outputs: [.required("shape", "T1")],
    types: ["T": .tensors, "T1": .int64], attributes: [.int("start", 0), .int("end")], takesHalf: true,
    exactness: .exact,
    infer: { c in
      guard let x = c.shape(0) else { return c.set(0, .int64, [.unknown]) }
      let part = try Array(x[range(c, rank: x.count)])
      c.set(0, .int64, [part.count])
      try c.setShapeData(0, .int64, [part.count], part)
    },
    kernel: { c in
      { r in
        let x = try r.input(0)
        let part = try x.shape[range(c, rank: x.rank)]
        let y = try r.output(0, .int64, [part.count])
        for (i, d) in part.enumerated() { y.pointer(Int64.self)[i] = Int64(d) }
      }
    })

  private static let size = OperatorDefinition(
    "Size", since: [1, 13, 19, 21, 23, 24, 25], inputs: [.required("data", "T")], outputs: [.required("size", "T1")],
    types: ["T": .tensors, "T1": .int64], takesHalf: true, exactness: .exact,
    infer: { c in
      c.set(0, .int64, [] as [Int])
      if let n = c.shape(0)?.product { try c.setShapeData(0, .int64, [], [n]) }
    },
    kernel: { _ in
      { r in try r.output(0, .int64, []).pointer(Int64.self)[0] = Int64(r.input(0).count) }
    })
}
