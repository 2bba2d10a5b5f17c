import Kernels
import Tensors

/// Inverse (com.microsoft): of the matrices in the last two dimensions, by elimination with pivots.
enum Inverse {
  static let definitions = [
    OperatorDefinition(
      "Inverse", domain: "com.microsoft", since: [1], inputs: [.required("X", "T")], outputs: [.required("Y", "T")],
      types: ["T": TypeSet(.float, .double, .float16)], exactness: .accumulating,
      infer: { c in
        if let x = try c.shape(0, ranks: 2...) { _ = try c.same(x[x.count - 1], x[x.count - 2], "a matrix's sides") }
        c.set(0, like: 0)
      },
      kernel: { _ in
        { r in
          let type = try r.input(0).type
          try dispatch(type, float: { try run(r, Float.self) }, double: { try run(r, Double.self) })
        }
      })
  ]

  private static func run<S: KernelScalar>(_ r: RunContext, _: S.Type) throws {
    let x = try r.input(0), y = try r.output(0), n = x.shape[x.rank - 1]
    guard x.count > 0 else { return }
    let failure = FirstError(), size = n * n
    let work = try r.scratch(Checked.multiply(r.pool.width, Checked.multiply(2, size)), of: Double.self)
    r.pool.parallel(x.count / size) { matrix, worker in
      failure.catching {
        let a = work + worker * 2 * size, b = a + size
        let from = x.pointer(S.self) + matrix * size, to = y.pointer(S.self) + matrix * size
        for i in 0..<size { (a[i], b[i]) = (Double(from[i]), i / n == i % n ? 1 : 0) }
        try invert(a, b, n)
        for i in 0..<size { to[i] = S(b[i]) }
      }
    }
    try failure.rethrow()
  }

  /// Makes `a` the identity, and of `b`, which was that, the inverse.
  private static func invert(_ a: UnsafeMutablePointer<Double>, _ b: UnsafeMutablePointer<Double>, _ n: Int) throws {
    for k in 0..<n {
      var pivot = k
      for row in k..<n where abs(a[row * n + k]) > abs(a[pivot * n + k]) { pivot = row }
      let p = a[pivot * n + k]
      guard p != 0 else { throw SwiftletError(.runtime, "a matrix has no inverse") }
      if pivot != k {
        for j in 0..<n {
          swap(&a[k * n + j], &a[pivot * n + j])
          swap(&b[k * n + j], &b[pivot * n + j])
        }
      }
      for j in 0..<n {
        a[k * n + j] /= p
        b[k * n + j] /= p
      }
      for row in 0..<n where row != k {
        let f = a[row * n + k]
        guard f != 0 else { continue }
        for j in 0..<n {
          a[row * n + j] -= f * a[k * n + j]
          b[row * n + j] -= f * b[k * n + j]
        }
      }
    }
  }
}
