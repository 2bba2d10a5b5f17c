import Kernels
import Tensors

/// Softmax, LogSoftmax and Hardmax. Before version 13 the dimensions from `axis` on count as one.
enum Softmax {
  static let definitions = [
    definition("Softmax", .softmax, [1, 11], axis: 1), definition("Softmax", .softmax, [13], axis: -1),
    definition("LogSoftmax", .logSoftmax, [1, 11], axis: 1), definition("LogSoftmax", .logSoftmax, [13], axis: -1),
    definition("Hardmax", .hardmax, [1, 11], axis: 1), definition("Hardmax", .hardmax, [13], axis: -1),
  ]

  private static func definition(_ name: String, _ kind: SoftmaxKind, _ since: [Int], axis: Int) -> OperatorDefinition {
    OperatorDefinition(
      name, since: since, inputs: [.required("input", "T")], outputs: [.required("output", "T")], types: ["T": .floats],
      attributes: [.int("axis", axis)], memory: kind == .hardmax ? .fresh : .inPlace([0]), takesHalf: true,
      exactness: kind == .hardmax ? .exact : .rounding,
      infer: { c in
        if let rank = c.rank(0) { _ = try split(c, Array(repeating: 1, count: rank)) }
        c.set(0, like: 0)
      },
      kernel: { c in
        { r in
          let x = try r.input(0), y = try r.output(0)
          let (outer, n, inner) = try split(c, x.shape)
          guard x.count > 0 else { return }
          try Kernels.Softmax.apply(kind, x.type, x.data, [outer, n, inner], axis: 1, to: y.data, pool: r.pool)
        }
      })
  }

  private static func split(_ c: some NodeReading, _ shape: [Int]) throws -> (outer: Int, n: Int, inner: Int) {
    let axis = try c.int("axis"), flattens = c.version < 13
    if shape.isEmpty, axis == 0 || axis == -1 || flattens { return (1, 1, 1) }
    // The flattening forms allow axis = rank.
    let a = flattens && axis == shape.count ? axis : try Checked.axis(axis, rank: shape.count)
    let outer = try Checked.count(Array(shape[..<a]))
    if flattens { return (outer, try Checked.count(Array(shape[a...])), 1) }
    return (outer, shape[a], try Checked.count(Array(shape[(a + 1)...])))
  }
}
