import Kernels
import Tensors

/// AffineGrid: the places for GridSample that affine transforms give to a regular grid, in 2 or 3 dimensions.
enum AffineGrid {
  static let definitions = [
    OperatorDefinition(
      "AffineGrid", since: [20], inputs: [.required("theta", "T1"), .required("size", "T2")], outputs: [.required("grid", "T1")],
      types: ["T1": .floats, "T2": .int64], attributes: [.int("align_corners", 0)],
      infer: { c in
        let theta = try c.shape(0, rank: 3)
        guard let size = try c.dimensions(1) else { return c.set(0, c.elementType(0), nil) }
        try checkShape(size.count == 4 || size.count == 5, "size must have 4 or 5 elements")
        let rank = size.count - 2
        if let theta { _ = try (c.same(theta[1], .known(rank), "theta"), c.same(theta[2], .known(rank + 1), "theta")) }
        for d in size { if let n = d.value { try checkShape(n >= 0, "a size of \(n)") } }
        c.set(0, c.elementType(0), [size[0]] + size[2...] + [.known(rank)])
      },
      kernel: { c in
        let alignCorners = try c.bool("align_corners")
        return { r in try dispatch(r.input(0).type, float: { try run(r, Float.self, alignCorners) }, double: { try run(r, Double.self, alignCorners) }) }
      })
  ]

  private static func run<S: KernelScalar>(_ r: RunContext, _: S.Type, _ alignCorners: Bool) throws {
    let theta = try r.input(0), y = try r.output(0)
    let sizes = Array(y.shape[1..<y.rank - 1]), rank = sizes.count, points = sizes.reduce(1, *)
    try checkShape(theta.shape == [y.shape[0], rank, rank + 1], "theta has the shape \(theta.shape)")
    func coordinate(_ i: Int, _ n: Int) -> Double {
      if alignCorners { return n == 1 ? -1 : -1 + 2 * Double(i) / Double(n - 1) }
      return -1 + (2 * Double(i) + 1) / Double(n)
    }
    try Rows.parallel(y.shape[0] * points, 16, r.pool) { range in
      var place = [Double](repeating: 1, count: rank + 1)
      for k in range {
        var rest = k % points
        // The innermost dimension's coordinate comes first.
        for d in (0..<rank).reversed() {
          place[rank - 1 - d] = coordinate(rest % sizes[d], sizes[d])
          rest /= sizes[d]
        }
        let m = theta.pointer(S.self) + k / points * rank * (rank + 1)
        for i in 0..<rank {
          var sum = 0.0
          for j in 0...rank { sum += Double(m[i * (rank + 1) + j]) * place[j] }
          y.pointer(S.self)[k * rank + i] = S(sum)
        }
      }
    }
  }
}
