import CKernels
import Kernels
import Tensors
import Testing

@Suite struct ResampleTests {
  @Test(arguments: levels) func weightedSumsAlongAnyAxis(level: swk_level) throws {
    var generator = Generator(seed: 41)
    for (outer, input, inner, output, taps) in [(3, 7, 1, 20, 2), (2, 9, 5, 4, 4), (1, 30, 33, 11, 3), (4, 5, 1, 6, 7)] {
      let x = generator.floats(outer * input * inner)
      var indices = (0..<output * taps).map { _ in Int(generator.next() >> 33) % input }
      let weights = generator.floats(output * taps).map { Double($0) }
      indices[taps] = -1
      let axis = try AxisSampling(input: input, taps: taps, indices: indices, weights: weights)
      let got: [Float] = try floats(outer * output * inner) {
        try Resample.interpolate(.float, x, outer: outer, axis, inner: inner, to: $0, fill: 5, level: level)
      }
      for i in got.indices {
        let (o, j, k) = (i / inner / output, i / inner % output, i % inner)
        var want = 0.0
        for t in 0..<taps {
          want += weights[j * taps + t] * Double(x[(o * input + max(0, indices[j * taps + t])) * inner + k])
        }
        if j == 1 { want = 5 }
        #expect(Swift.abs(Double(got[i]) - want) < 1e-4)
      }
    }
  }

  @Test(arguments: levels) func nearestElements(level: swk_level) throws {
    let x = (0..<24).map { UInt16($0) }, fill: [UInt16] = [99]
    func axis(_ input: Int, _ indices: [Int]) throws -> AxisSampling {
      try AxisSampling(input: input, taps: 1, indices: indices, weights: indices.map { _ in 1 })
    }
    let rows = [0, 0, 1, 2], columns = [3, 3, 0, -1, 1]
    let got: [UInt16] = try output(40, of: 0) {
      try Resample.nearest(
        x, [2, 3, 4], [nil, axis(3, rows), axis(4, columns)], to: $0, elementSize: 2, fill: fill, level: level)
    }
    for i in got.indices {
      let c = columns[i % 5]
      #expect(got[i] == (c < 0 ? 99 : x[i / 20 * 12 + rows[i / 5 % 4] * 4 + c]))
    }
    let outside = [1, -1, 0]
    let runs: [UInt16] = try output(36, of: 0) {
      try Resample.nearest(x, [2, 3, 4], [axis(2, outside), nil, nil], to: $0, elementSize: 2, fill: fill, level: level)
    }
    for i in runs.indices { #expect(runs[i] == (outside[i / 12] < 0 ? 99 : x[outside[i / 12] * 12 + i % 12])) }
  }
}

private func floats(_ count: Int, _ body: (UnsafeMutableRawPointer) throws -> Void) rethrows -> [Float] {
  try output(count, of: 0, body)
}
