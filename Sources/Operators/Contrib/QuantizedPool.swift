import Kernels
import Tensors

/// QLinearAveragePool, QLinearGlobalAveragePool and NhwcMaxPool (com.microsoft): pools of uint8 and int8 tensors, with
/// channels second or last.
enum QuantizedPool {
  static let definitions = [average, globalAverage, max]
  private static let inputs: [Parameter] = [
    .required("X", "T"), .required("x_scale", "F"), .optional("x_zero_point", "T"), .required("y_scale", "F"),
    .optional("y_zero_point", "T"),
  ]
  private static let attributes = Window.attributes + [.int("ceil_mode", 0)]

  private static func outputShape(_ c: InferenceContext, last: Bool) throws -> SymbolicShape? {
    let shape = try Pool.outputShape(c, x: last ? ChannelsLast.planar(c.shape(0)) : c.shape(0))
    return last ? ChannelsLast.interleaved(shape) : shape
  }

  /// Calls `body` with input and output as [batch, channels, ...].
  private static func planar(_ r: RunContext, last: Bool, _ body: (_ x: Tensor, _ y: Tensor) throws -> Void) throws {
    let x = try r.input(0), y = try r.output(0)
    guard y.count > 0 else { return }
    guard last else { return try body(x, y) }
    let out = try r.scratchTensor(y.type, ChannelsLast.planar(y.shape))
    try body(ChannelsLast.planar(x, r), out)
    try ChannelsLast.interleave(out, to: y, r)
  }

  private static let average = OperatorDefinition(
    "QLinearAveragePool", domain: "com.microsoft", since: [1], inputs: inputs, outputs: [.required("Y", "T")],
    types: QuantizedElementwise.types,
    attributes: attributes + [.int("count_include_pad", 0), .int("channels_last", 0)],
    infer: { $0.set(0, $0.elementType(0), try outputShape($0, last: $0.int("channels_last") != 0)) },
    kernel: { c in
      let window = try Window(c), last = try c.bool("channels_last"), includes = try c.bool("count_include_pad")
      return { r in
        try planar(r, last: last) { x, y in
          let wide = try r.scratchTensor(.float, x.shape), means = try r.scratchTensor(.float, y.shape)
          try Quantized.widen(x, .init(r, scale: 1, zero: 2), to: wide.pointer(Float.self), r)
          try Pool.run(
            r, Pooling<Float>.Kind.average(countIncludePad: includes), Pool.geometry(x.shape, window), wide, means)
          try Quantized.narrow(means.pointer(Float.self), to: y, .init(r, scale: 3, zero: 4), r)
        }
      }
    })

  private static let max = OperatorDefinition(
    "NhwcMaxPool", domain: "com.microsoft", since: [1], inputs: [.required("x", "T")], outputs: [.required("y", "T")],
    types: ["T": TypeSet(.int8, .uint8)], attributes: attributes, exactness: .exact,
    infer: { $0.set(0, $0.elementType(0), try outputShape($0, last: true)) },
    kernel: { c in
      let window = try Window(c)
      return { r in
        let x = try r.input(0), y = try r.output(0)
        guard y.count > 0 else { return }
        func run<S: PoolScalar & BitwiseCopyable>(_: S.Type) throws {
          // Parts of the batch are independent of each other, planes of channels are not what lies together.
          let geometry = try Pool.geometry([x.shape[0], 1] + x.shape[1..<x.rank - 1], window)
          try Pooling<S>(.max, geometry: geometry).runMaxChannelsLast(
            x.pointer(S.self), y.pointer(S.self), channels: x.shape[x.rank - 1], pool: r.pool)
        }
        try x.type == .int8 ? run(Int8.self) : run(UInt8.self)
      }
    })

  private static let globalAverage = OperatorDefinition(
    "QLinearGlobalAveragePool", domain: "com.microsoft", since: [1], inputs: inputs, outputs: [.required("Y", "T")],
    types: QuantizedElementwise.types, attributes: [.int("channels_last", 0)],
    infer: { c in
      guard let x = try c.shape(0, ranks: 3...) else { return c.set(0, c.elementType(0), nil) }
      let last = try c.int("channels_last") != 0 ? x.count - 1 : 1
      c.set(0, c.elementType(0), x.indices.map { $0 == 0 || $0 == last ? x[$0] : .known(1) })
    },
    kernel: { c in
      let last = try c.bool("channels_last")
      return { r in
        let x = try r.input(0), y = try r.output(0)
        guard y.count > 0 else { return }
        let from = try QuantizedArithmetic.Parameters(r, scale: 1, zero: 2)
        let to = try QuantizedArithmetic.Parameters(r, scale: 3, zero: 4)
        let plane = x.count / y.count, spatial = Array(1..<x.rank - 1).map { last ? $0 : $0 + 1 }
        guard plane > 0, plane <= 1 << 23 else { throw SwiftletError(.shape, "the mean of \(plane) elements") }
        let wide = try r.scratch(x.count, of: Float.self), totals = try r.scratch(y.count, of: Float.self)
        try Cast.apply(x.type, x.data, to: .float, wide, x.count, pool: r.pool)
        try Reduction.apply(.sum, .float, wide, x.shape, axes: spatial, to: totals, pool: r.pool)
        let sums = try r.scratch(y.count, of: Int32.self)
        try Cast.apply(.float, totals, to: .int32, sums, y.count)
        let offset = Int32(truncatingIfNeeded: plane) * from.zero
        for i in 0..<y.count { sums[i] -= offset }
        try Requantize.run(
          sums, to: y, scale: [Double(from.scale / to.scale) / Double(plane)], zero: Int(to.zero), channels: 1,
          inner: y.count,
          r.pool)
      }
    })
}
