import Kernels
import Tensors

/// Transpose: axes in another order; reversed when `perm` isn't given.
enum TransposeOperator {
  static let definitions = [
    OperatorDefinition(
      "Transpose", since: [1, 13, 21, 23, 24, 25], inputs: [.required("data", "T")],
      outputs: [.required("transposed", "T")], types: ["T": .tensors], attributes: [.ints("perm")], takesHalf: true,
      exactness: .exact,
      infer: { c in
        guard let x = c.shape(0) else {
          return c.set(0, c.elementType(0), try c.optionalInts("perm").map { $0.map { _ in Dimension.unknown } })
        }
        c.set(0, c.elementType(0), try permutation(c, x.count).map { x[$0] })
      },
      kernel: { c in
        { r in
          let x = try r.input(0)
          let perm = try permutation(c, x.rank)
          try Movement.run(r, [x], perm.map { x.shape[$0] }) { from, to, size in
            try StridedCopy.transpose(from[0], x.shape, perm: perm, to: to, elementSize: size, pool: r.pool)
          }
        }
      })
  ]

  private static func permutation(_ c: some NodeReading, _ rank: Int) throws -> [Int] {
    guard let perm = try c.optionalInts("perm") else { return (0..<rank).reversed() }
    let resolved = try perm.map { try Checked.axis($0, rank: rank, "perm") }
    guard resolved.sorted() == Array(0..<rank) else {
      throw SwiftletError(.invalidModel, "perm \(perm) is no permutation of \(rank) axes")
    }
    return resolved
  }
}
