import Kernels
import Tensors

/// Trilu: the upper or lower triangle of matrices. EyeLike: a diagonal of ones.
enum TriangleOperators {
  static let definitions = [trilu("", since: [14]), trilu("com.microsoft", since: [1]), eyeLike]

  private static func trilu(_ domain: String, since: [Int]) -> OperatorDefinition {
    OperatorDefinition(
      "Trilu", domain: domain, since: since, inputs: [.required("input", "T"), .optional("k", "I")], outputs: [.required("output", "T")],
      types: ["T": .tensors, "I": .int64], attributes: [.int("upper", 1)], takesHalf: true, exactness: .exact,
      infer: { c in
        if let rank = c.rank(0), rank < 2 { throw SwiftletError(.shape, "a matrix is due, not a tensor of rank \(rank)") }
        c.set(0, like: 0)
      },
      kernel: { c in
        let upper = try c.bool("upper")
        return { r in
          let x = try r.input(0)
          guard x.rank >= 2 else { throw SwiftletError(.shape, "a matrix is due, not \(x.shape)") }
          let k = try r.optionalInput(1)?.int() ?? 0, isString = x.type == .string
          let (rows, columns) = (x.shape[x.rank - 2], x.shape[x.rank - 1])
          let diagonal = min(max(k, -rows), columns)
          try Movement.run(r, [x, PadOperator.zero(r, x.type, 0)], x.shape) { source, out, size in
            if x.count == 0 { return }
            r.pool.parallel(over: x.count / columns, grain: max(1, (1 << 16) / (columns * size))) { range in
              for row in range {
                // Columns from `at` on belong to the upper triangle; the diagonal belongs to both.
                let at = row % rows + diagonal
                let cut = min(max(upper ? at : at + 1, 0), columns)
                let from = source[0] + row * columns * size, to = out + row * columns * size
                let (keep, clear) = upper ? (cut..<columns, 0..<cut) : (0..<cut, cut..<columns)
                if UnsafeRawPointer(to) != from {
                  let at = keep.lowerBound * size
                  (to + at).copyMemory(from: from + at, byteCount: keep.count * size)
                }
                if isString {
                  for i in clear { (to + i * size).copyMemory(from: source[1], byteCount: size) }
                } else {
                  let at = to + clear.lowerBound * size
                  at.initializeMemory(as: UInt8.self, repeating: 0, count: clear.count * size)
                }
              }
            }
          }
        }
      })
  }

  private static let eyeLike = OperatorDefinition(
    "EyeLike", since: [9, 22], inputs: [.required("input", "T1")], outputs: [.required("output", "T2")],
    types: ["T1": [.numeric, .bool], "T2": [.numeric, .bool]], attributes: [.int("dtype"), .int("k", 0)], takesHalf: true,
    exactness: .exact,
    infer: { c in
      if let rank = c.rank(0), rank != 2 { throw SwiftletError(.shape, "a matrix is due, not a tensor of rank \(rank)") }
      c.set(0, try c.optionalElementType("dtype") ?? c.elementType(0), c.shape(0))
    },
    kernel: { c in
      let k = try c.int("k")
      return { r in
        let y = try r.output(0)
        guard let size = y.type.size, !y.type.isComplex else { throw SwiftletError(.unsupported, "EyeLike of \(y.type.name)") }
        y.data.initializeMemory(as: UInt8.self, repeating: 0, count: y.byteCount)
        let one = try r.temporary(y.type, [])
        var value: Float = 1
        try Cast.apply(.float, &value, to: y.type, one.data, 1)
        let (rows, columns) = (y.shape[0], y.shape[1])
        for i in 0..<rows {
          let (j, overflow) = i.addingReportingOverflow(k)
          if !overflow, j >= 0, j < columns { (y.data + (i * columns + j) * size).copyMemory(from: one.data, byteCount: size) }
        }
      }
    })
}
