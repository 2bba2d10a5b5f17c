import CKernels
import Glibc
import Kernels
import Tensors
import Testing

/// The positions in x that fold into each element of the result.
private func members(_ shape: [Int], _ axes: [Int]) -> [[Int]] {
  let kept = shape.indices.filter { !axes.contains($0) }
  var result = [[Int]](repeating: [], count: product(kept.map { shape[$0] }))
  for i in 0..<product(shape) {
    var rest = i
    var position = [Int](repeating: 0, count: shape.count)
    for k in shape.indices.reversed() {
      position[k] = rest % shape[k]
      rest /= shape[k]
    }
    result[kept.reduce(0) { $0 * shape[$1] + position[$1] }].append(i)
  }
  return result
}

private func subsets(_ n: Int) -> [[Int]] { (0..<(1 << n)).map { bits in (0..<n).filter { bits >> $0 & 1 == 1 } } }

private func expected(_ op: ReductionOperator, _ x: [Double]) -> Double {
  switch op {
  case .sum: return x.reduce(0, +)
  case .mean: return x.reduce(0, +) / Double(x.count)
  case .max: return x.max() ?? -.infinity
  case .min: return x.min() ?? .infinity
  case .prod: return x.reduce(1, *)
  case .l1: return x.reduce(0) { $0 + Swift.abs($1) }
  case .l2: return x.reduce(0) { $0 + $1 * $1 }.squareRoot()
  case .logSum: return log(x.reduce(0, +))
  case .logSumExp: return log(x.reduce(0) { $0 + exp($1) })
  case .sumSquare: return x.reduce(0) { $0 + $1 * $1 }
  }
}

private func reduce<T: BitwiseCopyable>(
  _ op: ReductionOperator, _ type: ElementType, _ x: [T], _ shape: [Int], _ axes: [Int], _ zero: T,
  pool: ThreadPool? = nil, level: swk_level = .best
) throws -> [T] {
  let kept = shape.indices.filter { !axes.contains($0) }.map { shape[$0] }
  return try output(product(kept), of: zero) {
    try Reduction.apply(op, type, x, shape, axes: axes, to: $0, pool: pool, level: level)
  }
}

@Suite struct ReductionTests {
  @Test(arguments: levels) func everySetOfAxes(level: swk_level) throws {
    var generator = Generator(seed: 21)
    for shape in [[7], [300], [5, 40], [3, 1, 70], [2, 3, 4, 5], [3, 4, 2, 17], []] {
      let x = generator.floats(product(shape), in: 0.5...1.5)
      for axes in subsets(shape.count) {
        let groups = members(shape, axes)
        for op in ReductionOperator.allCases {
          let got = try reduce(op, .float, x, shape, axes, Float(0), level: level)
          for (i, group) in groups.enumerated() {
            let want = expected(op, group.map { Double(x[$0]) })
            #expect(Swift.abs(Double(got[i]) - want) <= 2e-6 * max(1, Swift.abs(want)), "\(op) \(shape) \(axes) at \(i)")
          }
        }
      }
    }
  }

  @Test func otherTypes() throws {
    let x: [Int32] = [3, -4, 1, 2, .max, 1]
    #expect(try reduce(.sum, .int32, x, [3, 2], [1], 0) == [-1, 3, .min])
    #expect(try reduce(.max, .int32, x, [3, 2], [0], 0) == [.max, 2])
    #expect(try reduce(.l1, .int32, x, [3, 2], [1], 0) == [7, 3, .min])
    #expect(try reduce(.l2, .int32, x, [3, 2], [1], 0)[0] == 5)
    #expect(try reduce(.mean, .int32, x, [3, 2], [1], 0) == [0, 1, 1 << 30])
    #expect(try reduce(.min, .int8, [3, -4, 1] as [Int8], [3], [0], 0) == [-4])
    #expect(try reduce(.max, .bool, [0, 1, 0, 0] as [UInt8], [2, 2], [1], 0) == [1, 0])
    #expect(try reduce(.prod, .int64, [3, -4, 1 << 40] as [Int64], [3], [0], 0) == [-12 << 40])
    #expect(try reduce(.logSumExp, .double, [1, 2, 3] as [Double], [3], [0], 0)[0] == 3 + log(1 + exp(-1) + exp(-2)))
    let halves = [UInt16](repeating: Half.bits(0.1), count: 4096)
    #expect(try reduce(.mean, .float16, halves, [4096], [0], 0) == [Half.bits(0.1)])
  }

  @Test(arguments: levels) func specialValues(level: swk_level) throws {
    for n in [1, 5, 33, 1000] {
      var x = [Float](repeating: 2, count: n)
      x[n / 2] = .nan
      #expect(try reduce(.max, .float, x, [n], [0], 0, level: level)[0].isNaN)
      #expect(try reduce(.min, .float, x, [1, n, 1], [1], 0, level: level)[0].isNaN)
    }
    #expect(try reduce(.logSumExp, .float, [-.infinity, -.infinity] as [Float], [2], [0], 0, level: level) == [-.infinity])
    #expect(try reduce(.logSumExp, .float, [.infinity, 1] as [Float], [2], [0], 0, level: level) == [.infinity])
    let large = try reduce(.logSumExp, .float, [1000, 1000] as [Float], [2], [0], 0, level: level)[0]
    #expect(Swift.abs(large - 1000.6931) < 2e-4)
    let none: [Float] = []
    #expect(try reduce(.sum, .float, none, [0, 2], [0], 9, level: level) == [0, 0])
    #expect(try reduce(.prod, .float, none, [0, 2], [0], 9, level: level) == [1, 1])
    #expect(try reduce(.max, .float, none, [0], [0], 9, level: level) == [-.infinity])
    #expect(try reduce(.logSumExp, .float, none, [0], [0], 9, level: level) == [-.infinity])
  }

  @Test(arguments: levels) func longSumsStayAccurate(level: swk_level) throws {
    let n = 1 << 20
    let x = [Float](repeating: 0.1, count: n)
    let want = Double(Float(0.1)) * Double(n)
    let run = try reduce(.sum, .float, x, [n], [0], 0, level: level)[0]
    let column = try reduce(.sum, .float, x, [n / 4, 4], [0], 0, level: level)[0]
    #expect(Swift.abs(Double(run) - want) < want * 1e-6)
    #expect(Swift.abs(Double(column) * 4 - want) < want * 1e-4)
  }

  /// The order in which a run is summed is a part of the result: 32 sums side by side over 64 steps, joined by halves,
  /// then block by block in double.
  @Test(arguments: levels) func sumsHaveTheSameBitsAtEveryLevel(level: swk_level) throws {
    func sum(_ x: [Float]) -> Float {
      var total = 0.0, rest = x[...]
      while rest.count >= 32 {
        var lanes = [Float](repeating: 0, count: 32)
        for _ in 0..<min(64, rest.count / 32) {
          for k in 0..<32 { lanes[k] += rest[rest.startIndex + k] }
          rest = rest.dropFirst(32)
        }
        for width in [16, 8, 4, 2, 1] { for k in 0..<width { lanes[k] += lanes[k + width] } }
        total += Double(lanes[0])
      }
      return Float(rest.reduce(total) { $0 + Double($1) })
    }
    var generator = Generator(seed: 22)
    for n in [1, 31, 32, 33, 63, 64, 100, 500, 2047, 2048, 2049, 2080, 4096, 5000, 9000] {
      let x = generator.floats(3 * n)
      let rows = try reduce(.sum, .float, x, [3, n], [1], Float(0), level: level)
      for r in 0..<3 { #expect(same(rows[r], sum(Array(x[r * n..<(r + 1) * n]))), "\(n)") }
      // Columns: from top to bottom, 64 rows at a time.
      let columns = try reduce(.sum, .float, x, [n, 3], [0], Float(0), level: level)
      for c in 0..<3 {
        let blocks = stride(from: 0, to: n, by: 64).map { r0 in
          (r0..<min(n, r0 + 64)).reduce(Float(0)) { $0 + x[$1 * 3 + c] }
        }
        #expect(same(columns[c], blocks.reduce(0, +)), "\(n)")
      }
    }
  }

  @Test(arguments: levels) func extremesOfEveryLength(level: swk_level) throws {
    var generator = Generator(seed: 23)
    for n in Array(1...300) + [511, 512, 513, 4095, 4096, 4200] {
      var x = generator.floats(n)
      #expect(try reduce(.max, .float, x, [n], [0], 0, level: level) == [x.max() ?? 0])
      #expect(try reduce(.min, .float, x, [n], [0], 0, level: level) == [x.min() ?? 0])
      x[Int(generator.next() >> 33) % n] = .nan
      #expect(try reduce(.max, .float, x, [n], [0], 0, level: level)[0].isNaN)
      #expect(try reduce(.min, .float, x, [n], [0], 0, level: level)[0].isNaN)
    }
  }

  @Test func threadsAgree() throws {
    let pool = try ThreadPool(width: 2)
    var generator = Generator(seed: 5)
    let x = generator.floats(600_000)
    for axes in [[0], [1], [2], [0, 2], [0, 1, 2]] {
      #expect(
        try reduce(.max, .float, x, [30, 100, 200], axes, 0, pool: pool)
          == (try reduce(.max, .float, x, [30, 100, 200], axes, 0)))
    }
  }

  @Test(arguments: levels) func positionsOfExtremes(level: swk_level) throws {
    func arg(max: Bool, last: Bool, _ x: [Float], _ shape: [Int], _ axis: Int) throws -> [Int64] {
      try output(product(shape) / shape[axis], of: Int64(-1)) { out in
        try Reduction.arg(
          max: max, .float, x, shape, axis: axis, selectLastIndex: last, to: out.assumingMemoryBound(to: Int64.self),
          level: level)
      }
    }
    #expect(try arg(max: true, last: false, [1, 3, 3, 0], [4], 0) == [1])
    #expect(try arg(max: true, last: true, [1, 3, 3, 0], [4], 0) == [2])
    #expect(try arg(max: false, last: false, [1, .nan, 0, .nan], [4], 0) == [1])
    #expect(try arg(max: false, last: true, [1, .nan, 0, .nan], [4], 0) == [3])
    #expect(try arg(max: true, last: false, [1, 5, 3, 5, 2, 4], [3, 2], 0) == [1, 0])
    #expect(try arg(max: true, last: true, [5, 5, .nan, 5, 2, .nan], [3, 2], 0) == [1, 2])
    var generator = Generator(seed: 9)
    for shape in [[3, 500, 1], [2, 17, 300], [1, 1000, 5], [4, 1, 3]] {
      let x = generator.floats(product(shape)).map { ($0 * 8).rounded() }
      for last in [false, true] {
        let got = try arg(max: true, last: last, x, shape, 1)
        for (i, group) in members(shape, [1]).enumerated() {
          let values = group.map { x[$0] }
          let most = values.max()
          #expect(Int(got[i]) == (last ? values.lastIndex { $0 == most } : values.firstIndex { $0 == most }))
        }
      }
    }
  }

  @Test func cumulations() throws {
    func cumulate(_ exclusive: Bool, _ reverse: Bool, product isProduct: Bool = false) throws -> [Int32] {
      try output(6, of: 0) {
        try Reduction.cumulate(
          product: isProduct, .int32, [1, 2, 3, 4, 5, 6] as [Int32], [2, 3], axis: 1, exclusive: exclusive,
          reverse: reverse, to: $0)
      }
    }
    #expect(try cumulate(false, false) == [1, 3, 6, 4, 9, 15])
    #expect(try cumulate(true, false) == [0, 1, 3, 0, 4, 9])
    #expect(try cumulate(false, true) == [6, 5, 3, 15, 11, 6])
    #expect(try cumulate(true, true) == [5, 3, 0, 11, 6, 0])
    #expect(try cumulate(false, false, product: true) == [1, 2, 6, 4, 20, 120])
    let columns: [Float] = try output(6, of: 0) {
      try Reduction.cumulate(.float, [1, 2, 3, 4, 5, 6] as [Float], [3, 2], axis: 0, exclusive: false, reverse: false, to: $0)
    }
    #expect(columns == [1, 2, 4, 6, 9, 12])
  }

  @Test func cumulationsOfManyShapes() throws {
    var generator = Generator(seed: 24)
    for (outer, n, inner) in [(1, 40, 1), (9, 37, 1), (17, 16, 1), (8, 1, 1), (2, 5, 7), (3, 33, 130), (1, 1, 5)] {
      let x = generator.floats(outer * n * inner)
      for (exclusive, reverse) in [(false, false), (true, false), (false, true), (true, true)] {
        var want = x
        for o in 0..<outer {
          for k in 0..<inner {
            var sum: Float = 0
            for step in 0..<n {
              let at = (o * n + (reverse ? n - 1 - step : step)) * inner + k, before = sum
              sum += x[at]
              want[at] = exclusive ? before : sum
            }
          }
        }
        let got: [Float] = try output(x.count, of: 0) {
          try Reduction.cumulate(
            .float, x, [outer, n, inner], axis: 1, exclusive: exclusive, reverse: reverse, to: $0)
        }
        #expect(got == want, "\(outer), \(n), \(inner)")
      }
    }
  }
}
