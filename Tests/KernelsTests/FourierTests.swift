import Glibc
import Kernels
import Tensors
import Testing

@Suite struct FourierTests {
  /// By the definition, with exact angles.
  private static func transform(_ x: [Double], inverse: Bool) -> [Double] {
    let n = x.count / 2, sign: Double = inverse ? 1 : -1
    return (0..<n).flatMap { k -> [Double] in
      var sum = (0.0, 0.0)
      for j in 0..<n {
        let angle = sign * 2 * .pi * Double(j * k % n) / Double(n), (c, s) = (cos(angle), sin(angle))
        sum = (sum.0 + x[2 * j] * c - x[2 * j + 1] * s, sum.1 + x[2 * j] * s + x[2 * j + 1] * c)
      }
      return [sum.0, sum.1]
    }
  }
  private static func run<T: BinaryFloatingPoint>(_ x: [T], _ type: ElementType, inverse: Bool) throws -> [T] {
    let f = try FourierTransform(x.count / 2, type, from: .system)
    let scratch = GuardedScratch(f.scratchByteCount)
    var y = x
    y.withUnsafeMutableBytes { if let p = $0.baseAddress { f.run(p, inverse: inverse, scratch: scratch.start) } }
    #expect(scratch.isIntact)
    return y
  }

  /// Every radix, mixtures of them, great primes by passes (53 * 53) and by Bluestein's algorithm (97, 2 * 509).
  @Test(arguments: Array(1...40) + [44, 48, 64, 77, 96, 97, 100, 121, 128, 169, 194, 243, 250, 343, 512, 1018, 2809])
  func everyLengthIsTransformed(n: Int) throws {
    var g = Generator(seed: UInt64(n))
    let x: [Double] = g.reals(2 * n)
    for inverse in [false, true] {
      let due = Self.transform(x, inverse: inverse)
      let wide = try Self.run(x, .double, inverse: inverse), narrow = try Self.run(x.map { Float($0) }, .float, inverse: inverse)
      let size = sqrt(Double(n))
      for i in 0..<2 * n {
        #expect(abs(wide[i] - due[i]) < 1e-14 * size && abs(Double(narrow[i]) - due[i]) < 1e-6 * size, "\(i)")
      }
    }
  }

  /// Results don't depend on the processor: multiplications and additions round one by one, in FFTPACK's order.
  @Test func floatsRoundAsInOtherLibraries() throws {
    let y = try Self.run((0..<20).map { Float($0 % 2 == 0 ? 5 * $0 : 0) }, .float, inverse: true)
    // NumPy 2: numpy.fft.ifft(numpy.arange(0, 100, 10, dtype=numpy.complex64)) * 10
    #expect(y[2] == -50 && y[3] == -153.88419 && y[8] == -50.000004)
    #expect(y[10] == -50 && y[11] == 0x1p-19)
  }

  @Test func lengthsOutOfRangeAreRefused() {
    for n in [0, -1, 1 << 28 + 1, .max] { #expect(throws: SwiftletError.self) { try FourierTransform(n, .float, from: .system) } }
    #expect(throws: SwiftletError.self) { try FourierTransform(1 << 20, .float, from: Allocator(limit: 1 << 20)) }
  }
}
