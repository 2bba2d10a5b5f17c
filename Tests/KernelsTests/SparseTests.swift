import CKernels
import Tensors
import Testing

@testable import Kernels

/// Weights of which a share of `density` isn't zero, in blocks of `group` rows that share their places.
private func sparse(_ rows: Int, _ k: Int, _ density: Double, group: Int, _ r: inout Generator) -> [Float] {
  var w = [Float](repeating: 0, count: rows * k)
  for first in stride(from: 0, to: rows, by: group) {
    for i in 0..<k where r.real() + 0.5 < density {
      for row in first..<min(first + group, rows) { w[row * k + i] = Float(r.real()) }
    }
  }
  return w
}

func pack(
  _ source: SparseSource, group: Int, level: swk_level, vector: Bool = false, pool: ThreadPool?
) throws -> SparseWeights {
  try SparseWeights(
    source, layout: SparseLayout(source, pool: pool), group: group, rival: vector ? .vector : .gemm, level: level, pool: pool)
}

@Suite struct SparseTests {
  @Test(arguments: levels) func matrixProductsAgreeWithLoops(level: swk_level) throws {
    var r = Generator(seed: 21 + UInt64(level.rawValue))
    let pools = try [ThreadPool(width: 1), ThreadPool(width: 3)]
    for _ in 0..<50 {
      let sizes = [0, 1, 2, 3, 7, 15, 16, 17, 33, 64]
      let (m, n) = (r.chance(4) ? 1 : r.pick(sizes), r.chance(10) ? 260 : r.pick(sizes))
      let k = r.chance(10) ? 400 : r.pick(sizes)
      let group = r.pick(SparseChoice.groups), pool = r.pick(pools), half = r.chance(3)
      var w = sparse(n, k, r.pick([0, 0.05, 0.3, 1]), group: r.pick(SparseChoice.groups), &r)
      let halves = w.map { Float16($0) }
      if half { w = halves.map { Float($0) } }
      let transposed = r.chance(2), columns = transposed  // A [k][m]
      let a: [Float] = r.reals(m * k + 1), columnBias: [Float] = r.reals(n + 1), rowBias: [Float] = r.reals(m + 1)
      let residual: [Float] = r.reals(m * n + 1), ldc = n + r.pick(0...2)
      var c = [Float](repeating: .nan, count: m * ldc + 1)
      try halves.withUnsafeBytes { halves in
        try w.withUnsafeBytes { floats in
          try a.withUnsafeBufferPointer { a in
            try columnBias.withUnsafeBufferPointer { columnBias in
              try rowBias.withUnsafeBufferPointer { rowBias in
                try residual.withUnsafeBufferPointer { residual in
                  guard let data = half ? halves.baseAddress : floats.baseAddress ?? UnsafeRawPointer(a.baseAddress),
                    let start = a.baseAddress, let addend = residual.baseAddress
                  else { return }
                  let source = SparseSource(
                    data: data, type: half ? .float16 : .float, rows: n, k: k, rowStride: k, kStride: 1)
                  let packed = try pack(source, group: group, level: level, vector: m == 1, pool: r.chance(2) ? pool : nil)
                  var epilogue = Epilogue<Float>(alpha: r.pick([1, 1, 2]), activation: r.pick(activations))
                  if r.chance(2) { epilogue.columnBias = columnBias.baseAddress }
                  if r.chance(4) { epilogue.rowBias = rowBias.baseAddress }
                  if r.chance(2) { epilogue.residual = .init(addend, rowStride: n, scale: 0.5) }
                  epilogue.residualLast = r.chance(2)
                  let matrix = try PackedMatrix(packed, table: Float.kernels())
                  let gemm = try Gemm<Float>(
                    m: m, n: n, k: k, a: .strided(start, rowStride: columns ? 1 : k, columnStride: columns ? m : 1),
                    b: .packed(matrix), epilogue: epilogue)
                  let scratch = GuardedScratch(gemm.scratchBytes(width: pool.width))
                  c.withUnsafeMutableBufferPointer {
                    gemm.run($0.baseAddress!, rowStride: ldc, pool: pool, scratch: scratch.start)
                  }
                  #expect(scratch.isIntact)
                  var worst = 0.0
                  for i in 0..<m {
                    for j in 0..<n {
                      let sum = (0..<k).reduce(0.0) {
                        $0 + Double(a[columns ? $1 * m + i : i * k + $1]) * Double(w[j * k + $1])
                      }
                      var y = epilogue.alpha * sum
                      if epilogue.columnBias != nil { y += Double(columnBias[j]) }
                      if epilogue.rowBias != nil { y += Double(rowBias[i]) }
                      let more = epilogue.residual == nil ? 0 : 0.5 * Double(residual[i * n + j])
                      if !epilogue.residualLast { y += more }
                      y = apply(epilogue.activation, y)
                      if epilogue.residualLast { y += more }
                      let difference = abs(Double(c[i * ldc + j]) - y) / (1 + abs(y))
                      worst = difference <= worst ? worst : difference
                    }
                  }
                  #expect(worst < 1e-5, "m \(m) n \(n) k \(k) group \(group) half \(half) \(epilogue) worst \(worst)")
                }
              }
            }
          }
        }
      }
      #expect(c[m * ldc].isNaN)
    }
  }

  @Test(arguments: levels) func convolutionsAgreeWithTheDefinition(level: swk_level) throws {
    var r = Generator(seed: 31 + UInt64(level.rawValue))
    let pools = try [ThreadPool(width: 1), ThreadPool(width: 3)]
    for _ in 0..<50 {
      let rank = r.pick([1, 2, 2, 2, 3, 4]), most = [0, 60, 22, 7, 4][rank], groups = r.pick([1, 1, 1, 2])
      func each(_ values: ClosedRange<Int>) -> [Int] { (0..<rank).map { _ in r.pick(values) } }
      guard
        let g = try? ConvolutionGeometry(
          batch: r.pick([0, 1, 1, 3]), inputChannels: groups * r.pick([1, 3, 8, 17, 40]),
          outputChannels: groups * r.pick([1, 5, 8, 20, 64]), groups: groups, input: r.chance(8) ? each(1...1) : each(1...most),
          kernel: r.chance(3) ? each(1...1) : each(1...4), strides: r.chance(2) ? each(1...1) : each(1...3),
          dilations: r.chance(2) ? each(1...1) : each(1...2), padsBegin: r.chance(3) ? each(0...0) : each(0...3),
          padsEnd: r.chance(3) ? each(0...0) : each(0...3))
      else { continue }
      let group = r.pick(SparseChoice.groups), pool = r.pick(pools)
      let w = sparse(g.outputChannels, g.depth, r.pick([0, 0.1, 0.5]), group: r.pick(SparseChoice.groups), &r)
      let x: [Float] = r.reals(max(1, g.batch * g.inputChannels * g.inputPlane))
      let count = g.batch * g.outputChannels * g.outputPlane
      let bias: [Float] = r.reals(g.outputChannels + 1), residual: [Float] = r.reals(count + 1)
      let (hasBias, hasResidual, last, activation) = (r.chance(2), r.chance(2), r.chance(2), r.pick(activations))
      var expected = reference(g, x, w)
      for i in 0..<count {
        if hasBias { expected[i] += Double(bias[i / g.outputPlane % g.outputChannels]) }
        if hasResidual, !last { expected[i] += Double(residual[i]) }
        expected[i] = apply(activation, expected[i])
        if hasResidual, last { expected[i] += Double(residual[i]) }
      }
      var y = [Float](repeating: .nan, count: count + 1)
      try w.withUnsafeBytes { w in
        let parts = (0..<g.groups).map { part in
          SparseSource(
            data: w.baseAddress! + part * g.outputChannelsPerGroup * g.depth * 4, type: .float,
            rows: g.outputChannelsPerGroup, k: g.depth, rowStride: g.depth, kStride: 1)
        }
        let packed = try PackedConvolution<Float>(
          parts.map { try pack($0, group: group, level: level, pool: r.chance(2) ? pool : nil) }, geometry: g,
          level: level)
        try bias.withUnsafeBufferPointer { bias in
          try residual.withUnsafeBufferPointer { residual in
            let convolution = try Convolution(
              packed, geometry: g,
              epilogue: .init(
                bias: hasBias ? bias.baseAddress : nil, residual: hasResidual ? residual.baseAddress : nil,
                residualLast: last, activation: activation))
            let scratch = GuardedScratch(convolution.scratchBytes(width: pool.width))
            convolution.run(x, &y, pool: pool, scratch: scratch.start)
            #expect(scratch.isIntact)
          }
        }
      }
      let worst = (0..<count).reduce(0.0) { w, i in
        let difference = abs(Double(y[i]) - expected[i]) / (1 + abs(expected[i]))
        return difference <= w ? w : difference
      }
      #expect(worst < 1e-5, "\(g) group \(group) \(activation) worst \(worst)")
      #expect(y[count].isNaN)
    }
  }

  /// A convolution whose image is cut into regions of rows.
  @Test(arguments: levels) func largeImagesAreCut(level: swk_level) throws {
    var r = Generator(seed: 5)
    let g = try ConvolutionGeometry(
      batch: 1, inputChannels: 32, outputChannels: 16, input: [120, 60], kernel: [3, 3], padsBegin: [1, 1], padsEnd: [1, 1])
    let w = sparse(16, g.depth, 0.1, group: 1, &r), x: [Float] = r.reals(32 * g.inputPlane)
    let expected = reference(g, x, w), pool = try ThreadPool(width: 2)
    var y = [Float](repeating: .nan, count: 16 * g.outputPlane)
    try w.withUnsafeBytes { w in
      let source = SparseSource(data: w.baseAddress!, type: .float, rows: 16, k: g.depth, rowStride: g.depth, kStride: 1)
      let packed = try PackedConvolution<Float>(
        [pack(source, group: 1, level: level, pool: nil)], geometry: g, level: level)
      let convolution = try Convolution(packed, geometry: g)
      let scratch = GuardedScratch(convolution.scratchBytes(width: 2))
      convolution.run(x, &y, pool: pool, scratch: scratch.start)
      #expect(scratch.isIntact)
    }
    #expect(zip(y, expected).allSatisfy { abs(Double($0) - $1) < 1e-4 })
  }

  @Test func rowsWithEqualPlacesAreBroughtTogether() throws {
    var r = Generator(seed: 9)
    // Rows i and i + 16 have their places in common; neighbours don't.
    var w = sparse(64, 512, 0.1, group: 1, &r)
    for i in 16..<64 { for k in 0..<512 { w[i * 512 + k] = w[(i - 16) * 512 + k] == 0 ? 0 : Float(r.real()) } }
    try w.withUnsafeBytes {
      let source = SparseSource(data: $0.baseAddress!, type: .float, rows: 64, k: 512, rowStride: 512, kStride: 1)
      let layout = try SparseLayout(source, pool: nil)
      #expect(abs(layout.stored[1] - layout.kept) < 1e-9)
      #expect(layout.stored[2] < 2.1 * layout.kept)
    }
  }

  @Test func aTenthOfTheWeightsTakesAQuarterOfTheMemoryAtMost() throws {
    var r = Generator(seed: 1)
    let w = sparse(256, 1024, 0.1, group: 1, &r)
    try w.withUnsafeBytes {
      let source = SparseSource(data: $0.baseAddress!, type: .float, rows: 256, k: 1024, rowStride: 1024, kStride: 1)
      let packed = try #require(try SparseWeights.choose(source, rival: .gemm, level: .best, pool: nil))
      #expect(packed.bytes * 4 <= w.count * 4)
      #expect(packed.nonzeros == w.filter { $0 != 0 }.count)
    }
  }

  @Test func halfFullWeightsStayDense() {
    for rival in [SparseChoice.Rival.gemm, .vector, .winograd] {
      for level in levels {
        #expect(SparseChoice.group(stored: [0.5, 0.94, 1], rival: rival, level: level, wish: .measured) == nil)
        #expect(SparseChoice.group(stored: [0.5, 0.94, 1], rival: rival, level: level, wish: .always) != nil)
        #expect(SparseChoice.group(stored: [0.1, 0.35, 0.6], rival: rival, level: level, wish: .never) == nil)
      }
    }
    #expect(SparseChoice.group(stored: [0.1, 0.35, 0.6], rival: .gemm, level: .best, wish: .measured) == 1)
    #expect(SparseChoice.group(stored: [0.1, 0.1, 0.1], rival: .gemm, level: .best, wish: .measured) == 4)
  }
}
