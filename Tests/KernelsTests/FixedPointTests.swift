import CKernels
import Testing

@testable import Kernels

/// Products with weights that are rounded to integers, and inputs that are at each run.
@Suite struct FixedPointTests {
  let pools = (0..<2).compactMap { try? ThreadPool(width: 1 + 2 * $0) }

  /// Weights [k, n] of any strides.
  func weights(
    _ b: UnsafePointer<Float>, n: Int, k: Int, rowStride: Int, columnStride: Int, _ level: swk_level, _ pool: ThreadPool?
  ) throws -> FixedPointWeights? {
    var operand = swk_operand()
    operand.data = UnsafeRawPointer(b)
    operand.type = SWK_F32
    (operand.stride, operand.k_stride) = (columnStride, rowStride)
    return try .make(operand, .b, outputs: n, channels: k, level: level, pool: pool)
  }

  @Test(arguments: levels) func productsAreAsCloseAsRoundingAllows(level: swk_level) throws {
    var r = Generator(seed: 5 + UInt64(level.rawValue))
    for _ in 0..<80 {
      let sizes = [1, 2, 3, 6, 7, 14, 15, 17, 31, 33, 40, 70]
      let (m, n, k) = (r.pick(sizes), r.pick(sizes), r.chance(6) ? 1601 : r.pick(sizes))
      let (transA, transB) = (r.chance(2), r.chance(2)), members = r.pick([1, 3])
      let (aRow, aColumn) = transA ? (1, m) : (k, 1), (bRow, bColumn) = transB ? (1, k) : (n, 1)
      let a: [Float] = r.reals(members * m * k), b: [Float] = r.reals(k * n)
      let bias: [Float] = r.reals(n), residual: [Float] = r.reals(members * m * n)
      var c = [Float](repeating: .nan, count: members * m * n + 1)
      var (inputMost, scales) = (0.0, [Double]())
      try a.withUnsafeBufferPointer { a in
        try b.withUnsafeBufferPointer { b in
          let w = try #require(
            try weights(b.baseAddress!, n: n, k: k, rowStride: bRow, columnStride: bColumn, level, r.chance(2) ? pools[1] : nil))
          inputMost = Double(w.inputMost)
          scales = (0..<n).map { Double(w.scales[$0]) }
          try bias.withUnsafeBufferPointer { bias in
            try residual.withUnsafeBufferPointer { residual in
              let epilogue = Epilogue<Float>(
                columnBias: bias.baseAddress, residual: .init(residual.baseAddress!, rowStride: n), activation: .relu)
              let product = try FixedPointProduct(
                w, a.baseAddress!, rowStride: aRow, columnStride: aColumn, m: m, epilogue: epilogue.c,
                batch: GemmBatch(sizes: [members], a: [m * k], b: [0], c: [m * n], residual: [m * n]))
              let pool = r.pick(pools), scratch = GuardedScratch(product.scratchBytes(width: pool.width))
              c.withUnsafeMutableBufferPointer { product.run($0.baseAddress!, rowStride: n, pool: pool, scratch: scratch.start) }
              #expect(scratch.isIntact)
            }
          }
        }
      }
      #expect(c[members * m * n].isNaN)
      var wrong = 0
      for row in 0..<members * m {
        let at = { (p: Int) in Double(a[row / m * m * k + row % m * aRow + p * aColumn]) }
        let step = (0..<k).map { abs(at($0)) }.max()! / inputMost
        for j in 0..<n {
          var (sum, slack) = (Double(bias[j]) + Double(residual[row * n + j]), 1e-4)
          for p in 0..<k {
            let (x, w) = (at(p), Double(b[p * bRow + j * bColumn]))
            sum += x * w
            slack += (abs(x) * scales[j] + abs(w) * step + step * scales[j]) * 0.501
          }
          if abs(Double(c[row * n + j]) - max(sum, 0)) > slack { wrong += 1 }
        }
      }
      #expect(wrong == 0, "\(level) m \(m), n \(n), k \(k)")
    }
  }

  func run(_ weights: FixedPointWeights, _ a: [Float], rowStride: Int, m: Int, _ c: inout [Float]) throws {
    try a.withUnsafeBufferPointer { a in
      let product = try FixedPointProduct(
        weights, a.baseAddress!, rowStride: rowStride, columnStride: 1, m: m, epilogue: Epilogue<Float>().c, batch: nil)
      let scratch = GuardedScratch(product.scratchBytes(width: 1))
      c.withUnsafeMutableBufferPointer {
        product.run($0.baseAddress!, rowStride: weights.outputs, pool: pools[0], scratch: scratch.start)
      }
      #expect(scratch.isIntact)
    }
  }

  @Test(arguments: levels) func theLargestSumsFit(level: swk_level) throws {
    let k = 512
    for (x, w) in [(Float(1), Float(1)), (-1, 1), (1, -1), (-1, -1)] {
      let a = [Float](repeating: x, count: k), b = [Float](repeating: w, count: k)
      var c: [Float] = [0]
      let packed = try #require(try weights(b, n: 1, k: k, rowStride: 1, columnStride: 1, level, nil))
      try run(packed, a, rowStride: k, m: 1, &c)
      #expect(abs(c[0] - x * w * Float(k)) < 0.01)
    }
    // Sums of more would need inputs that are too coarse.
    let ones = [Float](repeating: 1, count: 1100), infinite: [Float] = [1, .infinity]
    try #expect(weights(ones, n: 1, k: 1100, rowStride: 1, columnStride: 1, level, nil) == nil)
    try #expect(weights(infinite, n: 1, k: 2, rowStride: 1, columnStride: 1, level, nil) == nil)
  }

  @Test func whatIsNotFiniteStaysInItsRow() throws {
    let b: [Float] = [1, 2, 3, 4], a: [Float] = [1, .nan, 1, 1, 0, 0, -.infinity, 1]
    var c = [Float](repeating: 7, count: 8)
    let packed = try #require(try weights(b, n: 2, k: 2, rowStride: 2, columnStride: 1, .best, nil))
    try run(packed, a, rowStride: 2, m: 4, &c)
    #expect(c[0].isNaN && c[1].isNaN && c[6].isNaN && c[7].isNaN)
    #expect(abs(c[2] - 4) < 0.01 && abs(c[3] - 6) < 0.01 && c[4] == 0 && c[5] == 0)
  }

  @Test func convolutionsAreClose() throws {
    var r = Generator(seed: 11)
    for _ in 0..<30 {
      let (kernel, stride, pad) = r.pick([([1, 1], 1, 0), ([1, 1], 2, 0), ([3, 3], 2, 1), ([3, 2], 1, 1), ([5, 1], 1, 0)])
      let (channels, outputs, batch) = (r.pick([16, 17, 80]), r.pick([32, 45]), r.pick([1, 2]))
      let input = [r.pick([9, 14]), r.pick([8, 23])]
      let output = (0..<2).map { (input[$0] + 2 * pad - kernel[$0]) / stride + 1 }
      let geometry = try ConvolutionGeometry(
        batch: batch, inputChannels: channels, outputChannels: outputs, groups: 1, input: input, kernel: kernel,
        strides: [stride, stride], dilations: [1, 1], pads: [pad, pad], output: output)
      let x: [Float] = r.reals(batch * channels * geometry.inputPlane)
      let w: [Float] = r.reals(outputs * geometry.depth), bias: [Float] = r.reals(outputs)
      func run(_ weights: PackedConvolution<Float>) throws -> [Float] {
        try bias.withUnsafeBufferPointer { bias in
          let convolution = try Convolution(
            weights, geometry: geometry, epilogue: ConvolutionEpilogue(bias: bias.baseAddress, activation: .relu))
          let pool = r.pick(pools), scratch = GuardedScratch(convolution.scratchBytes(width: pool.width))
          var y = [Float](repeating: .nan, count: batch * outputs * geometry.outputPlane)
          convolution.run(x, &y, pool: pool, scratch: scratch.start)
          #expect(scratch.isIntact)
          return y
        }
      }
      let rounded = try PackedConvolution<Float>(w, geometry: geometry, winograd: false, isApproximate: true, pool: pools[1])
      let exact = try run(PackedConvolution<Float>(w, geometry: geometry, winograd: false))
      let close = try run(rounded)
      #expect(zip(exact, close).allSatisfy { abs($0 - $1) < 0.02 }, "\(geometry)")
      let isStraight = try PackedConvolution<Float>(w, geometry: geometry, winograd: false).algorithm == .gemm
      #expect((rounded.fixedPoint != nil) == (isStraight && geometry.depth >= 64))
    }
  }
}
