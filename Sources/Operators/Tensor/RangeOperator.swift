import Kernels
import Tensors

/// Range: start, start + delta, ... before limit.
enum RangeOperator {
  static let definitions = [
    OperatorDefinition(
      "Range", since: [11, 27], inputs: [.required("start", "T"), .required("limit", "T"), .required("delta", "T")],
      outputs: [.required("output", "T")], types: ["T": [.floats, TypeSet(.int16, .int32, .int64)]],
      attributes: [.int("stash_type", 1)], takesHalf: true,
      infer: { c in
        let type = c.elementType(0) ?? c.elementType(1) ?? c.elementType(2)
        if let start = c.constant(0), let limit = c.constant(1), let delta = c.constant(2) {
          return c.set(0, type, [try count(start, limit, delta)])
        }
        // From 0 or by 1 over a dimension.
        let d = try [c.dimensions(0)?.first, c.dimensions(1)?.first, c.dimensions(2)?.first]
        let n: Dimension = d[0] == .known(0) && d[2] == .known(1) ? d[1] ?? .unknown : .unknown
        c.set(0, type, [n])
      },
      kernel: { _ in
        { r in
          let start = try r.input(0)
          let delta = try r.input(2)
          let n = try count(start, r.input(1), delta)
          let y = try r.output(0, start.type, [n])
          switch y.type {
          case .int64: fill(y.pointer(Int64.self), try Int64(start.int()), try Int64(delta.int()), n)
          case .int32: fill(y.pointer(Int32.self), try Int32(clamping: start.int()), try Int32(clamping: delta.int()), n)
          case .int16: fill(y.pointer(Int16.self), try Int16(clamping: start.int()), try Int16(clamping: delta.int()), n)
          case .double:
            let (s, d) = try (start.scalar(), delta.scalar())
            let p = y.pointer(Double.self)
            r.pool.parallel(over: n, grain: 65536) { range in for i in range { p[i] = s + Double(i) * d } }
          default:
            let (s, d) = try (start.scalar(), delta.scalar())
            let wide = y.type == .float ? y : try r.temporary(.float, [n])
            let p = wide.pointer(Float.self), start = Float(s), step = Float(d)
            r.pool.parallel(over: n, grain: 65536) { range in for i in range { p[i] = start + Float(i) * step } }
            if y.type != .float { try Cast.apply(.float, wide.data, to: y.type, y.data, n, pool: r.pool) }
          }
        }
      })
  ]

  private static func fill<T: FixedWidthInteger>(_ y: UnsafeMutablePointer<T>, _ start: T, _ delta: T, _ n: Int) {
    var v = start
    for i in 0..<n {
      y[i] = v
      v &+= delta
    }
  }

  private static func count(_ start: Tensor, _ limit: Tensor, _ delta: Tensor) throws -> Int {
    if start.type.isInteger {
      let (s, e, d) = try (start.int(), limit.int(), delta.int())
      guard d != 0, d != .min else { throw SwiftletError(.runtime, "Range with a delta of \(d)") }
      let distance = try d > 0 ? Checked.subtract(e, s) : Checked.subtract(s, e)
      return distance <= 0 ? 0 : (distance - 1) / abs(d) + 1
    }
    let (s, e, d) = try (start.scalar(), limit.scalar(), delta.scalar())
    guard d != 0, d.isFinite else { throw SwiftletError(.runtime, "Range with a delta of \(d)") }
    return try max(0, Checked.int(((e - s) / d).rounded(.up), "the number of elements"))
  }
}
