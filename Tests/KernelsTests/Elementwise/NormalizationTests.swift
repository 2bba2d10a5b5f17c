import CKernels
import Glibc
import Kernels
import Tensors
import Testing

private func close(_ got: [Float], _ want: [Double], _ tolerance: Double = 2e-6) -> Bool {
  got.count == want.count && zip(got, want).allSatisfy { Swift.abs(Double($0) - $1) <= tolerance * max(1, Swift.abs($1)) }
}

/// `f` applied to each run along `axis`.
private func along(_ axis: Int, _ x: [Float], _ shape: [Int], _ f: ([Double]) -> [Double]) -> [Double] {
  let n = shape[axis], inner = product(Array(shape[(axis + 1)...])), outer = product(Array(shape[..<axis]))
  var out = [Double](repeating: 0, count: x.count)
  for o in 0..<outer {
    for i in 0..<inner {
      let run = (0..<n).map { Double(x[(o * n + $0) * inner + i]) }
      for (k, y) in f(run).enumerated() { out[(o * n + k) * inner + i] = y }
    }
  }
  return out
}

private func softmax(_ x: [Double]) -> [Double] {
  let most = x.max() ?? 0
  let e = x.map { exp($0 - most) }
  return e.map { $0 / e.reduce(0, +) }
}

private func normalized(_ x: [Double], _ epsilon: Double) -> [Double] {
  let mean = x.reduce(0, +) / Double(x.count)
  let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
  return x.map { ($0 - mean) / (variance + epsilon).squareRoot() }
}

@Suite struct NormalizationTests {
  @Test(arguments: levels) func softmaxAlongEveryAxis(level: swk_level) throws {
    var generator = Generator(seed: 31)
    for shape in [[1], [7], [3, 1000], [5, 33, 3], [2, 9, 300]] {
      let x = generator.floats(product(shape), in: -9...9)
      for axis in shape.indices {
        let got: [Float] = try output(x.count, of: 0) {
          try Softmax.apply(.softmax, .float, x, shape, axis: axis, to: $0, level: level)
        }
        #expect(close(got, along(axis, x, shape, softmax)), "\(shape) \(axis)")
        let logs: [Float] = try output(x.count, of: 0) {
          try Softmax.apply(.logSoftmax, .float, x, shape, axis: axis, to: $0, level: level)
        }
        #expect(close(logs, along(axis, x, shape) { softmax($0).map { log($0) } }), "\(shape) \(axis)")
        let hard: [Float] = try output(x.count, of: 9) {
          try Softmax.apply(.hardmax, .float, x, shape, axis: axis, to: $0, level: level)
        }
        #expect(close(hard, along(axis, x, shape) { run in
          let at = run.firstIndex(of: run.max() ?? 0)
          return run.indices.map { $0 == at ? 1 : 0 }
        }))
        let doubles: [Double] = try output(x.count, of: 0) {
          try Softmax.apply(.softmax, .double, x.map { Double($0) }, shape, axis: axis, to: $0, level: level)
        }
        #expect(zip(doubles, along(axis, x, shape, softmax)).allSatisfy { Swift.abs($0 - $1) < 1e-12 })
      }
    }
    let large: [Float] = try output(4, of: 0) {
      try Softmax.apply(.softmax, .float, [1e30, -.infinity, 1e30, 0] as [Float], [4], axis: 0, to: $0, level: level)
    }
    #expect(large == [0.5, 0, 0.5, 0])
  }

  /// Powers and their sum are rounded to float16, as in the function that ONNX defines Softmax by.
  @Test(arguments: levels) func softmaxOfHalves(level: swk_level) throws {
    func half(_ x: Double) -> Double { Double(Half.float(Half.bits(Float(x)))) }
    var generator = Generator(seed: 36)
    for (shape, axis) in [([4, 9], 1), ([9, 40], 0)] {
      let bits = generator.floats(product(shape), in: -6...6).map { Half.bits($0) }
      let got: [UInt16] = try output(bits.count, of: 0) {
        try Softmax.apply(.softmax, .float16, bits, shape, axis: axis, to: $0, level: level)
      }
      let due = along(axis, bits.map { Half.float($0) }, shape) { x in
        let most = x.max() ?? 0, powers = x.map { half(exp($0 - most)) }, sum = half(powers.reduce(0, +))
        return powers.map { half($0 / sum) }
      }
      #expect(got.map { Double(Half.float($0)) } == due)
    }
  }

  @Test(arguments: levels) func attentionScores(level: swk_level) throws {
    var generator = Generator(seed: 32)
    let x = generator.floats(37)
    func scores(_ x: [Float], sink: Double? = nil) throws -> [Float] {
      var row = x
      try row.withUnsafeMutableBytes {
        try Softmax.attention(.float, #require($0.baseAddress), x.count, sink: sink, level: level)
      }
      return row
    }
    #expect(close(try scores(x), softmax(x.map { Double($0) })))
    #expect(close(try scores(x, sink: 2), Array(softmax(x.map { Double($0) } + [2]).dropLast())))
    #expect(try scores([-.infinity, 0, -.infinity]) == [0, 1, 0])
    #expect(try scores([-.infinity, -.infinity]) == [0, 0])
    #expect(try scores([-.infinity, -.infinity], sink: 1) == [0, 0])
  }

  @Test(arguments: levels) func layers(level: swk_level) throws {
    var generator = Generator(seed: 33)
    for (rows, n) in [(1, 1), (3, 17), (4, 768)] {
      let x = generator.floats(rows * n, in: 90...110), scale = generator.floats(n), bias = generator.floats(n)
      var mean = [Float](repeating: 0, count: rows), deviation = mean
      let got: [Float] = try output(x.count, of: 0) {
        try Normalization.layer(
          .float, x, [rows, n], axis: 1, scale: scale, bias: bias, epsilon: 1e-5, to: $0, mean: &mean,
          deviation: &deviation, level: level)
      }
      let want = along(1, x, [rows, n]) { run in
        normalized(run, 1e-5).enumerated().map { $1 * Double(scale[$0]) + Double(bias[$0]) }
      }
      #expect(close(got, want, 2e-5))
      #expect(close(mean, (0..<rows).map { r in (0..<n).reduce(0) { $0 + Double(x[r * n + $1]) } / Double(n) }))
      let rms: [Float] = try output(x.count, of: 0) {
        try Normalization.layer(
          .float, x, [rows, n], axis: 1, scale: scale, bias: nil, epsilon: 1e-5, rms: true, to: $0, level: level)
      }
      let wantRMS = along(1, x, [rows, n]) { run in
        let d = (run.reduce(0) { $0 + $1 * $1 } / Double(n) + 1e-5).squareRoot()
        return run.enumerated().map { $1 / d * Double(scale[$0]) }
      }
      #expect(close(rms, wantRMS))
    }
  }

  @Test(arguments: levels) func groupsOfChannels(level: swk_level) throws {
    var generator = Generator(seed: 34)
    let shape = [2, 6, 5, 3], x = generator.floats(product(shape)), scale = generator.floats(6), bias = generator.floats(6)
    for groups in [1, 2, 3, 6] {
      let got: [Float] = try output(x.count, of: 0) {
        try Normalization.group(
          .float, x, shape, groups: groups, scale: scale, bias: bias, epsilon: 1e-3, to: $0, level: level)
      }
      let plain = along(1, x, [2 * groups, 90 / groups]) { normalized($0, 1e-3) }
      let want = plain.indices.map { plain[$0] * Double(scale[$0 / 15 % 6]) + Double(bias[$0 / 15 % 6]) }
      #expect(close(got, want, 1e-5))
    }
    let halves = x.map { Half.bits($0) }, half: [UInt16] = try output(x.count, of: 0) {
      try Normalization.group(
        .float16, halves, shape, groups: 2, scale: scale.map { Half.bits($0) }, bias: bias.map { Half.bits($0) },
        epsilon: 1e-3, to: $0, level: level)
    }
    let plain = along(1, x, [4, 45]) { normalized($0, 1e-3) }
    let want = plain.indices.map { plain[$0] * Double(scale[$0 / 15 % 6]) + Double(bias[$0 / 15 % 6]) }
    #expect(close(half.map { Half.float($0) }, want, 1e-2))
  }

  @Test(arguments: levels) func channels(level: swk_level) throws {
    var generator = Generator(seed: 35)
    let scale = generator.floats(6), shift = generator.floats(6)
    for shape in [[2, 6, 11], [50, 6]] {
      let x = generator.floats(product(shape)), plane = product(Array(shape[2...]))
      let got: [Float] = try output(x.count, of: 0) {
        try Normalization.affine(.float, x, shape, scale: scale, shift: shift, to: $0, level: level)
      }
      #expect(close(got, x.indices.map {
        let c = $0 / plane % 6
        return Double(x[$0]) * Double(scale[c]) + Double(shift[c])
      }))
    }
  }

  @Test(arguments: levels) func windowsOfChannels(level: swk_level) throws {
    var generator = Generator(seed: 36)
    let shape = [2, 7, 10], x = generator.floats(140)
    for (size, beta) in [(5, 0.75), (3, 0.6), (4, 0.75), (1, 1), (20, 0.75)] {
      let got: [Float] = try output(x.count, of: 0) {
        try Normalization.localResponse(
          .float, x, shape, size: size, alpha: 0.1, beta: beta, bias: 1.5, to: $0, level: level)
      }
      let want = along(1, x, shape) { run in
        run.indices.map { c in
          let window = max(0, c - (size - 1) / 2)...min(6, c + size / 2)
          let sum = window.reduce(0.0) { $0 + run[$1] * run[$1] }
          return run[c] / pow(1.5 + 0.1 / Double(size) * sum, beta)
        }
      }
      #expect(close(got, want), "\(size) \(beta)")
    }
  }

  @Test func norms() throws {
    let x: [Float] = [3, 0, 4, 0]
    let two: [Float] = try output(4, of: 9) { try Normalization.lp(.float, x, [2, 2], axis: 0, p: 2, to: $0) }
    #expect(two == [0.6, 0, 0.8, 0])
    let one: [Float] = try output(4, of: 9) { try Normalization.lp(.float, x, [2, 2], axis: 1, p: 1, to: $0) }
    #expect(one == [1, 0, 1, 0])
  }
}
