import CKernels
import Glibc
import Kernels
import Tensors
import Testing

private func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }
private func sigmoid(_ x: Double) -> Double { x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)) }
private func clamp(_ x: Double, _ low: Double, _ high: Double) -> Double { x < low ? low : x > high ? high : x }

/// A function, its parameters, what it computes in double, and its largest error in units in the last place; functions
/// that cancel have an absolute error beside.
private struct Case: CustomStringConvertible {
  let op: UnaryOperator
  var parameters = UnaryParameters()
  let ulps: Double
  var absolute = 0.0
  let f: (Double) -> Double
  var description: String { "\(op)" }
}

private let a = 0.7, b = 0.3
private let ab = UnaryParameters(alpha: a, beta: b)
private let cases: [Case] = [
  Case(op: .negate, ulps: 0, f: { -$0 }),
  Case(op: .abs, ulps: 0, f: { Swift.abs($0) }),
  Case(op: .sign, ulps: 0, f: { $0 > 0 ? 1 : $0 < 0 ? -1 : $0 }),
  Case(op: .sqrt, ulps: 0.5, f: { $0.squareRoot() }),
  Case(op: .reciprocal, ulps: 0.5, f: { 1 / $0 }),
  Case(op: .square, ulps: 0.5, f: { $0 * $0 }),
  Case(op: .ceil, ulps: 0, f: { Glibc.ceil($0) }),
  Case(op: .floor, ulps: 0, f: { Glibc.floor($0) }),
  Case(op: .round, ulps: 0, f: { $0.rounded(.toNearestOrEven) }),
  Case(op: .exp, ulps: 1, f: { Glibc.exp($0) }),
  Case(op: .log, ulps: 0.8, f: { Glibc.log($0) }),
  Case(op: .erf, ulps: 1.1, f: { Glibc.erf($0) }),
  Case(op: .sin, ulps: 1, f: { Glibc.sin($0) }),
  Case(op: .cos, ulps: 1, f: { Glibc.cos($0) }),
  Case(op: .tan, ulps: 1, f: { Glibc.tan($0) }),
  Case(op: .asin, ulps: 1, f: { Glibc.asin($0) }),
  Case(op: .acos, ulps: 1, f: { Glibc.acos($0) }),
  Case(op: .atan, ulps: 1, f: { Glibc.atan($0) }),
  Case(op: .sinh, ulps: 2.5, f: { Glibc.sinh($0) }),
  Case(op: .cosh, ulps: 2.5, f: { Glibc.cosh($0) }),
  Case(op: .asinh, ulps: 2.5, f: { Glibc.asinh($0) }),
  Case(op: .acosh, ulps: 2.5, f: { Glibc.acosh($0) }),
  Case(op: .atanh, ulps: 2.5, f: { Glibc.atanh($0) }),
  Case(op: .tanh, ulps: 5.5, f: { Glibc.tanh($0) }),
  Case(op: .sigmoid, ulps: 2.2, f: sigmoid),
  Case(op: .relu, ulps: 0, f: { $0 < 0 ? 0 : $0 }),
  Case(op: .leakyRelu, parameters: ab, ulps: 1, f: { $0 < 0 ? a * $0 : $0 }),
  Case(op: .elu, parameters: ab, ulps: 2, f: { $0 < 0 ? a * expm1($0) : $0 }),
  Case(op: .selu, parameters: ab, ulps: 3, f: { b * ($0 < 0 ? a * expm1($0) : $0) }),
  Case(op: .celu, parameters: ab, ulps: 4, f: { $0 < 0 ? a * expm1($0 / a) : $0 }),
  Case(op: .softplus, ulps: 1.9, f: softplus),
  Case(op: .softsign, ulps: 2, f: { Swift.abs($0) == .infinity ? .nan : $0 / (1 + Swift.abs($0)) }),
  Case(op: .hardSigmoid, parameters: ab, ulps: 2, absolute: 1e-6, f: { clamp(a * $0 + b, 0, 1) }),
  Case(op: .hardSwish, ulps: 4, absolute: 1e-6, f: { $0 * clamp($0 / 6 + 0.5, 0, 1) }),
  Case(op: .thresholdedRelu, parameters: ab, ulps: 0, f: { $0 > a ? $0 : 0 }),
  Case(op: .gelu, ulps: 4, absolute: 5e-7, f: { 0.5 * $0 * erfc(-$0 * 0.5.squareRoot()) }),
  Case(
    op: .geluTanh, ulps: 4, absolute: 1e-6,
    f: { 0.5 * $0 * (1 + Glibc.tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) }),
  Case(op: .swish, parameters: ab, ulps: 60, absolute: 1e-6, f: { $0 * sigmoid(a * $0) }),
  Case(op: .mish, ulps: 60, absolute: 1e-6, f: { $0 * Glibc.tanh(softplus($0)) }),
  Case(op: .shrink, parameters: ab, ulps: 1, f: { $0 < -a ? $0 + b : $0 > a ? $0 - b : 0 }),
  Case(op: .scale, parameters: ab, ulps: 2, absolute: 1e-6, f: { a * $0 + b }),
]

private func unary<T: BitwiseCopyable, R: BitwiseCopyable>(
  _ op: UnaryOperator, _ type: ElementType, _ x: [T], _ parameters: UnaryParameters = .init(), _ zero: R,
  level: swk_level = .best
) throws -> [R] {
  try output(x.count, of: zero) { try Unary.apply(op, type, x, to: $0, x.count, parameters, level: level) }
}

/// Floats of every magnitude, each of the special ones, and many near 0.
private let inputs: [Float] = {
  var generator = Generator(seed: 7)
  let anywhere = (0..<20_000).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: generator.next() >> 32)) }
  return specialFloats + generator.floats(3000) + generator.floats(3000, in: -30...30) + anywhere.filter { !$0.isNaN }
}()

@Suite struct UnaryTests {
  @Test(arguments: cases) fileprivate func floatsAgreeWithDouble(test: Case) throws {
    for level in levels {
      let got: [Float] = try unary(test.op, .float, inputs, test.parameters, 0, level: level)
      for (x, y) in zip(inputs, got) {
        let exact = test.f(Double(x)), want = Float(exact)
        if test.op == .gelu || test.op == .geluTanh || test.op == .swish || test.op == .mish, Swift.abs(x) > 1e4 { continue }
        if want.isNaN || want.isInfinite || y.isNaN {
          #expect(same(y, want), "\(test.op)(\(x)) = \(y), not \(want)")
        } else {
          let error = Swift.abs(Double(y) - exact)
          let limit = max(test.absolute, (test.ulps + 1e-3) * Double(max(want.ulp, .leastNonzeroMagnitude)))
          #expect(error <= limit, "\(test.op)(\(x)) = \(y), not \(exact)")
        }
      }
    }
  }

  @Test(arguments: cases) fileprivate func doubles(test: Case) throws {
    let x: [Double] = [-3.5, -1, -0.25, 0, 0.25, 0.5, 1, 3.5]
    let got: [Double] = try unary(test.op, .double, x, test.parameters, 0)
    for (x, y) in zip(x, got) {
      let want = test.f(x)
      #expect(want.isNaN ? y.isNaN : want.isInfinite ? y == want : Swift.abs(y - want) <= 1e-14 * max(1, Swift.abs(want)), "\(test.op)(\(x))")
    }
  }

  @Test(arguments: levels) func halvesRoundOnce(level: swk_level) throws {
    let all = (0...UInt16.max).map { $0 }
    let roots: [UInt16] = try unary(.sqrt, .float16, all, .init(), 0, level: level)
    let negated: [UInt16] = try unary(.negate, .bfloat16, all, .init(), 0, level: level)
    for h in all {
      let x = Half.float(h)
      if !x.isNaN && x >= 0 { #expect(roots[Int(h)] == Half.bits(x.squareRoot())) }
      let b = Float(bitPattern: UInt32(h) << 16)
      if !b.isNaN { #expect(negated[Int(h)] == h ^ 0x8000) }
    }
    let infinite: [UInt8] = try unary(.isInf, .float16, all, .init(alpha: 1, beta: 0), 9, level: level)
    #expect(infinite.indices.filter { infinite[$0] == 1 } == [0xfc00])
    let nans: [UInt8] = try unary(.isNaN, .float16, all, .init(), 9, level: level)
    #expect(nans.filter { $0 == 1 }.count == 2 * 1023)
  }

  @Test(arguments: levels) func integers(level: swk_level) throws {
    let x: [Int32] = [.min, -5, -1, 0, 1, 7, .max]
    #expect(try unary(.negate, .int32, x, .init(), 0 as Int32, level: level) == x.map { 0 &- $0 })
    #expect(try unary(.abs, .int32, x, .init(), 0 as Int32, level: level) == [.min, 5, 1, 0, 1, 7, .max])
    #expect(try unary(.sign, .int32, x, .init(), 0 as Int32, level: level) == [-1, -1, -1, 0, 1, 1, 1])
    #expect(try unary(.relu, .int32, x, .init(), 0 as Int32, level: level) == [0, 0, 0, 0, 1, 7, .max])
    #expect(try unary(.bitNot, .uint8, [0, 1, 255] as [UInt8], .init(), 0 as UInt8, level: level) == [255, 254, 0])
    #expect(try unary(.not, .bool, [0, 1, 1] as [UInt8], .init(), 9 as UInt8, level: level) == [1, 0, 0])
    let low: Int64 = -3, high: Int64 = 1 << 60
    let clip = try UnaryParameters(clip: .int64, low: [low], high: [high])
    #expect(try unary(.clip, .int64, [.min, 5, .max] as [Int64], clip, 0 as Int64, level: level) == [low, 5, high])
  }

  @Test(arguments: levels) func clipKeepsNaNAndTakesMissingBounds(level: swk_level) throws {
    let low: [Float] = [-1]
    let bounds = try UnaryParameters(clip: .float, low: low, high: nil)
    let got: [Float] = try unary(.clip, .float, [-3, .nan, 5, .infinity, -.infinity] as [Float], bounds, 0, level: level)
    #expect(same(got[1], .nan) && got[0] == -1 && got[2] == 5 && got[3] == .infinity && got[4] == -1)
  }

  @Test(arguments: levels) func tailsAndInPlace(level: swk_level) throws {
    for n in 0..<70 {
      var generator = Generator(seed: UInt64(n + 1))
      var x = generator.floats(n)
      let want = x.map { $0 < 0 ? 0 : $0 }
      try x.withUnsafeMutableBytes { p in
        guard let base = p.baseAddress else { return }
        try Unary.apply(.relu, .float, base, to: base, n, level: level)
      }
      #expect(x == want)
    }
  }

  @Test(arguments: levels) func sumsWithABiasGoThroughTheFunction(level: swk_level) throws {
    var generator = Generator(seed: 41)
    let pool = try ThreadPool(width: 2)
    for (rows, n) in [(3, 1), (5, 100), (100, 5), (3, 4096), (2, 5000), (40, 3000)] {
      let x = generator.floats(rows * n), bias = generator.floats(n)
      let sums = x.indices.map { x[$0] + bias[$0 % n] }
      let want: [Float] = try output(x.count, of: 0) {
        try Unary.apply(.geluTanh, .float, sums, to: $0, x.count, level: level)
      }
      let got: [Float] = try output(x.count, of: 0) {
        try Unary.apply(.geluTanh, .float, x, rows: rows, plus: bias, n, to: $0, pool: pool, level: level)
      }
      #expect(zip(got, want).allSatisfy { abs($0 - $1) <= 1e-6 }, "\(rows) rows of \(n)")
    }
  }
}
