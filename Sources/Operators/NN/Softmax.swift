import Glibc
import Kernels
import Tensors

/// Softmax, LogSoftmax and Hardmax. Before version 13 the dimensions from `axis` on count as one.
enum Softmax {
  enum Kind { case softmax, log, hard }

  static let definitions = [
    definition("Softmax", .softmax, [1, 11], axis: 1), definition("Softmax", .softmax, [13], axis: -1),
    definition("LogSoftmax", .log, [1, 11], axis: 1), definition("LogSoftmax", .log, [13], axis: -1),
    definition("Hardmax", .hard, [1, 11], axis: 1), definition("Hardmax", .hard, [13], axis: -1),
  ]

  private static func definition(_ name: String, _ kind: Kind, _ since: [Int], axis: Int) -> OperatorDefinition {
    OperatorDefinition(
      name, since: since, inputs: [.required("input", "T")], outputs: [.required("output", "T")], types: ["T": .floats],
      attributes: [.int("axis", axis)], memory: kind == .hard ? .fresh : .inPlace([0]),
      exactness: kind == .hard ? .exact : .rounding,
      infer: { c in
        if let rank = c.rank(0) { _ = try split(c, Array(repeating: 1, count: rank)) }
        c.set(0, like: 0)
      },
      kernel: { c in
        { r in
          let x = try r.input(0), y = try r.output(0)
          let (outer, n, inner) = try split(c, x.shape)
          guard x.count > 0 else { return }
          try dispatch(
            x.type, float: { try run(kind, x.pointer(Float.self), y.pointer(Float.self), outer, n, inner, r.pool) },
            double: { try run(kind, x.pointer(Double.self), y.pointer(Double.self), outer, n, inner, r.pool) })
        }
      })
  }

  private static func split(_ c: some NodeReading, _ shape: [Int]) throws -> (outer: Int, n: Int, inner: Int) {
    let axis = try c.int("axis"), flattens = c.version < 13
    if shape.isEmpty, axis == 0 || axis == -1 || flattens { return (1, 1, 1) }
    // The flattening forms allow axis = rank.
    let a = flattens && axis == shape.count ? axis : try Checked.axis(axis, rank: shape.count)
    let outer = try Checked.count(Array(shape[..<a]))
    if flattens { return (outer, try Checked.count(Array(shape[a...])), 1) }
    return (outer, shape[a], try Checked.count(Array(shape[(a + 1)...])))
  }

  static func run<S: KernelScalar & SIMDScalar>(
    _ kind: Kind, _ x: UnsafePointer<S>, _ y: UnsafeMutablePointer<S>, _ outer: Int, _ n: Int, _ inner: Int,
    _ pool: ThreadPool
  ) throws {
    if kind == .hard { return hardmax(x, y, outer, n, inner, pool) }
    if inner == 1 {
      return try Rows.parallel(outer, n, pool) { rows in
        let start = rows.lowerBound * n
        try Rows.softmax(x + start, y + start, rows: rows.count, n, log: kind == .log)
      }
    }
    // Pieces of the inner dimension, so that few outer ones keep all threads busy too.
    let width = min(inner, 512), pieces = (inner + width - 1) / width
    try Rows.parallel(outer * pieces, n * width, pool) { range in
      var extremes = [S](repeating: 0, count: width), sums = extremes
      for piece in range {
        let first = piece % pieces * width, count = min(width, inner - first)
        let start = piece / pieces * n * inner + first
        try extremes.withUnsafeMutableBufferPointer { m in
          try sums.withUnsafeMutableBufferPointer { s in
            try columns(kind, x + start, y + start, n, inner, count, m, s)
          }
        }
      }
    }
  }

  /// Softmax down `count` columns of n elements, `step` apart.
  private static func columns<S: KernelScalar & SIMDScalar>(
    _ kind: Kind, _ x: UnsafePointer<S>, _ y: UnsafeMutablePointer<S>, _ n: Int, _ step: Int, _ count: Int,
    _ m: UnsafeMutableBufferPointer<S>, _ s: UnsafeMutableBufferPointer<S>
  ) throws {
    guard let m = m.baseAddress, let s = s.baseAddress else { return }
    for j in 0..<count { (m[j], s[j]) = (x[j], 0) }
    for i in 1..<max(n, 1) {
      let row = x + i * step
      for j in 0..<count { m[j] = row[j] > m[j] ? row[j] : m[j] }
    }
    let e = kind == .log ? UnsafeMutablePointer<S>.allocate(capacity: count) : nil
    defer { e?.deallocate() }
    for i in 0..<n {
      let row = x + i * step, out = y + i * step
      for j in 0..<count { out[j] = row[j] - m[j] }
      let exponential = e ?? out
      try Unary.apply(.exp, S.elementType, out, to: exponential, count)
      for j in 0..<count { s[j] += exponential[j] }
    }
    if kind == .log {
      for j in 0..<count { s[j] = S.log(s[j]) }
    } else {
      for j in 0..<count { s[j] = 1 / s[j] }
    }
    for i in 0..<n {
      let out = y + i * step
      if kind == .log {
        for j in 0..<count { out[j] -= s[j] }
      } else {
        for j in 0..<count { out[j] *= s[j] }
      }
    }
  }

  private static func hardmax<S: KernelScalar>(
    _ x: UnsafePointer<S>, _ y: UnsafeMutablePointer<S>, _ outer: Int, _ n: Int, _ inner: Int, _ pool: ThreadPool
  ) {
    pool.parallel(over: outer * inner, grain: max(1, 16384 / max(n, 1))) { range in
      for k in range {
        let start = k / inner * n * inner + k % inner
        var best = 0
        for i in 0..<n {
          if x[start + i * inner] > x[start + best * inner] { best = i }
          y[start + i * inner] = 0
        }
        y[start + best * inner] = 1
      }
    }
  }
}

extension KernelScalar {
  static func log(_ x: Double) -> Double { Glibc.log(x) }
  static func log(_ x: Self) -> Self { Self(Glibc.log(Double(x))) }
}
