import Glibc
import Kernels
import Tensors

/// Functions of uint8 and int8 tensors that stand for scale * (x - zero point) (com.microsoft): QLinearAdd, QLinearMul,
/// QLinearLeakyRelu, QLinearSigmoid, QLinearSoftmax.
enum QuantizedElementwise {
  static let definitions = [
    binary("QLinearAdd", multiplies: false), binary("QLinearMul", multiplies: true),
    unary("QLinearLeakyRelu", [.float("alpha", 0.01)]) { c in
      let alpha = try c.float("alpha")
      return { $0 < 0 ? alpha * $0 : $0 }
    },
    unary("QLinearSigmoid", []) { _ in { 1 / (1 + expf(-$0)) } },
    softmax,
  ]
  static let types: KeyValuePairs = ["T": TypeSet(.int8, .uint8), "F": TypeSet(.float)]

  private static func binary(_ name: String, multiplies: Bool) -> OperatorDefinition {
    OperatorDefinition(
      name, domain: "com.microsoft", since: [1],
      inputs: [
        .required("A", "T"), .required("A_scale", "F"), .optional("A_zero_point", "T"), .required("B", "T"),
        .required("B_scale", "F"), .optional("B_zero_point", "T"), .required("C_scale", "F"),
        .optional("C_zero_point", "T"),
      ],
      outputs: [.required("C", "T")], types: types, memory: .inPlace([0, 3]),
      infer: { $0.set(0, $0.elementType(0), try ShapeRule.broadcast([$0.shape(0), $0.shape(3)])) },
      kernel: { _ in
        { r in
          let a = try r.input(0), b = try r.input(3), y = try r.output(0)
          try QuantizedArithmetic.apply(
            multiplies: multiplies, y.type, a.data, a.shape, .init(r, scale: 1, zero: 2), b.data, b.shape,
            .init(r, scale: 4, zero: 5), to: y.data, y.shape, .init(r, scale: 6, zero: 7), pool: r.pool)
        }
      })
  }

  private static let unaryInputs: [Parameter] = [
    .required("X", "T"), .required("X_scale", "F"), .optional("X_zero_point", "T"), .required("Y_scale", "F"),
    .optional("Y_zero_point", "T"),
  ]

  private static func unary(
    _ name: String, _ attributes: [AttributeSpec],
    _ function: @escaping @Sendable (KernelContext) throws -> @Sendable (Float) -> Float
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, domain: "com.microsoft", since: [1], inputs: unaryInputs, outputs: [.required("Y", "T")], types: types,
      attributes: attributes, memory: .inPlace([0]), infer: { $0.set(0, like: 0) },
      kernel: { c in
        let f = try function(c)
        let fixed = (1...4).allSatisfy { !c.hasInput($0) || c.constant($0) != nil } ? Lazily<[UInt8]>() : nil
        return { r in
          let x = try r.input(0), y = try r.output(0)
          func make() throws -> [UInt8] {
            try QuantizedTable.make(x.type, .init(r, scale: 1, zero: 2), .init(r, scale: 3, zero: 4), f)
          }
          let table = try fixed?.get(make) ?? make()
          try QuantizedArithmetic.lookup(x.pointer(UInt8.self), to: y.pointer(UInt8.self), x.count, table, pool: r.pool)
        }
      })
  }

  private static let softmax = OperatorDefinition(
    "QLinearSoftmax", domain: "com.microsoft", since: [1], inputs: unaryInputs, outputs: [.required("Y", "T")],
    types: types,
    attributes: [.int("axis", -1), .required(.int, "opset")], infer: { $0.set(0, like: 0) },
    kernel: { c in
      let axis = try c.int("axis"), flattens = try c.int("opset") < 13
      return { r in
        let x = try r.input(0), y = try r.output(0)
        guard x.count > 0 else { return }
        let a = try Checked.axis(axis, rank: x.rank)
        // Before version 13 all axes from `axis` on count as one.
        let parts = [Array(x.shape[..<a]), Array(x.shape[a...])]
        let shape = flattens ? try parts.map(Checked.count) : x.shape
        let wide = try r.scratch(x.count, of: Float.self)
        try Quantized.widen(x, .init(r, scale: 1, zero: 2), to: wide, r)
        try Kernels.Softmax.apply(.softmax, .float, wide, shape, axis: flattens ? 1 : a, to: wide, pool: r.pool)
        try Quantized.narrow(wide, to: y, .init(r, scale: 3, zero: 4), r)
      }
    })
}

extension QuantizedArithmetic.Parameters {
  /// The scale at one input, the zero point at another (0 if that isn't given).
  init(_ r: RunContext, scale: Int, zero: Int) throws {
    self.init(
      scale: Float(try r.input(scale).scalar()), zero: Int32(truncatingIfNeeded: try r.optionalInput(zero)?.int() ?? 0))
  }
}

/// Whole tensors of 8 bits to and from float.
enum Quantized {
  static func widen(
    _ x: Tensor, _ p: QuantizedArithmetic.Parameters, to y: UnsafeMutablePointer<Float>, _ r: RunContext
  ) throws {
    let layout = try QuantizationLayout(x.shape, scale: [], axis: 0, blockSize: 0)
    try Quantize.dequantize(x.type, x.data, to: y, layout, scale: [p.scale], zero: [p.zero], pool: r.pool)
  }
  static func narrow(
    _ x: UnsafePointer<Float>, to y: Tensor, _ p: QuantizedArithmetic.Parameters, _ r: RunContext
  ) throws {
    let layout = try QuantizationLayout(y.shape, scale: [], axis: 0, blockSize: 0)
    let (low, high) = Quantization.limits(y.type)
    try Quantize.quantize(
      x, to: y.type, y.data, layout, scale: [p.scale], zero: [p.zero], low: low, high: high, pool: r.pool)
  }
}

/// The 256 results of a function of one quantised number.
enum QuantizedTable {
  static func make(
    _ type: ElementType, _ x: QuantizedArithmetic.Parameters, _ y: QuantizedArithmetic.Parameters,
    _ f: (Float) -> Float = { $0 }
  ) throws -> [UInt8] {
    let (low, high) = Quantization.limits(type)
    return (0..<256).map { byte in
      let bits = UInt8(truncatingIfNeeded: byte)
      let value = type == .int8 ? Float(Int8(bitPattern: bits)) : Float(bits)
      let v = (f((value - Float(x.zero)) * x.scale) / y.scale).rounded(.toNearestOrEven)
      let limited = min(max(v.isNaN ? 0 : v, Float(low - y.zero)), Float(high - y.zero))
      return UInt8(truncatingIfNeeded: Int32(limited) + y.zero)
    }
  }
}
