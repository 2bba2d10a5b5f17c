import Kernels
import Tensors

/// MaxPool, AveragePool and LpPool, and their global forms.
enum Pool {
  static let definitions = [
    OperatorDefinition(
      "MaxPool", since: [1, 8, 10, 11, 12, 22], inputs: [.required("X", "T")],
      outputs: [.required("Y", "T"), .optional("Indices", "I")],
      types: ["T": [.floats, TypeSet(.int8, .uint8)], "I": .int64],
      attributes: attributes + [.int("storage_order", 0)], exactness: .exact,
      infer: {
        let shape = try outputShape($0)
        $0.set(0, $0.elementType(0), shape)
        $0.set(1, .int64, shape)
      }, kernel: maxKernel),
    OperatorDefinition(
      "AveragePool", since: [1, 7, 10, 11, 19, 22], inputs: [.required("X", "T")], outputs: [.required("Y", "T")],
      types: ["T": .floats], attributes: attributes + [.int("count_include_pad", 0)],
      infer: { $0.set(0, $0.elementType(0), try outputShape($0)) },
      kernel: { c in
        let includes = try c.bool("count_include_pad")
        return try floatKernel(c) { .average(countIncludePad: includes) } double: { .average(countIncludePad: includes) }
      }),
    // Version 1 has a float p, and the kernel's shape may be left out.
    lpPool([1], .float("p", 2)), lpPool([2, 11, 18, 22], .int("p", 2)),
    global("GlobalMaxPool", [1, 22]) { _ in .max } double: { _ in .max },
    global("GlobalAveragePool", [1, 22]) { _ in .average(countIncludePad: false) } double: { _ in
      .average(countIncludePad: false)
    },
    global("GlobalLpPool", [1], [.float("p", 2)]) { .lp(try exponent($0)) } double: { .lp(try exponent($0)) },
    global("GlobalLpPool", [2, 22], [.int("p", 2)]) { .lp(try exponent($0)) } double: { .lp(try exponent($0)) },
  ]
  private static let attributes = Window.attributes + [.int("ceil_mode", 0)]

  private static func lpPool(_ since: [Int], _ p: AttributeSpec) -> OperatorDefinition {
    OperatorDefinition(
      "LpPool", since: since, inputs: [.required("X", "T")], outputs: [.required("Y", "T")], types: ["T": .floats],
      attributes: attributes + [p], exactness: .accumulating,
      infer: { $0.set(0, $0.elementType(0), try outputShape($0)) },
      kernel: { c in
        let p = try exponent(c)
        return try floatKernel(c) { .lp(p) } double: { .lp(p) }
      })
  }

  private static func exponent(_ c: KernelContext) throws -> Double {
    let p = c.definition.attribute("p")?.kind
    let value: Double
    if case .float = p { value = Double(try c.float("p")) } else { value = Double(try c.int("p")) }
    try checkModel(value > 0, "p is \(value)")
    return value
  }

  private static func outputShape(_ c: InferenceContext) throws -> SymbolicShape? { try outputShape(c, x: c.shape(0)) }

  /// The shape of a pool of x as [batch, channels, ...].
  static func outputShape(_ c: InferenceContext, x: SymbolicShape?) throws -> SymbolicShape? {
    let window = try Window(c)
    guard let x else { return nil }
    try checkShape(x.count >= 3, "at least 3 dimensions are due, not the shape \(x)")
    let rank = x.count - 2
    guard let kernel = window.kernel else { throw SwiftletError(.invalidModel, "kernel_shape is missing") }
    try window.check(rank: rank)
    return try Array(x[..<2]) + (0..<rank).map { try window.outputDimension($0, input: x[$0 + 2], kernel: .known(kernel[$0])) }
  }

  static func geometry(_ x: [Int], _ window: Window) throws -> PoolingGeometry {
    guard let kernel = window.kernel, x.count >= 3 else { throw SwiftletError(.invalidModel, "kernel_shape is missing") }
    let rank = x.count - 2
    try window.check(rank: rank)
    let spans = try (0..<rank).map { try window.resolve($0, input: x[$0 + 2], kernel: kernel[$0]) }
    return try PoolingGeometry(
      planes: Checked.multiply(x[0], x[1]), input: Array(x[2...]), kernel: kernel, strides: (0..<rank).map(window.stride),
      dilations: (0..<rank).map(window.dilation), padsBegin: spans.map(\.begin), padsEnd: spans.map(\.end),
      output: spans.map(\.output))
  }

  static func run<S: PoolScalar & BitwiseCopyable>(
    _ r: RunContext, _ kind: Pooling<S>.Kind, _ geometry: PoolingGeometry, _ x: Tensor, _ y: Tensor
  ) throws {
    guard y.count > 0 else { return }
    let pooling = try Pooling<S>(kind, geometry: geometry)
    let scratch = try r.scratch(pooling.scratchBytes(width: r.pool.width))
    pooling.run(x.pointer(S.self), y.pointer(S.self), pool: r.pool, scratch: scratch)
  }

  @Sendable private static func maxKernel(_ c: KernelContext) throws -> Kernel {
    let window = try Window(c)
    let columnMajor = try c.optionalInt("storage_order") ?? 0 != 0
    return { r in
      let x = try r.input(0), y = try r.output(0)
      let geometry = try geometry(x.shape, window)
      func pool<S: PoolScalar & BitwiseCopyable>(_: S.Type) throws {
        guard r.hasOutput(1) else { return try run(r, Pooling<S>.Kind.max, geometry, x, y) }
        let indices = try r.output(1)
        guard y.count > 0 else { return }
        try Pooling<S>(.max, geometry: geometry).runMax(
          x.pointer(S.self), y.pointer(S.self), indices: indices.pointer(Int64.self), columnMajor: columnMajor, pool: r.pool)
      }
      switch x.type {
      case .float: try pool(Float.self)
      case .double: try pool(Double.self)
      case .int8: try pool(Int8.self)
      case .uint8: try pool(UInt8.self)
      default: throw SwiftletError(.type, "MaxPool of \(x.type.name)")
      }
    }
  }

  private static func floatKernel(
    _ c: KernelContext, float: () throws -> Pooling<Float>.Kind, double: () throws -> Pooling<Double>.Kind
  ) throws -> Kernel {
    let window = try Window(c), floats = try float(), doubles = try double()
    return { r in
      let x = try r.input(0), y = try r.output(0)
      let geometry = try geometry(x.shape, window)
      try dispatch(x.type, float: { try run(r, floats, geometry, x, y) }, double: { try run(r, doubles, geometry, x, y) })
    }
  }

  private static func global(
    _ name: String, _ since: [Int], _ attributes: [AttributeSpec] = [],
    float: @escaping @Sendable (KernelContext) throws -> Pooling<Float>.Kind,
    double: @escaping @Sendable (KernelContext) throws -> Pooling<Double>.Kind
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, since: since, inputs: [.required("X", "T")], outputs: [.required("Y", "T")], types: ["T": .floats],
      attributes: attributes, exactness: .accumulating,
      infer: { c in
        guard let x = try c.shape(0, ranks: 2...) else { return c.set(0, c.elementType(0), nil) }
        c.set(0, c.elementType(0), x[..<2] + x.dropFirst(2).map { _ in .known(1) })
      },
      kernel: { c in
        let floats = try float(c), doubles = try double(c)
        return { r in
          let x = try r.input(0), y = try r.output(0)
          guard y.count > 0 else { return }
          let geometry = try PoolingGeometry(global: y.count, input: Array(x.shape[2...]))
          try dispatch(x.type, float: { try run(r, floats, geometry, x, y) }, double: { try run(r, doubles, geometry, x, y) })
        }
      })
  }
}
