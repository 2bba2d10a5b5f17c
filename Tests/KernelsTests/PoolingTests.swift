import CKernels
import Glibc
import Tensors
import Testing

@testable import Kernels

@Suite struct PoolingTests {
  /// The elements of each window and their places, by the definition; also how many count with the padding.
  func windows(_ g: PoolingGeometry) -> [(places: [Int], padded: Int)] {
    let taps = g.kernel.reduce(1, *)
    return (0..<g.outputPlane).map { pixel in
      var places: [Int] = [], padded = 0
      for tap in 0..<taps {
        var (at, scale, p, t, inside, counts) = (0, 1, pixel, tap, true, true)
        for d in g.input.indices.reversed() {
          let i = p % g.output[d] * g.strides[d] - g.padsBegin[d] + t % g.kernel[d] * g.dilations[d]
          inside = inside && i >= 0 && i < g.input[d]
          counts = counts && i < g.input[d] + g.padsEnd[d]
          at += i * scale
          scale *= g.input[d]
          p /= g.output[d]
          t /= g.kernel[d]
        }
        if inside { places.append(at) }
        if counts { padded += 1 }
      }
      return (places, padded)
    }
  }

  func geometry(_ r: inout Generator) throws -> PoolingGeometry {
    while true {
      let rank = r.pick([1, 2, 2, 2, 3])
      func each(_ values: ClosedRange<Int>) -> [Int] { (0..<rank).map { _ in r.pick(values) } }
      let size = [0, 100, 30, 7][rank], k = r.pick(1...4), s = r.pick(1...3)
      if let g = try? PoolingGeometry(
        planes: r.pick([1, 3, 8]), input: each(1...size), kernel: r.chance(2) ? each(k...k) : each(1...4),
        strides: r.chance(2) ? each(s...s) : each(1...3), dilations: r.chance(3) ? each(1...2) : each(1...1),
        padsBegin: r.chance(2) ? each(0...0) : each(0...2), padsEnd: r.chance(2) ? each(0...0) : each(0...2),
        ceilMode: r.chance(2))
      {
        return g
      }
    }
  }

  func check<T: PoolScalar & Comparable>(
    _ type: T.Type, _ level: swk_level, kinds: [Pooling<T>.Kind], value: (inout Generator) -> T,
    asDouble: (T) -> Double, lowest: Double
  ) throws {
    var r = Generator(seed: 51)
    let pools = try [ThreadPool(width: 1), ThreadPool(width: 3)]
    for _ in 0..<60 {
      let g = try geometry(&r), kind = r.pick(kinds), pool = r.pick(pools)
      let x = (0..<g.planes * g.inputPlane).map { _ in value(&r) }
      var y = [T](repeating: value(&r), count: g.planes * g.outputPlane)
      let pooling = try Pooling<T>(kind, geometry: g, level: level)
      let scratch = GuardedScratch(pooling.scratchBytes(width: pool.width))
      pooling.run(x, &y, pool: pool, scratch: scratch.start)
      #expect(scratch.isIntact)
      let all = windows(g)
      var worst = 0.0
      for plane in 0..<g.planes {
        for (pixel, window) in all.enumerated() {
          let values = window.places.map { asDouble(x[plane * g.inputPlane + $0]) }
          let expected: Double
          switch kind {
          case .max: expected = values.max() ?? lowest
          case .average(let padded):
            let count = padded ? window.padded : values.count
            expected = count == 0 ? 0 : values.reduce(0, +) / Double(count)
          case .lp(let p): expected = pow(values.reduce(0) { $0 + pow(abs($1), p) }, 1 / p)
          }
          let got = asDouble(y[plane * g.outputPlane + pixel])
          let difference = got == expected ? 0 : abs(got - expected)
          worst = difference <= worst ? worst : difference
        }
      }
      #expect(worst < 1e-5, "\(g) \(kind) worst \(worst)")
    }
  }

  @Test(arguments: levels) func floats(level: swk_level) throws {
    try check(
      Float.self, level,
      kinds: [
        .max, .average(countIncludePad: true), .average(countIncludePad: false),
        .lp(1), .lp(2), .lp(3),
      ],
      value: { Float($0.real()) }, asDouble: Double.init, lowest: -Double.infinity)
  }

  @Test(arguments: levels) func doubles(level: swk_level) throws {
    try check(
      Double.self, level, kinds: [.max, .average(countIncludePad: true), .lp(2)], value: { $0.real() }, asDouble: { $0 },
      lowest: -Double.infinity)
  }

  @Test(arguments: levels) func channelsLast(level: swk_level) throws {
    var r = Generator(seed: 52)
    let pools = try [ThreadPool(width: 1), ThreadPool(width: 3)]
    for _ in 0..<60 {
      let g = try geometry(&r), channels = r.pick([1, 5, 16, 21, 64, 70, 200])
      let x = (0..<g.planes * g.inputPlane * channels).map { _ in Int8(truncatingIfNeeded: r.next() >> 20) }
      var y = [Int8](repeating: 0, count: g.planes * g.outputPlane * channels), differences = 0
      try Pooling<Int8>(.max, geometry: g, level: level).runMaxChannelsLast(x, &y, channels: channels, pool: r.pick(pools))
      for (pixel, window) in windows(g).enumerated() {
        for plane in 0..<g.planes {
          for c in 0..<channels {
            let most = window.places.map { x[(plane * g.inputPlane + $0) * channels + c] }.max() ?? -128
            differences += y[(plane * g.outputPlane + pixel) * channels + c] == most ? 0 : 1
          }
        }
      }
      #expect(differences == 0, "\(g) \(channels) channels")
    }
    #expect(throws: SwiftletError.self) {
      var y: [Float] = [0]
      try Pooling<Float>(.max, geometry: PoolingGeometry(planes: 1, input: [1], kernel: [1]), level: level)
        .runMaxChannelsLast([0], &y, channels: 1, pool: pools[0])
    }
  }

  @Test(arguments: levels) func bytes(level: swk_level) throws {
    try check(
      Int8.self, level, kinds: [.max], value: { Int8(truncatingIfNeeded: $0.next() >> 20) }, asDouble: Double.init,
      lowest: -128)
    try check(
      UInt8.self, level, kinds: [.max], value: { UInt8(truncatingIfNeeded: $0.next() >> 20) }, asDouble: Double.init,
      lowest: 0)
    #expect(throws: (any Error).self) {
      try Pooling<Int8>(.lp(2), geometry: PoolingGeometry(planes: 1, input: [3], kernel: [2]), level: level)
    }
  }

  @Test(arguments: levels) func indicesTellTheFirstMaximum(level: swk_level) throws {
    var r = Generator(seed: 61)
    let pool = try ThreadPool(width: 2)
    for _ in 0..<40 {
      let g = try geometry(&r)
      let x = (0..<g.planes * g.inputPlane).map { _ in Float(r.pick(0...9)) }
      let columnMajor = r.chance(2)
      var y = [Float](repeating: 0, count: g.planes * g.outputPlane)
      var indices = [Int64](repeating: -7, count: y.count)
      try Pooling<Float>(.max, geometry: g, level: level)
        .runMax(x, &y, indices: &indices, columnMajor: columnMajor, pool: pool)
      for plane in 0..<g.planes {
        for (pixel, window) in windows(g).enumerated() {
          let best = window.places.max { x[plane * g.inputPlane + $0] < x[plane * g.inputPlane + $1] }
          let first = window.places.first { x[plane * g.inputPlane + $0] == x[plane * g.inputPlane + (best ?? 0)] }
          var expected = -1
          if let first {
            var (rest, turned) = (first, 0)
            var coordinates = g.input
            for d in g.input.indices.reversed() {
              coordinates[d] = rest % g.input[d]
              rest /= g.input[d]
            }
            for d in g.input.indices.reversed() { turned = turned * g.input[d] + coordinates[d] }
            expected = plane * g.inputPlane + (columnMajor ? turned : first)
          }
          #expect(indices[plane * g.outputPlane + pixel] == Int64(expected))
        }
      }
    }
  }

  @Test func globalPoolingTakesEverything() throws {
    var r = Generator(seed: 71)
    let pool = try ThreadPool(width: 2)
    for input in [[7, 7], [1], [8, 16], [5, 3, 2], [112, 112]] {
      let count = input.reduce(1, *)
      let g = try PoolingGeometry(global: 3, input: input)
      let x: [Float] = r.reals(3 * count)
      var y = [Float](repeating: 0, count: 3)
      let pooling = try Pooling<Float>(.average(countIncludePad: false), geometry: g)
      let scratch = GuardedScratch(pooling.scratchBytes(width: 2))
      pooling.run(x, &y, pool: pool, scratch: scratch.start)
      for plane in 0..<3 {
        let mean = x[plane * count..<(plane + 1) * count].reduce(0.0) { $0 + Double($1) } / Double(count)
        #expect(abs(Double(y[plane]) - mean) < 1e-6)
      }
    }
  }

  @Test func ceilModeDropsWindowsThatBeginInThePadding() throws {
    let g = try PoolingGeometry(
      planes: 1, input: [4], kernel: [2], strides: [3], padsBegin: [0], padsEnd: [2], ceilMode: true)
    #expect(g.output == [2])
    #expect(try PoolingGeometry(planes: 1, input: [4], kernel: [3], strides: [2], ceilMode: true).output == [2])
    #expect(try PoolingGeometry(planes: 1, input: [4], kernel: [3], strides: [2]).output == [1])
  }
}
