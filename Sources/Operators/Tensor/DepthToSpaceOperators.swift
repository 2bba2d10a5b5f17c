import Kernels
import Tensors

/// Blocks of pixels from channels (DepthToSpace) and back (SpaceToDepth), NCHW: transpositions of six axes.
enum DepthToSpaceOperators {
  static let definitions = [toSpace, toDepth]

  private static func definition(
    _ name: String, since: [Int], modes: Bool, shape: @escaping @Sendable (SymbolicShape, Int) throws -> SymbolicShape,
    axes: @escaping @Sendable (_ x: [Int], _ y: [Int], _ block: Int, _ mode: String) -> (shape: [Int], perm: [Int])
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, since: since, inputs: [.required("input", "T")], outputs: [.required("output", "T")], types: ["T": .tensors],
      attributes: [.required(.int, "blocksize")] + (modes ? [.string("mode", "DCR")] : []), takesHalf: true,
      exactness: .exact,
      infer: { c in
        let block = try block(c)
        guard let x = c.shape(0) else { return c.set(0, c.elementType(0), nil) }
        guard x.count == 4 else { throw SwiftletError(.shape, "four dimensions are due, not \(x)") }
        c.set(0, c.elementType(0), try shape(x, block))
      },
      kernel: { c in
        let block = try block(c)
        let mode = try c.optionalString("mode") ?? "DCR"
        guard mode == "DCR" || mode == "CRD" else { throw SwiftletError(.invalidModel, "the mode '\(mode)'") }
        return { r in
          let x = try r.input(0)
          guard x.rank == 4, let y = try shape(SymbolicShape(x.shape), block).known else {
            throw SwiftletError(.shape, "four dimensions are due, not \(x.shape)")
          }
          let view = axes(x.shape, y, block, mode)
          try Movement.run(r, [x], y) { from, to, size in
            try StridedCopy.transpose(from[0], view.shape, perm: view.perm, to: to, elementSize: size, pool: r.pool)
          }
        }
      })
  }
  private static func block(_ c: some NodeReading) throws -> Int {
    let b = try c.int("blocksize")
    guard b > 0, b < 1 << 30 else { throw SwiftletError(.invalidModel, "blocksize \(b)") }
    return b
  }
  private static func divided(_ d: Dimension, _ n: Int) throws -> Dimension {
    try d.map {
      guard $0 % n == 0 else { throw SwiftletError(.shape, "\($0) is no multiple of \(n)") }
      return $0 / n
    }
  }

  private static let toSpace = definition(
    "DepthToSpace", since: [1, 11, 13, 28], modes: true,
    shape: { x, b in [x[0], try divided(x[1], b * b), x[2] * .known(b), x[3] * .known(b)] },
    axes: { x, y, b, mode in
      mode == "DCR"
        ? ([x[0], b, b, y[1], x[2], x[3]], [0, 3, 4, 1, 5, 2]) : ([x[0], y[1], b, b, x[2], x[3]], [0, 1, 4, 2, 5, 3])
    })
  private static let toDepth = definition(
    "SpaceToDepth", since: [1, 13, 28], modes: true,
    shape: { x, b in [x[0], x[1] * .known(b * b), try divided(x[2], b), try divided(x[3], b)] },
    axes: { x, y, b, mode in
      ([x[0], x[1], y[2], b, y[3], b], mode == "DCR" ? [0, 3, 5, 1, 2, 4] : [0, 1, 3, 5, 2, 4])
    })
}
