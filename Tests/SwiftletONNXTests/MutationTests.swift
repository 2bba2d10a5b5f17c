import Foundation
import Testing

@testable import SwiftletTool

/// Damaged models in every format: each call comes back, with a result or an error.
@Suite struct MutationTests {
  @Test("damaged input is an error, not a crash", arguments: Bridge.Format.allCases)
  func damagedInput(format: Bridge.Format) throws {
    guard let bridge else { return }
    var random = SplitMix(state: UInt64(format.rawValue) + 1)
    let seeds = try Sample.all.map { text in
      try bridge.convert(bridge.convert(Data(text), from: .onnxText, to: .onnx).output, from: .onnx, to: format).output
    }
    var accepted = 0
    for round in 0..<1_500 {
      let damaged = mutate(seeds[round % seeds.count], &random)
      for target in Bridge.Format.allCases {
        if (try? bridge.convert(damaged, from: format, to: target)) != nil { accepted += 1 }
      }
      if format == .onnx {
        _ = try? bridge.dump(damaged)
        _ = try? bridge.check(damaged, directory: "")
        if round < 100 { _ = try? bridge.convertVersion(damaged, opset: 17) }
      }
    }
    #expect(accepted > 0, "the mutations are too coarse to reach beyond the parser")
  }

  private func mutate(_ seed: Data, _ random: inout SplitMix) -> Data {
    var bytes = [UInt8](seed)
    for _ in 0...Int.random(in: 0...3, using: &random) {
      guard let at = bytes.indices.randomElement(using: &random) else { break }
      let length = Int.random(in: 1...40, using: &random)
      switch Int.random(in: 0...5, using: &random) {
      case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes[at] ^= 1 << UInt8.random(in: 0...7, using: &random)
      case 2: bytes.removeSubrange(at..<min(at + length, bytes.count))
      case 3: bytes.insert(contentsOf: bytes[at..<min(at + length, bytes.count)], at: at)
      case 4: bytes.replaceSubrange(at..<at, with: Array("\"[]{}<>()=@:,#-9".utf8.shuffled(using: &random).prefix(2)))
      default: if random.next() % 4 == 0 { bytes.removeSubrange(at...) }
      }
    }
    return Data(bytes)
  }
}

private struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
