import Kernels
import Tensors

/// MatMulInteger, QLinearMatMul, and what ONNX Runtime makes of them: MatMulIntegerToFloat, DynamicQuantizeMatMul,
/// QGemm.
enum QuantizedMatMul {
  private static let bytes = TypeSet(.int8, .uint8)

  static let definitions = [
    OperatorDefinition(
      "MatMulInteger", since: [10],
      inputs: [.required("A", "T1"), .required("B", "T2"), .optional("a_zero_point", "T1"), .optional("b_zero_point", "T2")],
      outputs: [.required("Y", "T3")], types: ["T1": bytes, "T2": bytes, "T3": TypeSet(.int32)], exactness: .exact,
      infer: { $0.set(0, .int32, try MatMul.outputShape($0.shape(0), $0.shape(1))) },
      kernel: { c in
        let packed = packing(c, b: 1, zero: 3)
        return { r in
          let y = try r.output(0)
          try multiply(r, r.input(0), r.optionalInput(2), r.input(1), r.optionalInput(3), packed, to: y.pointer(Int32.self))
        }
      }),
    OperatorDefinition(
      "QLinearMatMul", since: [10, 21],
      inputs: [
        .required("a", "T1"), .required("a_scale", "TS"), .required("a_zero_point", "T1"), .required("b", "T2"),
        .required("b_scale", "TS"), .required("b_zero_point", "T2"), .required("y_scale", "TS"), .required("y_zero_point", "T3"),
      ],
      outputs: [.required("y", "T3")],
      types: [
        "T1": [bytes, .float8s], "T2": [bytes, .float8s], "T3": [bytes, .float8s],
        "TS": TypeSet(.float, .float16, .bfloat16),
      ], exactness: .rounding,
      infer: { $0.set(0, $0.elementType(7), try MatMul.outputShape($0.shape(0), $0.shape(3))) },
      kernel: { c in
        let packed = packing(c, b: 3, zero: 5)
        return { r in
          if try DequantizedMatMul.isDue(r) { return try DequantizedMatMul.run(r) }
          let y = try r.output(0), n = y.shape.last ?? 1
          let sums = try r.scratch(max(y.count, 1), of: Int32.self)
          let a = try r.input(0), b = try r.input(3)
          try multiply(r, a, r.input(2), b, r.input(5), packed, to: sums)
          let rows = b.rank == 1 ? 1 : n
          try Requantize.run(
            sums, to: y, scale: products(r.input(1), r.input(4), of: r.input(6)), zero: zeroPoint(r.input(7)),
            channels: rows, inner: 1, r.pool)
        }
      }),
    OperatorDefinition(
      "MatMulIntegerToFloat", domain: "com.microsoft", since: [1],
      inputs: [
        .required("A", "T1"), .required("B", "T2"), .required("a_scale", "T3"), .required("b_scale", "T3"),
        .optional("a_zero_point", "T1"), .optional("b_zero_point", "T2"), .optional("bias", "T3"),
      ],
      outputs: [.required("Y", "T3")], types: ["T1": bytes, "T2": bytes, "T3": TypeSet(.float, .float16)],
      infer: { $0.set(0, $0.elementType(2), try MatMul.outputShape($0.shape(0), $0.shape(1))) },
      kernel: { c in
        let packed = packing(c, b: 1, zero: 5)
        return { r in
          let y = try r.output(0)
          let sums = try r.scratch(max(y.count, 1), of: Int32.self)
          try multiply(r, r.input(0), r.optionalInput(4), r.input(1), r.optionalInput(5), packed, to: sums)
          try toFloat(sums, y, products(r.input(2), r.input(3), of: nil), r.optionalInput(6), r.pool)
        }
      }),
    OperatorDefinition(
      "DynamicQuantizeMatMul", domain: "com.microsoft", since: [1],
      inputs: [
        .required("A", "T1"), .required("B", "T2"), .required("b_scale", "T1"), .optional("b_zero_point", "T2"),
        .optional("bias", "T1"),
      ],
      outputs: [.required("Y", "T1")], types: ["T1": TypeSet(.float), "T2": bytes],
      infer: { $0.set(0, .float, try MatMul.outputShape($0.shape(0), $0.shape(1))) },
      kernel: { c in
        let packed = packing(c, b: 1, zero: 3)
        return { r in
          let x = try r.input(0), y = try r.output(0)
          let (quantized, scale, zero) = try dynamic(x, r)
          let sums = try r.scratch(max(y.count, 1), of: Int32.self)
          try multiply(r, quantized, zero, r.input(1), r.optionalInput(3), packed, to: sums)
          try toFloat(sums, y, r.input(2).doubles().map { $0 * Double(scale) }, r.optionalInput(4), r.pool)
        }
      }),
    OperatorDefinition(
      "QGemm", domain: "com.microsoft", since: [1],
      inputs: [
        .required("A", "TA"), .required("a_scale", "T"), .required("a_zero_point", "TA"), .required("B", "TB"),
        .required("b_scale", "T"), .required("b_zero_point", "TB"), .optional("C", "TC"), .optional("y_scale", "T"),
        .optional("y_zero_point", "TYZ"),
      ],
      outputs: [.required("Y", "TY")],
      types: ["TA": bytes, "TB": bytes, "T": TypeSet(.float), "TC": TypeSet(.int32), "TYZ": bytes, "TY": [bytes, TypeSet(.float)]],
      attributes: [.float("alpha", 1), .int("transA", 0), .int("transB", 0)],
      infer: { c in
        let (a, b) = try MatMul.forms(c)
        c.set(0, c.hasInput(8) ? c.elementType(8) : .float, try MatMul.outputShape(c.shape(0, rank: 2), c.shape(3, rank: 2), a, b))
      },
      kernel: { c in
        let (formA, formB) = try MatMul.forms(c), alpha = Double(try c.float("alpha"))
        return { r in
          let y = try r.output(0), n = y.shape[1]
          let sums = try r.scratch(max(y.count, 1), of: Int32.self)
          try multiply(r, r.input(0), r.input(2), r.input(3), r.input(5), nil, to: sums, formA, formB)
          if let c = try r.optionalInput(6) {
            try Binary.apply(.add, .int32, sums, y.shape, c.data, c.shape, to: sums, y.shape, pool: r.pool)
          }
          let scales = try products(r.input(1), r.input(4), of: r.optionalInput(7)).map { $0 * alpha }
          if y.type == .float { return try toFloat(sums, y, scales, nil, r.pool) }
          try Requantize.run(sums, to: y, scale: scales, zero: zeroPoint(r.input(8)), channels: n, inner: 1, r.pool)
        }
      }),
  ]

  /// a_scale * b_scale (/ y_scale), one for all or one for each column.
  static func products(_ a: Tensor, _ b: Tensor, of y: Tensor?) throws -> [Double] {
    let s = try y?.scalar() ?? 1, x = try a.doubles(), w = try b.doubles()
    guard x.count == 1 else { throw SwiftletError(.unsupported, "a scale for each row of A") }
    // As the specification's float arithmetic rounds it.
    return w.map { Double(Float(x[0]) * Float($0) / Float(s)) }
  }

  static func zeroPoint(_ t: Tensor) throws -> Int {
    guard t.count == 1 else { throw SwiftletError(.shape, "\(t.count) zero points of the output") }
    return try t.ints()[0]
  }

  static func packing(_ c: KernelContext, b: Int, zero: Int) -> Lazily<PackedMatrix?>? {
    c.constant(b) != nil && (!c.hasInput(zero) || c.constant(zero) != nil) ? Lazily() : nil
  }

  /// The zero points of an operand: one, or one for each row of A or column of B, in `target`, to which `shape`
  /// broadcasts.
  private static func zeros(
    _ t: Tensor?, _ shape: [Int], _ target: [Int], _ r: RunContext
  ) throws -> (Int32, UnsafeRawPointer?) {
    guard let t else { return (0, nil) }
    if t.count == 1 { return (Int32(truncatingIfNeeded: try t.ints()[0]), nil) }
    let all = try r.scratch(Checked.count(target))
    try StridedCopy.broadcast(t.data, shape, to: all, target, elementSize: 1)
    return (0, UnsafeRawPointer(all))
  }

  /// The sums of (a - aZero) (b - bZero), with MatMul's rules.
  static func multiply(
    _ r: RunContext, _ a: Tensor, _ aZero: Tensor?, _ b: Tensor, _ bZero: Tensor?, _ packed: Lazily<PackedMatrix?>?,
    to out: UnsafeMutablePointer<Int32>, _ formA: MatMul.Form = .init(), _ formB: MatMul.Form = .init()
  ) throws {
    let operands = try Operands(a.shape, b.shape, formA, formB)
    let (sa, sb) = operands.strides
    let (bz, bzs) = try zeros(bZero, bZero?.shape ?? [], b.rank > 1 ? b.shape.dropLast(2) + [1, operands.n] : [1], r)
    let pack = try packed?.get { () -> PackedMatrix? in
      guard b.rank >= 2, b.shape.dropLast(2).allSatisfy({ $0 == 1 }) else { return nil }
      defer { b.forget() }
      return try PackedMatrix(
        .b, rows: operands.k, columns: operands.n, integers: b.data, signed: b.type == .int8, rowStride: sb.row,
        columnStride: sb.column, zero: bz, zeros: bzs, pool: r.pool)
    } ?? nil
    let rows = aZero.map { DequantizedMatMul.perRow($0, of: a) } ?? []
    let (az, azs) = try zeros(aZero, rows, a.shape.dropLast() + [1], r)
    let k = max(operands.k, 1), sizeOfB = max(k * operands.n, 1)
    try operands.forEachProduct { i, j, c in
      try r.checkCancelled()
      let gemm = try IntegerGemm(
        m: operands.m, n: operands.n, k: operands.k,
        a: .strided(
          a.data + i, signed: a.type == .int8, rowStride: sa.row, columnStride: sa.column, zero: az,
          zeros: azs.map { $0 + i / k }),
        b: pack.map { .packed($0) }
          ?? .strided(b.data + j, signed: b.type == .int8, rowStride: sb.row, columnStride: sb.column, zero: bz,
            zeros: bzs.map { $0 + j / sizeOfB * operands.n }))
      let mark = r.environment.scratch.mark
      let scratch = try r.scratch(gemm.scratchBytes(width: r.pool.width))
      gemm.run(out + c, rowStride: operands.n, pool: r.pool, scratch: scratch)
      r.environment.scratch.release(to: mark)
    }
  }

  private static func toFloat(_ sums: UnsafePointer<Int32>, _ y: Tensor, _ scales: [Double], _ bias: Tensor?, _ pool: ThreadPool) throws {
    try toFloat(sums, y.pointer(Float.self), count: y.count, columns: y.shape.last ?? 1, scales, bias, pool)
  }

  /// y = sums * scale + bias in rows of n columns; a scale for all, or one for each column.
  static func toFloat(
    _ sums: UnsafePointer<Int32>, _ y: UnsafeMutablePointer<Float>, count: Int, columns n: Int, _ scales: [Double],
    _ bias: Tensor?, _ pool: ThreadPool
  ) throws {
    try checkShape((scales.count == 1 || scales.count == n) && (bias?.count ?? n) == n, "scales or bias don't fit \(n) columns")
    let factors = scales.map { Float($0) }
    try Rows.parallel(count / max(n, 1), n, pool) { rows in
      factors.withUnsafeBufferPointer { factors in
        for i in rows {
          let from = sums + i * n, to = y + i * n
          if factors.count == 1 {
            for j in 0..<n { to[j] = Float(from[j]) * factors[0] }
          } else {
            for j in 0..<n { to[j] = Float(from[j]) * factors[j] }
          }
          if let b = bias?.pointer(Float.self) { for j in 0..<n { to[j] += b[j] } }
        }
      }
    }
  }

  /// A tensor as uint8 with a scale and zero point of its own, as DynamicQuantizeLinear has it.
  static func dynamic(_ x: Tensor, _ r: RunContext) throws -> (Tensor, Float, Tensor) {
    let (low, high) = Quantize.range(x.pointer(Float.self), x.count)
    let lowest = min(low, 0), highest = max(high, 0)
    let scale = highest == lowest ? 1 : (highest - lowest) / 255
    // Infinities and NaN in the input make no zero point.
    let offset = (-lowest / scale).rounded(.toNearestOrEven)
    let zero = offset >= 255 ? 255 : offset > 0 ? UInt8(offset) : 0
    let y = try r.scratchTensor(.uint8, x.shape)
    let from = x.pointer(Float.self), to = y.pointer(UInt8.self)
    r.pool.parallel(over: x.count, grain: 16384) { range in
      for i in range {
        let v = (from[i] / scale).rounded(.toNearestOrEven) + Float(zero)
        to[i] = v >= 255 ? 255 : v > 0 ? UInt8(v) : 0
      }
    }
    return (y, scale, try Tensor(.uint8, [zero], []))
  }
}

/// Sums of products of quantised numbers made quantised numbers again.
enum Requantize {
  /// y = saturate(round(sums * scale) + zero); a scale for all, or for each of the channels in [outer, channels,
  /// inner].
  static func run(
    _ sums: UnsafePointer<Int32>, to y: Tensor, scale: [Double], zero: Int, channels: Int, inner: Int, _ pool: ThreadPool
  ) throws {
    try checkShape(scale.count == 1 || scale.count == channels, "\(scale.count) scales for \(channels) channels")
    guard y.type == .int8 || y.type == .uint8 else { throw SwiftletError(.type, "a quantised output of type \(y.type.name)") }
    guard y.count > 0 else { return }
    let low = Float(y.type == .int8 ? -128 - zero : -zero), high = Float(y.type == .int8 ? 127 - zero : 255 - zero)
    let factors = scale.map { Float($0) }, offset = Int32(truncatingIfNeeded: zero)
    let bytes = y.pointer(UInt8.self)
    // Runs with one scale, or rows of channels.
    let n = inner == 1 ? channels : inner
    try Rows.parallel(y.count / n, n, pool) { rows in
      factors.withUnsafeBufferPointer { factors in
        for row in rows {
          let from = sums + row * n, to = bytes + row * n
          let perElement = factors.count > 1 && inner == 1
          let one = factors.count == 1 ? factors[0] : inner == 1 ? 0 : factors[row % channels]
          for j in 0..<n {
            let v = (Float(from[j]) * (perElement ? factors[j] : one)).rounded(.toNearestOrEven)
            let clamped = min(max(v.isNaN ? 0 : v, low), high)
            to[j] = UInt8(truncatingIfNeeded: Int32(clamped) &+ offset)
          }
        }
      }
    }
  }
}
