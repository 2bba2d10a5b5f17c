import CKernels
import Tensors
import Testing

@testable import Kernels

@Suite struct LowBitWeights {
  struct Sizes: CustomTestStringConvertible {
    let m: Int, n: Int, k: Int, bits: Int, block: Int
    var testDescription: String { "\(m) x \(n) x \(k), \(bits) bits in blocks of \(block)" }
  }

  /// The matrix that the bytes stand for.
  private func matrix(_ s: Sizes, _ bytes: [UInt8], _ scales: [Float], _ zeros: [UInt8]) -> [Float] {
    let blocks = (s.k + s.block - 1) / s.block, parts = 8 / s.bits, mask = UInt8(1 << s.bits - 1)
    return (0..<s.n * s.k).map { i in
      let (row, column) = (i / s.k, i % s.k), at = row * blocks * s.block + column, b = column / s.block
      let q = bytes[at / parts] >> (at % parts * s.bits) & mask
      let z = zeros[row * ((blocks + parts - 1) / parts) + b / parts] >> (b % parts * s.bits) & mask
      return (Float(q) - Float(z)) * scales[row * blocks + b]
    }
  }

  @Test(arguments: [
    Sizes(m: 1, n: 5, k: 64, bits: 4, block: 32), Sizes(m: 3, n: 4, k: 70, bits: 4, block: 32),
    Sizes(m: 1, n: 3, k: 33, bits: 8, block: 16), Sizes(m: 5, n: 3, k: 70, bits: 4, block: 32),
    Sizes(m: 9, n: 4, k: 50, bits: 8, block: 16), Sizes(m: 4, n: 3, k: 130, bits: 2, block: 64),
    Sizes(m: 2, n: 3, k: 128, bits: 2, block: 64), Sizes(m: 1, n: 1, k: 1, bits: 4, block: 128),
    Sizes(m: 1, n: 2, k: 40, bits: 4, block: 16), Sizes(m: 7, n: 37, k: 800, bits: 4, block: 32),
    Sizes(m: 5, n: 50, k: 420, bits: 8, block: 32), Sizes(m: 4, n: 17, k: 1000, bits: 4, block: 256),
    Sizes(m: 4, n: 9, k: 300, bits: 4, block: 64), Sizes(m: 6, n: 33, k: 500, bits: 2, block: 64),
  ])
  func rowsAndProductsAgreeWithPlainLoops(_ s: Sizes) throws {
    var random = Generator(seed: UInt64(s.k * s.bits))
    let blocks = (s.k + s.block - 1) / s.block, zeroBytes = (blocks * s.bits + 7) / 8
    let bytes = (0..<s.n * blocks * s.block * s.bits / 8).map { _ in UInt8(truncatingIfNeeded: random.next() >> 32) }
    let zeros = (0..<s.n * zeroBytes).map { _ in UInt8(truncatingIfNeeded: random.next() >> 32) }
    let scales: [Float] = random.reals(s.n * blocks), x: [Float] = random.reals(s.m * s.k)
    let bias: [Float] = random.reals(s.n)
    let w = matrix(s, bytes, scales, zeros)
    let pool = try ThreadPool(width: 2)
    for level in levels {
      try bytes.withUnsafeBufferPointer { data in
        try zeros.withUnsafeBufferPointer { points in
          try scales.withUnsafeBufferPointer { factors in
            guard let data = data.baseAddress, let points = points.baseAddress, let factors = factors.baseAddress else {
              return
            }
            let weights = try BlockWeights(
              n: s.n, k: s.k, bits: s.bits, block: s.block, data, scales: factors, .packed(points), level: level)
            var row = [Float](repeating: 0, count: blocks * s.block)
            weights.widen(s.n - 1, to: &row)
            for j in 0..<s.k { #expect(abs(row[j] - w[(s.n - 1) * s.k + j]) < 1e-4) }
            guard weights.isWhole else { return }
            /// Checks products whose every term is wrong by less than `error` times the weight.
            func check(_ y: [Float], error: Float) {
              for i in 0..<s.m {
                for j in 0..<s.n {
                  var sum = Double(bias[j]), slack = 1e-4
                  for c in 0..<s.k {
                    sum += Double(x[i * s.k + c]) * Double(w[j * s.k + c])
                    slack += Double(abs(w[j * s.k + c])) * Double(error)
                  }
                  #expect(abs(Double(y[i * s.n + j]) - sum) < slack)
                }
              }
            }
            var y = [Float](repeating: .nan, count: s.m * s.n)
            var scratch = [Float](repeating: 0, count: try weights.scratchCount(m: s.m))
            weights.multiply(x, m: s.m, bias: bias, to: &y, pool: pool, scratch: &scratch)
            check(y, error: 1e-5)
            if weights.canRound {
              y = Array(repeating: .nan, count: s.m * s.n)
              var records = [UInt8](repeating: 0, count: try weights.roundedBytes(m: s.m))
              weights.multiplyRounded(x, m: s.m, bias: bias, to: &y, pool: pool, scratch: &records)
              check(y, error: 0.51 * 0.5 / 127)
            } else {
              #expect(s.bits == 2)
            }
            var panels = [Float](repeating: .nan, count: try weights.panelCount(rows: s.n))
            weights.makePanels(0..<s.n, to: &panels)
            y = Array(repeating: .nan, count: s.m * s.n)
            try panels.withUnsafeBufferPointer { panels in
              guard let table = Float.kernels(level), let panels = panels.baseAddress else { return }
              try x.withUnsafeBufferPointer { x in
                guard let x = x.baseAddress else { return }
                let gemm = try Gemm<Float>(
                  m: s.m, n: s.n, k: s.k, a: .strided(x, rowStride: s.k, columnStride: 1), b: .panels(panels),
                  epilogue: Epilogue(), batch: nil, table: table)
                let memory = GuardedScratch(gemm.scratchBytes(width: 1))
                gemm.run(&y, rowStride: s.n, pool: try ThreadPool(width: 1), scratch: memory.start)
              }
            }
            for i in y.indices { y[i] += bias[i % s.n] }
            check(y, error: 1e-5)
          }
        }
      }
    }
  }

  @Test(arguments: [0, 1, 31, 32, 100, 1000]) func tablesOfBytes(count: Int) throws {
    var random = Generator(seed: 7)
    let table = (0..<256).map { _ in UInt8(truncatingIfNeeded: random.next() >> 20) }
    let x = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next() >> 20) }
    for level in levels {
      var y = [UInt8](repeating: 0, count: count)
      try QuantizedArithmetic.lookup(x, to: &y, count, table, level: level)
      #expect(y == x.map { table[Int($0)] })
    }
  }

  @Test func otherWidthsAreRefused() {
    #expect(throws: SwiftletError.self) { try BlockWeights(n: 1, k: 8, bits: 3, block: 16, [0], scales: [0], .middle) }
    #expect(throws: SwiftletError.self) { try BlockWeights(n: 1, k: 8, bits: 4, block: 12, [0], scales: [0], .middle) }
  }
}

@Suite struct QuantizedSums {
  @Test(arguments: [([2, 3, 65], [2, 3, 65]), ([2, 3, 65], [3, 1]), ([1], [4, 33]), ([4, 33], [33])])
  func sumsAndProductsOfBroadcastOperands(_ shapes: ([Int], [Int])) throws {
    var random = Generator(seed: 5)
    let a = (0..<shapes.0.reduce(1, *)).map { _ in UInt8(truncatingIfNeeded: random.next() >> 32) }
    let b = (0..<shapes.1.reduce(1, *)).map { _ in UInt8(truncatingIfNeeded: random.next() >> 32) }
    let shape = try Broadcast.shape([shapes.0, shapes.1]), count = shape.reduce(1, *)
    func at(_ s: [Int], _ i: Int) throws -> Int {
      let strides = try Broadcast.strides(of: s, as: shape)
      var rest = i, offset = 0
      for d in shape.indices.reversed() {
        offset += rest % shape[d] * strides[d]
        rest /= shape[d]
      }
      return offset
    }
    let p = QuantizedArithmetic.Parameters(scale: 0.02, zero: 120)
    let q = QuantizedArithmetic.Parameters(scale: 0.03, zero: 7)
    let out = QuantizedArithmetic.Parameters(scale: 0.05, zero: 99)
    for level in levels {
      for multiplies in [false, true] {
        var y = [UInt8](repeating: 0, count: count)
        try QuantizedArithmetic.apply(
          multiplies: multiplies, .uint8, a, shapes.0, p, b, shapes.1, q, to: &y, shape, out, level: level)
        for i in 0..<count {
          let s = (Double(a[try at(shapes.0, i)]) - 120) * 0.02, t = (Double(b[try at(shapes.1, i)]) - 7) * 0.03
          let v = min(max((multiplies ? s * t : s + t) / 0.05 + 99, 0), 255)
          #expect(abs(Double(y[i]) - v) <= 0.501)
        }
      }
    }
  }
}
