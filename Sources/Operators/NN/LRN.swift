import Glibc
import Kernels
import Tensors

/// LRN: x / (bias + alpha / size * sum of squares over `size` neighbouring channels)^beta.
enum LRN {
  static let definitions = [
    OperatorDefinition(
      "LRN", since: [1, 13], inputs: [.required("X", "T")], outputs: [.required("Y", "T")], types: ["T": .floats],
      attributes: [.required(.int, "size"), .float("alpha", 0.0001), .float("beta", 0.75), .float("bias", 1)],
      infer: {
        _ = try $0.shape(0, ranks: 2...)
        $0.set(0, like: 0)
      }, kernel: kernel)
  ]

  @Sendable private static func kernel(_ c: KernelContext) throws -> Kernel {
    let size = try c.int("size")
    try checkModel(size > 0, "size is \(size)")
    let alpha = Double(try c.float("alpha")) / Double(size), beta = Double(try c.float("beta")), bias = Double(try c.float("bias"))
    return { r in
      let x = try r.input(0), y = try r.output(0)
      try dispatch(
        x.type, float: { try run(x.pointer(Float.self), y.pointer(Float.self), x.shape, size, alpha, beta, bias, r) },
        double: { try run(x.pointer(Double.self), y.pointer(Double.self), x.shape, size, alpha, beta, bias, r) })
    }
  }

  private static func run<S: KernelScalar>(
    _ x: UnsafePointer<S>, _ y: UnsafeMutablePointer<S>, _ shape: [Int], _ size: Int, _ alpha: Double, _ beta: Double,
    _ bias: Double, _ r: RunContext
  ) throws {
    let channels = shape[1], plane = shape[2...].reduce(1, *), before = (size - 1) / 2, after = size / 2
    guard channels > 0, plane > 0 else { return }
    try Rows.parallel(shape[0] * channels, plane * min(size, channels), r.pool) { range in
      for i in range {
        let image = x + i / channels * channels * plane, c = i % channels, out = y + i * plane, from = x + i * plane
        for j in 0..<plane { out[j] = 0 }
        for k in max(0, c - before)...min(channels - 1, c + min(after, channels)) {
          let p = image + k * plane
          for j in 0..<plane { out[j] += p[j] * p[j] }
        }
        let (a, b) = (S(alpha), S(bias))
        if beta == 0.75 {
          // t^(-3/4) = 1 / (sqrt t * sqrt sqrt t)
          for j in 0..<plane {
            let s = (b + a * out[j]).squareRoot()
            out[j] = from[j] / (s * s.squareRoot())
          }
        } else {
          for j in 0..<plane { out[j] = from[j] * S(pow(Double(b + a * out[j]), -beta)) }
        }
      }
    }
  }
}
