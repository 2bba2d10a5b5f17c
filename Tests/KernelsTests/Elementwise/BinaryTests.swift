import CKernels
import Kernels
import Tensors
import Testing

private let shapes: [(a: [Int], b: [Int])] = [
  ([7], [7]), ([3, 5], [3, 5]), ([], []), ([100], []), ([], [67]), ([2, 3, 4], [4]), ([2, 3, 4], [3, 1]),
  ([2, 3, 17], [2, 1, 1]), ([4, 1], [1, 9]), ([2, 1, 3, 1], [5, 1, 33]), ([1], [2, 3]), ([0, 3], [3]), ([6, 40], [6, 1]),
]

private func binary<T: BitwiseCopyable, R: BitwiseCopyable>(
  _ op: BinaryOperator, _ type: ElementType, _ a: [T], _ aShape: [Int], _ b: [T], _ bShape: [Int], _ zero: R,
  level: swk_level
) throws -> [R] {
  let outShape = try Broadcast.shape([aShape, bShape])
  return try output(product(outShape), of: zero) { out in
    try Binary.apply(op, type, a, aShape, b, bShape, to: out, outShape, level: level)
  }
}

@Suite struct BinaryTests {
  @Test(arguments: levels) func floatsBroadcastBothWays(level: swk_level) throws {
    let operators: [(BinaryOperator, (Float, Float) -> Float)] = [
      (.add, { $0 + $1 }), (.subtract, { $0 - $1 }), (.multiply, { $0 * $1 }), (.divide, { $0 / $1 }),
      (.min, { $0.isNaN || $1.isNaN ? .nan : $0 < $1 ? $0 : $1 }),
      (.max, { $0.isNaN || $1.isNaN ? .nan : $0 > $1 ? $0 : $1 }),
      (.remainder, { $0.truncatingRemainder(dividingBy: $1) }), (.prelu, { $0 < 0 ? $0 * $1 : $0 }),
    ]
    var random = Generator(seed: 1)
    for (aShape, bShape) in shapes {
      let a = random.floats(product(aShape)), b = random.floats(product(bShape))
      let outShape = try Broadcast.shape([aShape, bShape])
      for (op, f) in operators {
        let got = try binary(op, .float, a, aShape, b, bShape, Float(0), level: level)
        for i in got.indices {
          let want = f(a[sourceIndex(i, aShape, outShape)], b[sourceIndex(i, bShape, outShape)])
          #expect(same(got[i], want), "\(op) \(aShape) \(bShape) at \(i)")
        }
      }
      let less: [UInt8] = try binary(.less, .float, a, aShape, b, bShape, 9, level: level)
      for i in less.indices {
        #expect(less[i] == (a[sourceIndex(i, aShape, outShape)] < b[sourceIndex(i, bShape, outShape)] ? 1 : 0))
      }
    }
  }

  @Test(arguments: levels) func everyPairOfSpecialValues(level: swk_level) throws {
    let n = specialFloats.count
    let a = specialFloats.flatMap { Array(repeating: $0, count: n) }
    let b = Array(repeating: specialFloats, count: n).flatMap { $0 }
    let low: [Float] = try binary(.min, .float, a, [n * n], b, [n * n], 0, level: level)
    let equal: [UInt8] = try binary(.equal, .float, a, [n * n], b, [n * n], 0, level: level)
    for i in a.indices {
      #expect(a[i].isNaN || b[i].isNaN ? low[i].isNaN : low[i] == Swift.min(a[i], b[i]))
      #expect((equal[i] == 1) == (a[i] == b[i]))
    }
  }

  @Test(arguments: levels) func integersWrapAndDivideTowardsZero(level: swk_level) throws {
    func check<T: FixedWidthInteger & BitwiseCopyable>(_ type: ElementType, _: T.Type) throws {
      var values: [T] = [0, 1, 2, 3, 5, 7, .max, .min, .max - 1, .min + 1]
      if T.isSigned { values += [0 &- 1, 0 &- 2, 0 &- 7] }
      let n = values.count
      let a = values.flatMap { Array(repeating: $0, count: n) }, b = Array(repeating: values, count: n).flatMap { $0 }
      let operators: [(BinaryOperator, (T, T) -> T)] = [
        (.add, { $0 &+ $1 }), (.subtract, { $0 &- $1 }), (.multiply, { $0 &* $1 }), (.min, { Swift.min($0, $1) }),
        (.max, { Swift.max($0, $1) }), (.bitAnd, { $0 & $1 }), (.bitOr, { $0 | $1 }), (.bitXor, { $0 ^ $1 }),
        (.shiftLeft, { $1 < 0 || $1 >= T.bitWidth ? 0 : $0 << $1 }),
      ]
      for (op, f) in operators {
        let got: [T] = try binary(op, type, a, [n, n], b, [n, n], 0, level: level)
        for i in got.indices { #expect(got[i] == f(a[i], b[i]), "\(type) \(op) \(a[i]) \(b[i])") }
      }
      let pairs = zip(a, b).filter { $0.1 != 0 && !$0.0.dividedReportingOverflow(by: $0.1).overflow }
      if T.isSigned {
        #expect(throws: SwiftletError.self) { let _: [T] = try binary(.divide, type, [T.min], [1], [0 &- 1], [1], 0, level: level) }
      }
      let x = pairs.map(\.0), y = pairs.map(\.1)
      let quotients: [T] = try binary(.divide, type, x, [x.count], y, [x.count], 0, level: level)
      let remainders: [T] = try binary(.remainder, type, x, [x.count], y, [x.count], 0, level: level)
      let moduli: [T] = try binary(.modulus, type, x, [x.count], y, [x.count], 0, level: level)
      for i in x.indices {
        #expect(quotients[i] == x[i].dividedReportingOverflow(by: y[i]).partialValue)
        let r = x[i].remainderReportingOverflow(dividingBy: y[i]).partialValue
        #expect(remainders[i] == r)
        #expect(moduli[i] == (r != 0 && (r < 0) != (y[i] < 0) ? r + y[i] : r))
      }
      for op in [BinaryOperator.divide, .modulus, .remainder] {
        #expect(throws: SwiftletError.self) { let _: [T] = try binary(op, type, [1, 2], [2], [1, 0], [2], 0, level: level) }
      }
    }
    try check(.int8, Int8.self)
    try check(.int16, Int16.self)
    try check(.int32, Int32.self)
    try check(.int64, Int64.self)
    try check(.uint8, UInt8.self)
    try check(.uint16, UInt16.self)
    try check(.uint32, UInt32.self)
    try check(.uint64, UInt64.self)
  }

  @Test(arguments: levels) func halvesRoundOnce(level: swk_level) throws {
    var random = Generator(seed: 3)
    let a = random.floats(2500).map { Half.bits($0) }, b = random.floats(50).map { Half.bits($0) }
    let got: [UInt16] = try binary(.multiply, .float16, a, [50, 50], b, [50, 1], 0, level: level)
    for i in got.indices {
      #expect(got[i] == Half.bits(Half.float(a[i]) * Half.float(b[i / 50])))
    }
  }

  @Test(arguments: levels) func anOperandMayBeTheResult(level: swk_level) throws {
    var generator = Generator(seed: 4)
    var a = generator.floats(1000)
    let before = a, b = generator.floats(1000)
    try a.withUnsafeMutableBytes { p in
      guard let base = p.baseAddress else { return }
      try Binary.apply(.add, .float, base, [10, 100], b, [10, 100], to: base, [10, 100], level: level)
      try Binary.apply(.subtract, .float, b, [10, 100], base, [10, 100], to: base, [10, 100], level: level)
    }
    for i in a.indices { #expect(a[i] == b[i] - (before[i] + b[i])) }
  }

  @Test func powersOfEveryPairOfTypes() throws {
    func power<B: BitwiseCopyable, E: BitwiseCopyable>(
      _ type: ElementType, _ base: [B], _ exponentType: ElementType, _ exponent: [E], _ zero: B
    ) throws -> [B] {
      try output(base.count, of: zero) { out in
        try Binary.power(
          type, base, [base.count], exponentType: exponentType, exponent, exponent.count == 1 ? [] : [exponent.count],
          to: out, [base.count])
      }
    }
    #expect(try power(.float, [1, 2, 3] as [Float], .float, [2] as [Float], 0) == [1, 4, 9])
    #expect(try power(.float, [4, 0.25, -Float.infinity] as [Float], .float, [0.5] as [Float], 0) == [2, 0.5, .infinity])
    #expect(try power(.float, [2, 3, 4] as [Float], .int32, [1, 2, 3] as [Int32], 0) == [2, 9, 64])
    #expect(try power(.int64, [2, -3, 7] as [Int64], .int64, [62, 3, -1] as [Int64], 0) == [1 << 62, -27, 0])
    #expect(try power(.int32, [2, 9, 7] as [Int32], .float, [3, 0.5, 2] as [Float], 0) == [8, 3, 49])
    #expect(try power(.int32, [2, 9, 7] as [Int32], .uint8, [3, 1, 2] as [UInt8], 0) == [8, 9, 49])
    #expect(try power(.float16, [Half.bits(3)], .float16, [Half.bits(2)], 0) == [Half.bits(9)])
  }

  @Test(arguments: levels) func selectionBroadcastsThreeWays(level: swk_level) throws {
    let cases: [([Int], [Int], [Int])] = [
      ([3, 4], [3, 4], [3, 4]), ([3, 1], [4], [3, 4]), ([4], [], [3, 1]), ([], [5], [2, 1]), ([2, 3, 1], [1, 1, 9], []),
      ([2, 9], [], []),
    ]
    for (c, x, y) in cases {
      let shape = try Broadcast.shape([c, x, y])
      let condition = (0..<product(c)).map { UInt8($0 * 7 % 3 == 0 ? 0 : 1) }
      func check<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) throws {
        let xs = (0..<product(x)).map { T(truncatingIfNeeded: $0) }
        let ys = (0..<product(y)).map { T(truncatingIfNeeded: $0 + 100) }
        let got: [T] = try output(product(shape), of: 0) { out in
          try Select.apply(condition, c, xs, x, ys, y, to: out, shape, elementSize: MemoryLayout<T>.size, level: level)
        }
        for i in got.indices {
          let want = condition[sourceIndex(i, c, shape)] != 0 ? xs[sourceIndex(i, x, shape)] : ys[sourceIndex(i, y, shape)]
          #expect(got[i] == want)
        }
      }
      try check(UInt8.self)
      try check(UInt16.self)
      try check(UInt32.self)
      try check(UInt64.self)
    }
  }

  @Test func largeTensorsAreSplitAmongThreads() throws {
    let pool = try ThreadPool(width: 2)
    let n = 300_001
    var random = Generator(seed: 6)
    let a = random.floats(n), b = random.floats(n)
    let got: [Float] = try output(n, of: 0) { try Binary.apply(.add, .float, a, [n], b, [n], to: $0, [n], pool: pool) }
    #expect((0..<n).allSatisfy { got[$0] == a[$0] + b[$0] })
    let rows: [Float] = try output(300_000, of: 0) {
      try Binary.apply(.multiply, .float, a, [3, 1000, 100], b, [1000, 1], to: $0, [3, 1000, 100], pool: pool)
    }
    #expect((0..<300_000).allSatisfy { rows[$0] == a[$0] * b[$0 / 100 % 1000] })
  }

  @Test func whatDoesNotFitIsAnError() {
    #expect(throws: SwiftletError.self) { try Broadcast.shape([[2, 3], [4]]) }
    #expect(throws: SwiftletError.self) {
      let _: [Float] = try binary(.bitAnd, .float, [1] as [Float], [1], [1], [1], 0, level: .best)
    }
  }
}
