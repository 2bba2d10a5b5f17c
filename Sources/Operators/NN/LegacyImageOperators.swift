import Kernels
import Tensors

/// Experimental operators of the first operator sets, which trained style-transfer models use: ImageScaler, Crop, Affine,
/// Scale.
enum LegacyImageOperators {
  static let definitions = [
    OperatorDefinition(
      "ImageScaler", since: [1], inputs: [.required("input", "T")], outputs: [.required("output", "T")], types: ["T": .floats],
      attributes: [.float("scale", 1), .floats("bias")], memory: .inPlace([0]),
      infer: {
        _ = try $0.shape(0, rank: 4)
        $0.set(0, like: 0)
      },
      kernel: { c in
        let scale = Double(try c.float("scale")), bias = try c.optionalFloats("bias")?.map(Double.init)
        return { r in
          let x = try r.input(0), y = try r.output(0), channels = x.shape[1]
          try checkShape(bias.map { $0.count == channels } ?? true, "bias must have \(channels) elements")
          try Planes.scale(
            x, to: y, images: x.shape[0], channels: channels, plane: x.shape[2] * x.shape[3],
            Array(repeating: scale, count: channels), bias ?? Array(repeating: 0, count: channels), r.pool)
        }
      }),
    OperatorDefinition(
      "Crop", since: [1], inputs: [.required("input", "T")], outputs: [.required("output", "T")], types: ["T": .floats],
      attributes: [.ints("border"), .ints("scale")], takesHalf: true, exactness: .exact, infer: inferCrop, kernel: crop),
    affine("Affine", [.float("alpha", 1), .float("beta", 0)]) { (Double(try $0.float("alpha")), Double(try $0.float("beta"))) },
    affine("Scale", [.float("scale", 1)]) { (Double(try $0.float("scale")), 0) },
  ]

  private static func affine(
    _ name: String, _ attributes: [AttributeSpec], _ read: @escaping @Sendable (KernelContext) throws -> (Double, Double)
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, since: [1], inputs: [.required("X", "T")], outputs: [.required("Y", "T")], types: ["T": .floats],
      attributes: attributes, memory: .inPlace([0]), infer: { $0.set(0, like: 0) },
      kernel: { c in
        let (alpha, beta) = try read(c)
        return { r in
          let x = try r.input(0), y = try r.output(0)
          try Unary.apply(.scale, x.type, x.data, to: y.data, x.count, UnaryParameters(alpha: alpha, beta: beta), pool: r.pool)
        }
      })
  }

  /// Left, top, right and bottom border.
  private static func border(_ c: some NodeReading) throws -> [Int] {
    let b = try c.optionalInts("border") ?? [0, 0, 0, 0]
    try checkModel(b.count == 4 && b.allSatisfy { $0 >= 0 }, "border is \(b)")
    return b
  }

  @Sendable private static func inferCrop(_ c: InferenceContext) throws {
    guard let x = try c.shape(0, rank: 4) else { return c.set(0, c.elementType(0), nil) }
    let b = try border(c), size = try c.optionalInts("scale")
    try checkModel(size.map { $0.count == 2 && $0.allSatisfy { $0 >= 0 } } ?? true, "scale is \(size ?? [])")
    func dimension(_ d: Dimension, _ before: Int, _ after: Int, _ size: Int?) throws -> Dimension {
      try d.map { n in
        let left = try Checked.subtract(n, Checked.add(before, size == nil ? after : 0))
        try checkShape(left >= size ?? 0, "nothing is left of \(n)")
        return size ?? left
      }
    }
    c.set(0, c.elementType(0), [x[0], x[1], try dimension(x[2], b[1], b[3], size?[0]), try dimension(x[3], b[0], b[2], size?[1])])
  }

  @Sendable private static func crop(_ c: KernelContext) throws -> Kernel {
    let b = try border(c)
    return { r in
      let x = try r.input(0), y = try r.output(0), size = x.type.bits / 8
      guard y.count > 0 else { return }
      try StridedCopy.apply(
        y.data, Broadcast.strides(of: y.shape), x.data + (b[1] * x.shape[3] + b[0]) * size, Broadcast.strides(of: x.shape),
        shape: y.shape, elementSize: size, pool: r.pool)
    }
  }
}
