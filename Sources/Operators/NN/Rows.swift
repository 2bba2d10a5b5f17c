import Kernels
import Tensors

/// Sums and maxima of runs of floats, in eight lanes; sums in blocks, so that the error doesn't grow with the length.
enum Rows {
  private static let lanes = 8
  private static let block = 4096

  @inline(__always)
  private static func fold<S: KernelScalar & SIMDScalar>(
    _ x: UnsafePointer<S>, _ n: Int, _ f: (SIMD8<S>) -> SIMD8<S>, _ g: (S) -> S
  ) -> Double {
    var total = 0.0
    var start = 0
    while start < n {
      let end = min(n, start &+ block)
      var acc = SIMD8<S>.zero
      var i = start
      while i &+ lanes <= end {
        acc += f(UnsafeRawPointer(x + i).loadUnaligned(as: SIMD8<S>.self))
        i &+= lanes
      }
      var rest = acc.sum()
      while i < end {
        rest += g(x[i])
        i &+= 1
      }
      total += Double(rest)
      start = end
    }
    return total
  }

  static func sum<S: KernelScalar & SIMDScalar>(_ x: UnsafePointer<S>, _ n: Int) -> Double {
    fold(x, n, { $0 }, { $0 })
  }
  /// Of (x - shift)^2.
  static func squares<S: KernelScalar & SIMDScalar>(_ x: UnsafePointer<S>, _ n: Int, shift: S = 0) -> Double {
    fold(x, n, { ($0 - shift) * ($0 - shift) }, { ($0 - shift) * ($0 - shift) })
  }
  /// -infinity for nothing. NaN may or may not win.
  static func max<S: KernelScalar & SIMDScalar>(_ x: UnsafePointer<S>, _ n: Int) -> S {
    var acc = SIMD8<S>(repeating: -.infinity)
    var i = 0
    while i &+ lanes <= n {
      let v = UnsafeRawPointer(x + i).loadUnaligned(as: SIMD8<S>.self)
      acc.replace(with: v, where: v .> acc)
      i &+= lanes
    }
    var m = acc.max()
    while i < n {
      m = Swift.max(m, x[i])
      i &+= 1
    }
    return m
  }

  /// Makes each of `rows` runs of n elements its softmax (or the logarithm of it). y may be x.
  static func softmax<S: KernelScalar & SIMDScalar>(
    _ x: UnsafePointer<S>, _ y: UnsafeMutablePointer<S>, rows: Int, _ n: Int, log: Bool = false
  ) throws {
    for row in 0..<rows {
      let from = x + row &* n, to = y + row &* n
      let m = max(from, n)
      for i in 0..<n { to[i] = from[i] - m }
      if log {
        var sum = 0.0
        var chunk = [S](repeating: 0, count: min(n, 1024))
        try chunk.withUnsafeMutableBufferPointer { chunk in
          guard let base = chunk.baseAddress else { return }
          for start in stride(from: 0, to: n, by: chunk.count) {
            let count = min(chunk.count, n - start)
            try Unary.apply(.exp, S.elementType, to + start, to: base, count)
            sum += Self.sum(base, count)
          }
        }
        let shift = S(Double(S.log(sum)))
        for i in 0..<n { to[i] -= shift }
      } else {
        try Unary.apply(.exp, S.elementType, to, to: to, n)
        let factor = S(1 / sum(to, n))
        for i in 0..<n { to[i] *= factor }
      }
    }
  }

  /// Runs `body` over ranges of `rows` rows of n elements on the pool.
  static func parallel(_ rows: Int, _ n: Int, _ pool: ThreadPool, _ body: (Range<Int>) throws -> Void) throws {
    let failure = FirstError()
    withoutActuallyEscaping(body) { body in
      pool.parallel(over: rows, grain: Swift.max(1, 16384 / Swift.max(n, 1))) { range in
        failure.catching { try body(range) }
      }
    }
    try failure.rethrow()
  }
}
