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
    types: QuantizedElementwise.types, attributes: attributes + [.int("count_include_pad", 0), .int("channels_last", 0)],
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
        try planar(r, last: true) { x, y in
          let geometry = try Pool.geometry(x.shape, window)
          if x.type == .int8 {
            try Pool.run(r, Pooling<Int8>.Kind.max, geometry, x, y)
          } else {
            try Pool.run(r, Pooling<UInt8>.Kind.max, geometry, x, y)
          }
        }
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
        let from = try QuantizedArithmetic.Parameters(r, scale: 1, zero: 2), to = try QuantizedArithmetic.Parameters(r, scale: 3, zero: 4)
        let plane = x.count / y.count
        guard plane > 0, plane <= 1 << 23 else { throw SwiftletError(.shape, "the mean of \(plane) elements") }
        let sums = try r.scratch(y.count, of: Int32.self)
        if x.type == .int8 {
          sum(x.pointer(Int8.self), sums, images: x.shape[0], channels: y.count / x.shape[0], plane, last: last, r.pool)
        } else {
          sum(x.pointer(UInt8.self), sums, images: x.shape[0], channels: y.count / x.shape[0], plane, last: last, r.pool)
        }
        let offset = Int32(truncatingIfNeeded: plane) * from.zero
        for i in 0..<y.count { sums[i] -= offset }
        try Requantize.run(
          sums, to: y, scale: [Double(from.scale / to.scale) / Double(plane)], zero: Int(to.zero), channels: 1, inner: y.count,
          r.pool)
      }
    })

  /// The sums over the planes of each channel of each image.
  private static func sum<T: FixedWidthInteger>(
    _ x: UnsafePointer<T>, _ sums: UnsafeMutablePointer<Int32>, images: Int, channels: Int, _ plane: Int, last: Bool,
    _ pool: ThreadPool
  ) {
    if last {
      pool.parallel(over: images, grain: Swift.max(1, 65536 / (channels * plane))) { range in
        for image in range {
          let out = sums + image * channels
          out.update(repeating: 0, count: channels)
          for i in 0..<plane {
            let row = x + (image * plane + i) * channels
            for j in 0..<channels { out[j] &+= Int32(truncatingIfNeeded: row[j]) }
          }
        }
      }
    } else {
      pool.parallel(over: images * channels, grain: Swift.max(1, 65536 / plane)) { range in
        for i in range {
          let row = x + i * plane
          var total: Int32 = 0
          for j in 0..<plane { total &+= Int32(truncatingIfNeeded: row[j]) }
          sums[i] = total
        }
      }
    }
  }
}
