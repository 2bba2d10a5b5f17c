import Kernels
import Tensors

/// Det: determinants of the matrices in the last two dimensions, by elimination with pivots.
enum Det {
  static let definitions = [
    OperatorDefinition(
      "Det", since: [11, 22], inputs: [.required("X", "T")], outputs: [.required("Y", "T")], types: ["T": .floats],
      exactness: .accumulating,
      infer: { c in
        guard let x = try c.shape(0, ranks: 2...) else { return c.set(0, c.elementType(0), nil) }
        _ = try c.same(x[x.count - 1], x[x.count - 2], "a matrix's sides")
        c.set(0, c.elementType(0), Array(x.dropLast(2)))
      },
      kernel: { _ in { r in try dispatch(r.input(0).type, float: { try run(r, Float.self) }, double: { try run(r, Double.self) }) } })
  ]

  private static func run<S: KernelScalar>(_ r: RunContext, _: S.Type) throws {
    let x = try r.input(0), y = try r.output(0), n = x.shape[x.rank - 1]
    for i in 0..<y.count {
      var a = (0..<n * n).map { Double(x.pointer(S.self)[i * n * n + $0]) }
      var product = 1.0
      for k in 0..<n {
        var pivot = k
        for row in k..<n where abs(a[row * n + k]) > abs(a[pivot * n + k]) { pivot = row }
        let p = a[pivot * n + k]
        product *= p
        if p == 0 { break }
        if pivot != k {
          product = -product
          for j in k..<n { a.swapAt(k * n + j, pivot * n + j) }
        }
        for row in k + 1..<max(n, k + 1) {
          let f = a[row * n + k] / p
          if f != 0 { for j in k..<n { a[row * n + j] -= f * a[k * n + j] } }
        }
      }
      y.pointer(S.self)[i] = S(product)
    }
  }
}
