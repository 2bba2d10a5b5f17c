import Kernels
import Tensors

/// ConvInteger and QLinearConv; com.microsoft's QLinearConv takes channels as the last dimension as well.
enum QuantizedConv {
  private static let bytes = TypeSet(.int8, .uint8)

  static let definitions = [
    OperatorDefinition(
      "ConvInteger", since: [10],
      inputs: [.required("x", "T1"), .required("w", "T2"), .optional("x_zero_point", "T1"), .optional("w_zero_point", "T2")],
      outputs: [.required("y", "T3")], types: ["T1": bytes, "T2": bytes, "T3": TypeSet(.int32)],
      attributes: Window.attributes + [.int("group", 1)], exactness: .exact,
      infer: { $0.set(0, .int32, try Conv.outputShape($0, x: $0.shape(0), w: $0.shape(1))) },
      kernel: { c in
        let window = try Window(c), group = try c.int("group"), packed = packing(c, w: 1, zero: 3)
        return { r in
          let y = try r.output(0)
          _ = try convolve(r, r.input(0), zero: 2, w: 1, wZero: 3, window, group, packed, to: y.pointer(Int32.self))
        }
      }),
    linear("", since: [10]), linear("com.microsoft", since: [1], [.int("channels_last", 0)]),
  ]

  private static func linear(_ domain: String, since: [Int], _ attributes: [AttributeSpec] = []) -> OperatorDefinition {
    OperatorDefinition(
      "QLinearConv", domain: domain, since: since,
      inputs: [
        .required("x", "T1"), .required("x_scale", "F"), .required("x_zero_point", "T1"), .required("w", "T2"),
        .required("w_scale", "F"), .required("w_zero_point", "T2"), .required("y_scale", "F"), .required("y_zero_point", "T3"),
        .optional("B", "T4"),
      ],
      outputs: [.required("y", "T3")],
      types: ["T1": bytes, "T2": bytes, "T3": bytes, "T4": TypeSet(.int32), "F": TypeSet(.float)],
      attributes: Window.attributes + [.int("group", 1)] + attributes,
      infer: { c in
        let last = try c.optionalInt("channels_last") ?? 0 != 0
        let shape = try Conv.outputShape(c, x: last ? ChannelsLast.planar(c.shape(0)) : c.shape(0), w: c.shape(3))
        c.set(0, c.elementType(7), last ? ChannelsLast.interleaved(shape) : shape)
      },
      kernel: { c in
        let window = try Window(c), group = try c.int("group"), packed = packing(c, w: 3, zero: 5)
        let last = try c.optionalInt("channels_last") ?? 0 != 0
        return { r in
          let x = last ? try ChannelsLast.planar(r.input(0), r) : try r.input(0), out = try r.output(0)
          let y = last ? try r.scratchTensor(out.type, ChannelsLast.planar(out.shape)) : out
          let sums = try r.scratch(max(y.count, 1), of: Int32.self)
          let geometry = try convolve(r, x, zero: 2, w: 3, wZero: 5, window, group, packed, to: sums)
          if let bias = try r.optionalInput(8) {
            try checkShape(bias.count == geometry.outputChannels, "B has the shape \(bias.shape)")
            let shape = [bias.count] + y.shape[2...].map { _ in 1 }
            try Binary.apply(.add, .int32, sums, y.shape, bias.data, shape, to: sums, y.shape, pool: r.pool)
          }
          try Requantize.run(
            sums, to: y, scale: QuantizedMatMul.products(r.input(1), r.input(4), of: r.input(6)),
            zero: QuantizedMatMul.zeroPoint(r.input(7)), channels: geometry.outputChannels, inner: geometry.outputPlane, r.pool)
          if last { try ChannelsLast.interleave(y, to: out, r) }
        }
      })
  }

  private static func packing(_ c: KernelContext, w: Int, zero: Int) -> Lazily<PackedIntegerConvolution>? {
    c.constant(w) != nil && (!c.hasInput(zero) || c.constant(zero) != nil) ? Lazily() : nil
  }

  private static func convolve(
    _ r: RunContext, _ x: Tensor, zero: Int, w: Int, wZero: Int, _ window: Window, _ group: Int,
    _ packed: Lazily<PackedIntegerConvolution>?, to out: UnsafeMutablePointer<Int32>
  ) throws -> ConvolutionGeometry {
    let w = try r.input(w)
    let geometry = try Conv.geometry(x: x.shape, w: w.shape, window, group: group)
    let xZero = try r.optionalInput(zero)?.int() ?? 0
    func pack() throws -> PackedIntegerConvolution {
      let zeros = try r.optionalInput(wZero)
      try checkShape([nil, 1, geometry.outputChannels].contains(zeros?.count), "w_zero_point has the shape \(zeros?.shape ?? [])")
      let one = zeros?.count == 1 ? try zeros?.int() ?? 0 : 0
      defer { w.forget() }
      return try PackedIntegerConvolution(
        w.data, signed: w.type == .int8, zero: Int32(truncatingIfNeeded: one),
        zeros: zeros.flatMap { $0.count > 1 ? UnsafeRawPointer($0.data) : nil }, geometry: geometry)
    }
    let convolution = try IntegerConvolution(
      packed?.get(pack) ?? pack(), geometry: geometry, signed: x.type == .int8, zero: Int32(truncatingIfNeeded: xZero))
    let scratch = try r.scratch(convolution.scratchBytes(width: r.pool.width))
    convolution.run(x.data, out, pool: r.pool, scratch: scratch)
    return geometry
  }
}
