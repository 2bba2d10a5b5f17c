import CKernels

@testable import Kernels

/// Reproducible numbers for tests.
struct Generator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state &* 0x2545_F491_4F6C_DD1D
  }

  mutating func pick<C: RandomAccessCollection>(_ choices: C) -> C.Element {
    choices[choices.index(choices.startIndex, offsetBy: Int(next() >> 33) % choices.count)]
  }

  mutating func chance(_ oneIn: Int) -> Bool { Int(next() >> 33) % oneIn == 0 }

  /// In -0.5..<0.5.
  mutating func real() -> Double { Double(next() >> 11) * 0x1p-53 - 0.5 }

  mutating func reals<T: BinaryFloatingPoint>(_ count: Int) -> [T] { (0..<count).map { _ in T(real()) } }
}

/// The instruction levels that this processor has.
let levels: [swk_level] = [SWK_PLAIN, SWK_AVX2, SWK_AVX512].filter { swk_gemm_f32($0) != nil }

/// Memory that tells when someone wrote behind its end.
final class GuardedScratch {
  let start: UnsafeMutableRawPointer
  private let bytes: Int

  init(_ bytes: Int) {
    self.bytes = bytes
    start = .allocate(byteCount: bytes + 64, alignment: 16)
    start.initializeMemory(as: UInt8.self, repeating: 0xA5, count: bytes + 64)
  }

  var isIntact: Bool { (bytes..<bytes + 64).allSatisfy { start.load(fromByteOffset: $0, as: UInt8.self) == 0xA5 } }

  deinit { start.deallocate() }
}
