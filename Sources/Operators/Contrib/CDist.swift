import Kernels
import Tensors

/// CDist (com.microsoft): the distances, or their squares, of all rows of A from all rows of B.
enum CDist {
  static let definitions = [
    OperatorDefinition(
      "CDist", domain: "com.microsoft", since: [1], inputs: [.required("A", "T"), .required("B", "T")],
      outputs: [.required("C", "T")], types: ["T": TypeSet(.float, .double)],
      attributes: [.string("metric", "sqeuclidean")], exactness: .accumulating,
      infer: { c in
        let a = try c.shape(0, rank: 2), b = try c.shape(1, rank: 2)
        if let a, let b { _ = try c.same(a[1], b[1], "the lengths of rows") }
        c.set(0, c.elementType(0), [a?[0] ?? .unknown, b?[0] ?? .unknown])
      },
      kernel: { c in
        let metric = try c.string("metric")
        guard metric == "euclidean" || metric == "sqeuclidean" else {
          throw SwiftletError(.unsupported, "the metric '\(metric)'")
        }
        return { r in
          let type = try r.input(0).type
          try dispatch(
            type, float: { try run(r, Float.self, isSquared: metric == "sqeuclidean") },
            double: { try run(r, Double.self, isSquared: metric == "sqeuclidean") })
        }
      })
  ]

  /// |a|^2 + |b|^2 - 2 a b, the products by the matrix kernels.
  private static func run<S: KernelScalar & SIMDScalar>(_ r: RunContext, _: S.Type, isSquared: Bool) throws {
    let a = try r.input(0), b = try r.input(1), y = try r.output(0)
    let (m, n, k) = (a.shape[0], b.shape[0], a.shape[1])
    func squares(_ t: Tensor) throws -> UnsafeMutablePointer<S> {
      let out = try r.scratch(max(t.shape[0], 1), of: S.self)
      let squared = try r.scratch(max(t.count, 1), of: S.self)
      try Binary.apply(.multiply, t.type, t.data, t.shape, t.data, t.shape, to: squared, t.shape, pool: r.pool)
      try Reduction.apply(.sum, t.type, squared, t.shape, axes: [1], to: out, pool: r.pool)
      return out
    }
    let rows = try squares(a), columns = try squares(b)
    let product = try Gemm<S>(
      m: m, n: n, k: k, a: .strided(a.pointer(S.self), rowStride: k, columnStride: 1),
      b: .strided(b.pointer(S.self), rowStride: 1, columnStride: k),
      epilogue: Epilogue(alpha: -2, rowBias: rows, columnBias: columns, activation: .clip(0, .infinity)))
    let scratch = try r.scratch(product.scratchBytes(width: r.pool.width))
    product.run(y.pointer(S.self), rowStride: n, pool: r.pool, scratch: scratch)
    if !isSquared { try Unary.apply(.sqrt, y.type, y.data, to: y.data, y.count, pool: r.pool) }
  }
}
