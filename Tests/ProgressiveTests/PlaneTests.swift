import CKernels
import Kernels
@testable import Packing
import Progressive
import Swiftlet
import Testing

private let levels = [SWK_PLAIN, SWK_AVX2, SWK_AVX512].filter { $0.rawValue <= swk_level.best.rawValue }

/// Bit patterns of a type: weights, zeros, and everything that a float can be.
private func patterns(_ width: Int, _ count: Int, _ kind: String, _ numbers: inout Numbers) -> [UInt64] {
  (0..<count).map { i in
    let w = numbers.weight() * (i % 5 == 0 ? 8 : 1)
    let bits: UInt64 =
      switch width {
      case 2: UInt64(Half.bits(w))
      case 4: UInt64(w.bitPattern)
      default: Double(w).bitPattern | UInt64.random(in: 0..<1 << 29, using: &numbers)
      }
    switch kind {
    case "weights": return bits
    case "pruned": return i % 10 == 0 ? bits : 0
    case "zeros": return 0
    case "anything": return UInt64.random(in: 0...(.max), using: &numbers) >> UInt64(64 - 8 * width)
    default: return i % 37 == 0 ? UInt64.random(in: 0...(.max), using: &numbers) >> UInt64(64 - 8 * width) : bits
    }
  }
}

@Suite struct PlaneTests {
  /// Every level decodes every step to the same bits, and at the end the weights are what they were.
  @Test(arguments: ["weights", "pruned", "zeros", "anything", "mixed"], [ElementType.float, .float16, .bfloat16, .double])
  func weightsComeBackBitForBit(_ kind: String, _ type: ElementType) throws {
    var numbers = Numbers(7)
    let width = type.bits / 8
    for (shape, axis, steps) in [
      ([1], nil, 1), ([5, 7], 1, 2), ([3, 300], 0, 4), ([9, 17, 29], 1, 6), ([5000], nil, 9), ([40, 4, 33], 2, 3),
    ] as [([Int], Int?, Int)] {
      let count = shape.reduce(1, *)
      let values = patterns(width, count, kind, &numbers)
      let weights = values.flatMap { v in (0..<width).map { UInt8(truncatingIfNeeded: v >> UInt64(8 * $0)) } }
      let bits = try #require(PlaneEncoding.bits(of: type))
      let tops = tops(values, shape, axis, bits)
      for significance in [1, 5, 17] {
        let planes = significance + bits.mantissa
        let n = min(steps, planes)
        let lengths = (0..<n).map { $0 == n - 1 ? planes - (n - 1) * (planes / n) : planes / n }
        let encoding = try PlaneEncoding(
          type: type, shape: shape, significance: significance, segmentLength: 1024, steps: lengths, axis: axis, tops: tops)
        for start in stride(from: 0, to: count, by: 1024) {
          try check(encoding, type, Array(weights[start * width..<min(count, start + 1024) * width]), from: start)
        }
      }
    }
  }

  private func tops(_ values: [UInt64], _ shape: [Int], _ axis: Int?, _ bits: (mantissa: Int, exponent: Int)) -> [UInt16] {
    let inner = axis.map { shape[($0 + 1)...].reduce(1, *) } ?? values.count
    let channels = axis.map { shape[$0] } ?? 1
    var tops = [UInt16](repeating: 0, count: channels)
    for (i, v) in values.enumerated() {
      let e = Int(v >> UInt64(bits.mantissa)) & (1 << bits.exponent - 1)
      if e < 1 << bits.exponent - 1 { tops[i / inner % channels] = max(tops[i / inner % channels], UInt16(e)) }
    }
    return tops
  }

  private func check(_ encoding: PlaneEncoding, _ type: ElementType, _ weights: [UInt8], from start: Int) throws {
    let count = weights.count * 8 / type.bits
    // The encoder checks that the end is exact.
    let segment = try weights.withUnsafeBytes {
      try PackedSegment(encoding, type, try #require($0.baseAddress), count: count, from: start)
    }
    var results: [[UInt8]] = []
    for level in levels {
      // At an odd address, as tensors in files may stand.
      var memory = [UInt8](repeating: 0, count: weights.count + 1)
      var scratch = [UInt8](repeating: 0, count: count + 16)
      var states: [UInt8] = []
      for (step, chunk) in segment.chunks.enumerated() {
        try memory.withUnsafeMutableBytes { m in
          try chunk.withUnsafeBytes {
            try encoding.refine(
              try #require(m.baseAddress) + 1, count: count, from: start, step: step, chunk: $0, scratch: &scratch, level: level)
          }
        }
        states += memory.dropFirst()
      }
      #expect(Array(memory.dropFirst()) == weights)
      results.append(states)
    }
    #expect(results.allSatisfy { $0 == results[0] }, "levels differ")
  }

  @Test func aWeightIsTheMiddleOfItsCell() throws {
    // Top exponent 127: planes 0, 1, 2 ... are of 1, 1/2, 1/4 ...
    let weights: [Float] = [1.9, -1.1, 0.6, -0.3, 0.01, 0]
    let encoding = try PlaneEncoding(
      type: .float, shape: [6], significance: 8, segmentLength: 1024, steps: Array(repeating: 1, count: 31), axis: nil, tops: [127])
    let segment = try weights.withUnsafeBytes { try PackedSegment(encoding, .float, try #require($0.baseAddress), count: 6, from: 0) }
    var now = [Float](repeating: 0, count: 6)
    var scratch = [UInt8](repeating: 0, count: 22)
    let due: [[Float]] = [
      [1.5, -1.5, 0, 0, 0, 0], [1.75, -1.25, 0.75, 0, 0, 0], [1.875, -1.125, 0.625, -0.375, 0, 0],
    ]
    for step in 0..<3 {
      try now.withUnsafeMutableBytes { m in
        try segment.chunks[step].withUnsafeBytes {
          try encoding.refine(try #require(m.baseAddress), count: 6, from: 0, step: step, chunk: $0, scratch: &scratch)
        }
      }
      #expect(now == due[step])
    }
  }

  /// Chunks are untrusted even when their checksum is right.
  @Test func damagedChunksAreErrorsOrWeights() throws {
    var numbers = Numbers(11)
    let weights = (0..<3000).map { _ in numbers.weight() }
    let encoding = try PlaneEncoding(
      type: .float, shape: [3000], significance: 12, segmentLength: 4096, steps: [3, 1, 4, 10, 17], axis: nil,
      tops: [UInt16(weights.map(\.exponentBitPattern).max() ?? 0)])
    let segment = try weights.withUnsafeBytes { try PackedSegment(encoding, .float, try #require($0.baseAddress), count: 3000, from: 0) }
    for round in 0..<600 {
      var memory = [UInt8](repeating: 0, count: 12000)
      var scratch = [UInt8](repeating: 0, count: 3016)
      for (step, chunk) in segment.chunks.enumerated() {
        var bytes = chunk
        if round % 2 == 0 { bytes.removeLast(Int.random(in: 0...bytes.count, using: &numbers)) }
        for _ in 0..<2 where !bytes.isEmpty { bytes[Int.random(in: 0..<min(bytes.count, 80), using: &numbers)] = .random(in: 0...255, using: &numbers) }
        for level in levels {
          do {
            try memory.withUnsafeMutableBytes { m in
              try bytes.withUnsafeBytes {
                try encoding.refine(try #require(m.baseAddress), count: 3000, from: 0, step: step, chunk: $0, scratch: &scratch, level: level)
              }
            }
          } catch { #expect((error as? SwiftletError)?.code == .parse) }
        }
      }
    }
  }
}
