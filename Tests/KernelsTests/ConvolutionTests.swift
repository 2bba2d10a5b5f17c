import CKernels
import Tensors
import Testing

@testable import Kernels

/// A convolution by its definition, any rank.
func reference<T: BinaryFloatingPoint>(_ g: ConvolutionGeometry, _ x: [T], _ w: [T]) -> [Double] {
  let (c, m, taps) = (g.inputChannelsPerGroup, g.outputChannelsPerGroup, g.taps)
  func coordinates(_ index: Int, _ sizes: [Int]) -> [Int] {
    var rest = index
    return sizes.reversed().map { size in
      defer { rest /= size }
      return rest % size
    }.reversed()
  }
  // Where each tap of each pixel reads; -1 outside.
  let places = (0..<g.outputPlane).map { pixel in
    let o = coordinates(pixel, g.output)
    return (0..<taps).map { tap in
      let t = coordinates(tap, g.kernel)
      var at = 0
      for d in g.input.indices {
        let i = o[d] * g.strides[d] - g.pads[d] + t[d] * g.dilations[d]
        if i < 0 || i >= g.input[d] { return -1 }
        at = at * g.input[d] + i
      }
      return at
    }
  }
  var y = [Double](repeating: 0, count: g.batch * g.outputChannels * g.outputPlane)
  x.withUnsafeBufferPointer { x in
    w.withUnsafeBufferPointer { w in
      for b in 0..<g.batch {
        for o in 0..<g.outputChannels {
          let first = (b * g.groups + o / m) * c
          for pixel in 0..<g.outputPlane {
            var sum = 0.0
            for i in 0..<c {
              for (tap, place) in places[pixel].enumerated() where place >= 0 {
                sum += Double(x[(first + i) * g.inputPlane + place]) * Double(w[(o * c + i) * taps + tap])
              }
            }
            y[(b * g.outputChannels + o) * g.outputPlane + pixel] = sum
          }
        }
      }
    }
  }
  return y
}

@Suite struct ConvolutionTests {
  typealias Packed = PackedConvolution<Float>

  /// Runs one geometry with every algorithm that can do it and compares.
  func check<T: GemmScalar>(
    _ type: T.Type, _ g: ConvolutionGeometry, level: swk_level, pool: ThreadPool, _ r: inout Generator,
    tolerance: Double
  ) throws {
    let x: [T] = r.reals(max(1, g.batch * g.inputChannels * g.inputPlane))
    let w: [T] = r.reals(max(1, g.outputChannels * g.inputChannelsPerGroup * g.taps))
    let bias: [T] = r.reals(g.outputChannels + 1)
    let count = g.batch * g.outputChannels * g.outputPlane
    let residual: [T] = r.reals(count + 1)
    let (hasBias, hasResidual, last) = (r.chance(2), r.chance(2), r.chance(2))
    let activation = r.pick(activations)
    var expected = reference(g, x, w)
    for i in 0..<count {
      if hasBias { expected[i] += Double(bias[i / g.outputPlane % g.outputChannels]) }
      if hasResidual, !last { expected[i] += Double(residual[i]) }
      expected[i] = apply(activation, expected[i])
      if hasResidual, last { expected[i] += Double(residual[i]) }
    }
    var algorithms: [PackedConvolution<T>.Algorithm?] = [nil, .gemm, .gemmTransposed]
    if r.chance(2) { algorithms = [nil] }
    if PackedConvolution<T>.canUseWinograd(g) { algorithms.append(.winograd) }
    for algorithm in algorithms {
      let packed = try PackedConvolution<T>(
        w, source: T.sourceType, geometry: g, pool: r.chance(2) ? pool : nil, level: level, algorithm: algorithm)
      var y = [T](repeating: .nan, count: count + 1)
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
      var worst = 0.0
      for i in 0..<count {
        let difference = abs(Double(y[i]) - expected[i]) / (1 + abs(expected[i]))
        worst = difference <= worst ? worst : difference
      }
      let allowed = packed.algorithm == .winograd ? 5 * tolerance : tolerance
      #expect(worst < allowed, "\(g) \(packed.algorithm) \(activation) worst \(worst)")
      #expect(y[count].isNaN)
    }
  }

  @Test(arguments: levels) func randomGeometriesAgreeWithTheDefinition(level: swk_level) throws {
    var r = Generator(seed: 11 + UInt64(level.rawValue))
    let pools = try [ThreadPool(width: 1), ThreadPool(width: 3)]
    for _ in 0..<80 {
      let rank = r.pick([1, 2, 2, 2, 3, 4])
      let most = [0, 40, 18, 6, 4][rank]
      let groups = r.pick([1, 1, 1, 2, 3])
      func each(_ values: ClosedRange<Int>) -> [Int] { (0..<rank).map { _ in r.pick(values) } }
      guard
        let g = try? ConvolutionGeometry(
          batch: r.pick([1, 1, 2, 3]), inputChannels: groups * r.pick([1, 2, 3, 8, 17]),
          outputChannels: groups * r.pick([1, 2, 5, 8, 20]), groups: groups, input: each(1...most),
          kernel: r.chance(4) ? each(1...1) : each(1...4), strides: r.chance(2) ? each(1...1) : each(1...3),
          dilations: r.chance(2) ? each(1...1) : each(1...2), padsBegin: r.chance(3) ? each(0...0) : each(0...3),
          padsEnd: r.chance(3) ? each(0...0) : each(0...3))
      else { continue }
      try check(Float.self, g, level: level, pool: r.pick(pools), &r, tolerance: 1e-5)
      if r.chance(4) { try check(Double.self, g, level: level, pool: r.pick(pools), &r, tolerance: 1e-13) }
    }
  }

  @Test(arguments: levels) func depthwiseGeometriesAgreeWithTheDefinition(level: swk_level) throws {
    var r = Generator(seed: 21 + UInt64(level.rawValue))
    let pools = try [ThreadPool(width: 1), ThreadPool(width: 3)]
    for _ in 0..<70 {
      let rank = r.pick([1, 2, 2, 2])
      let channels = r.pick([1, 2, 5, 16])
      func each(_ values: ClosedRange<Int>) -> [Int] { (0..<rank).map { _ in r.pick(values) } }
      let square = r.pick([1, 3, 3, 5, 7, 9]), stride = r.pick([1, 1, 2, 3])
      guard
        let g = try? ConvolutionGeometry(
          batch: r.pick([1, 2]), inputChannels: channels, outputChannels: channels * r.pick([1, 1, 2, 3]),
          groups: channels, input: each(1...40), kernel: r.chance(3) ? each(1...8) : each(square...square),
          strides: r.chance(3) ? each(1...3) : each(stride...stride),
          dilations: r.chance(4) ? each(1...3) : each(1...1), padsBegin: each(0...square), padsEnd: each(0...square))
      else { continue }
      try check(Float.self, g, level: level, pool: r.pick(pools), &r, tolerance: 1e-5)
    }
  }

  @Test(arguments: levels) func winogradAgreesWithTheDefinition(level: swk_level) throws {
    var r = Generator(seed: 25 + UInt64(level.rawValue))
    let pools = try [ThreadPool(width: 1), ThreadPool(width: 3)]
    for _ in 0..<25 {
      guard
        let g = try? ConvolutionGeometry(
          batch: r.pick([1, 2]), inputChannels: r.pick([1, 3, 9]), outputChannels: r.pick([1, 7, 16]),
          input: [r.pick(1...30), r.pick(1...150)], kernel: [3, 3], padsBegin: [r.pick(0...2), r.pick(0...2)],
          padsEnd: [r.pick(0...2), r.pick(0...2)])
      else { continue }
      try check(Float.self, g, level: level, pool: r.pick(pools), &r, tolerance: 1e-5)
    }
    let usual = try ConvolutionGeometry(batch: 1, inputChannels: 32, outputChannels: 32, input: [40, 40], kernel: [3, 3])
    let w: [Float] = r.reals(32 * 32 * 9)
    #expect(try PackedConvolution<Float>(w, geometry: usual).algorithm == .winograd)
    #expect(try PackedConvolution<Float>(w, geometry: usual, winograd: false).algorithm == .gemm)
  }

  /// The shapes of known networks: many channels, sums over several blocks.
  @Test func deepConvolutionsAgreeWithTheDefinition() throws {
    var r = Generator(seed: 31)
    let pool = try ThreadPool(width: 2)
    for (channels, size, out, kernel, stride) in [
      (130, 7, 70, 3, 1), (3, 30, 40, 7, 2), (500, 5, 33, 1, 1), (64, 14, 64, 3, 1),
    ] {
      let g = try ConvolutionGeometry(
        batch: 1, inputChannels: channels, outputChannels: out, input: [size, size], kernel: [kernel, kernel],
        strides: [stride, stride], padsBegin: [kernel / 2, kernel / 2], padsEnd: [kernel / 2, kernel / 2])
      try check(Float.self, g, level: levels[levels.count - 1], pool: pool, &r, tolerance: 2e-5)
    }
    let single = try ConvolutionGeometry(
      batch: 5, inputChannels: 40, outputChannels: 30, input: [1, 1], kernel: [1, 1])
    try check(Float.self, single, level: levels[levels.count - 1], pool: pool, &r, tolerance: 1e-5)
  }

  @Test(arguments: levels) func transposedConvolutionsAgreeWithTheDefinition(level: swk_level) throws {
    var r = Generator(seed: 41 + UInt64(level.rawValue))
    let pools = try [ThreadPool(width: 1), ThreadPool(width: 3)]
    for _ in 0..<60 {
      let rank = r.pick([1, 2, 2, 3])
      let groups = r.pick([1, 1, 2, 3])
      func each(_ values: ClosedRange<Int>) -> [Int] { (0..<rank).map { _ in r.pick(values) } }
      let x = each(1...[0, 300, 9, 4][rank])
      let (kernel, strides, dilations, pads) = (each(1...4), each(1...3), each(1...2), each(0...2))
      var size: [Int] = []
      for d in 0..<rank {
        let reach = (x[d] - 1) * strides[d] + (kernel[d] - 1) * dilations[d] + 1
        size.append(max(1, reach - 2 * pads[d] + r.pick(0...2)))
      }
      let g = try ConvolutionGeometry(
        batch: r.pick([1, 2]), inputChannels: groups * r.pick([1, 3, 20]), outputChannels: groups * r.pick([1, 2, 9]),
        groups: groups, input: size, kernel: kernel, strides: strides, dilations: dilations, pads: pads, output: x)
      let input: [Float] = r.reals(g.batch * g.outputChannels * g.outputPlane)
      let w: [Float] = r.reals(g.outputChannels * g.inputChannelsPerGroup * g.taps)
      let count = g.batch * g.inputChannels * g.inputPlane
      let bias: [Float] = r.reals(g.inputChannels), residual: [Float] = r.reals(count)
      // By the definition of a gradient: the convolution of each unit image tells where it adds.
      let expected = gradient(g, input, w)
      let pool = r.pick(pools)
      let packed = try PackedTransposedConvolution<Float>(w, source: .float, geometry: g, level: level)
      var y = [Float](repeating: .nan, count: count)
      try bias.withUnsafeBufferPointer { bias in
        try residual.withUnsafeBufferPointer { residual in
          let convolution = try TransposedConvolution(
            packed, geometry: g,
            epilogue: .init(bias: bias.baseAddress, residual: residual.baseAddress, activation: .relu))
          let scratch = GuardedScratch(convolution.scratchBytes(width: pool.width))
          convolution.run(input, &y, pool: pool, scratch: scratch.start)
          #expect(scratch.isIntact)
        }
      }
      var worst = 0.0
      for i in 0..<count {
        let addends = Double(bias[i / g.inputPlane % g.inputChannels]) + Double(residual[i])
        let difference = abs(Double(y[i]) - max(0, expected[i] + addends))
        worst = difference <= worst ? worst : difference
      }
      #expect(worst < 1e-5, "\(g) worst \(worst)")
    }
  }

  /// For each input pixel, channel and tap: adds weight * x at the place under the tap.
  func gradient(_ g: ConvolutionGeometry, _ x: [Float], _ w: [Float]) -> [Double] {
    let (c, m) = (g.inputChannelsPerGroup, g.outputChannelsPerGroup)
    var y = [Double](repeating: 0, count: g.batch * g.inputChannels * g.inputPlane)
    for pixel in 0..<g.outputPlane {
      for tap in 0..<g.taps {
        var (at, scale, p, t, inside) = (0, 1, pixel, tap, true)
        for d in g.input.indices.reversed() {
          let i = p % g.output[d] * g.strides[d] - g.pads[d] + t % g.kernel[d] * g.dilations[d]
          inside = inside && i >= 0 && i < g.input[d]
          at += i * scale
          scale *= g.input[d]
          p /= g.output[d]
          t /= g.kernel[d]
        }
        guard inside else { continue }
        for b in 0..<g.batch {
          for o in 0..<g.outputChannels {
            for i in 0..<c {
              let value = Double(x[(b * g.outputChannels + o) * g.outputPlane + pixel])
              let channel = b * g.inputChannels + o / m * c + i
              y[channel * g.inputPlane + at] += value * Double(w[(o * c + i) * g.taps + tap])
            }
          }
        }
      }
    }
    return y
  }

  @Test func badGeometriesAreRefused() {
    func refused(_ body: () throws -> ConvolutionGeometry) -> Bool { (try? body()) == nil }
    #expect(refused { try .init(batch: 1, inputChannels: 3, outputChannels: 4, groups: 2, input: [5], kernel: [3]) })
    #expect(refused { try .init(batch: 1, inputChannels: 2, outputChannels: 4, input: [2], kernel: [3]) })
    #expect(refused { try .init(batch: 1, inputChannels: 2, outputChannels: 4, input: [5], kernel: [0]) })
    #expect(refused { try .init(batch: 1, inputChannels: 2, outputChannels: 4, input: [5], kernel: [3], strides: [0]) })
    #expect(refused { try .init(batch: 1, inputChannels: 2, outputChannels: 4, input: [5, 5], kernel: [3]) })
    #expect(refused { try .init(batch: 1, inputChannels: 2, outputChannels: 4, input: [], kernel: []) })
    #expect(
      refused { try .init(batch: Int.max / 4, inputChannels: 9, outputChannels: 4, input: [5], kernel: [3]) })
    #expect(
      refused {
        try .init(batch: 1, inputChannels: 1, outputChannels: 1, input: [5], kernel: [3], padsBegin: [Int.max])
      })
  }
}
