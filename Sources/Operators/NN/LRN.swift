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
    let alpha = Double(try c.float("alpha")), beta = Double(try c.float("beta")), bias = Double(try c.float("bias"))
    return { r in
      let x = try r.input(0), y = try r.output(0)
      try Normalization.localResponse(
        x.type, x.data, x.shape, size: size, alpha: alpha, beta: beta, bias: bias, to: y.data, pool: r.pool)
    }
  }
}
