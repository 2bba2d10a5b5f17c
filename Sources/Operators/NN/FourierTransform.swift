import Glibc
import Kernels
import Tensors

/// Discrete Fourier transforms of one length, computed in double: powers of two by Cooley and Tukey's algorithm, other
/// lengths by Bluestein's, short ones directly.
struct FourierTransform: Sendable {
  let length: Int
  /// e^(-2 pi i k / length)
  private let roots: [SIMD2<Double>]
  private let bluestein: Bluestein?

  private final class Bluestein: Sendable {
    let transform: FourierTransform
    /// e^(-pi i k^2 / n)
    let chirp: [SIMD2<Double>]
    /// Transform of the conjugate chirp.
    let filter: [SIMD2<Double>]

    init(_ n: Int) {
      var m = 1
      while m < 2 * n { m *= 2 }
      let transform = FourierTransform(m)
      let chirp = (0..<n).map { FourierTransform.root($0 * $0 % (2 * n), 2 * n) }
      var filter = [SIMD2<Double>](repeating: .zero, count: m)
      for k in 0..<n {
        filter[k] = SIMD2(chirp[k].x, -chirp[k].y)
        if k > 0 { filter[m - k] = filter[k] }
      }
      filter.withUnsafeMutableBufferPointer { transform.run($0) }
      (self.transform, self.chirp, self.filter) = (transform, chirp, filter)
    }
  }

  init(_ length: Int) {
    self.length = length
    roots = (0..<length).map { Self.root($0, length) }
    let isPower = length & (length - 1) == 0
    bluestein = isPower || length < 48 ? nil : Bluestein(length)
  }

  private static func root(_ k: Int, _ n: Int) -> SIMD2<Double> {
    let angle = -2 * Double.pi * Double(k) / Double(n)
    return SIMD2(cos(angle), sin(angle))
  }

  @inline(__always)
  private static func product(_ a: SIMD2<Double>, _ b: SIMD2<Double>) -> SIMD2<Double> {
    SIMD2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x)
  }

  /// Transforms `length` complex numbers in place; the inverse is not scaled.
  func run(_ x: UnsafeMutableBufferPointer<SIMD2<Double>>, inverse: Bool = false) {
    guard length > 1 else { return }
    if inverse { for i in 0..<length { x[i].y = -x[i].y } }
    if let bluestein {
      convolve(x, bluestein)
    } else if length & (length - 1) == 0 {
      powerOfTwo(x)
    } else {
      let copy = Array(x)
      for k in 0..<length {
        var sum = SIMD2<Double>.zero
        for j in 0..<length { sum += Self.product(copy[j], roots[j * k % length]) }
        x[k] = sum
      }
    }
    if inverse { for i in 0..<length { x[i].y = -x[i].y } }
  }

  private func powerOfTwo(_ x: UnsafeMutableBufferPointer<SIMD2<Double>>) {
    let bits = length.trailingZeroBitCount
    for i in 0..<length {
      var reversed = 0
      for b in 0..<bits where i >> b & 1 == 1 { reversed |= 1 << (bits - 1 - b) }
      if reversed > i { x.swapAt(i, reversed) }
    }
    roots.withUnsafeBufferPointer { roots in
      var half = 1
      while half < length {
        let step = length / (2 * half)
        for start in stride(from: 0, to: length, by: 2 * half) {
          for k in 0..<half {
            let t = Self.product(x[start + k + half], roots[k * step])
            x[start + k + half] = x[start + k] - t
            x[start + k] += t
          }
        }
        half *= 2
      }
    }
  }

  private func convolve(_ x: UnsafeMutableBufferPointer<SIMD2<Double>>, _ b: Bluestein) {
    let m = b.transform.length
    var work = [SIMD2<Double>](repeating: .zero, count: m)
    for k in 0..<length { work[k] = Self.product(x[k], b.chirp[k]) }
    work.withUnsafeMutableBufferPointer { work in
      b.transform.run(work)
      for k in 0..<m { work[k] = Self.product(work[k], b.filter[k]) }
      b.transform.run(work, inverse: true)
      let scale = 1 / Double(m)
      for k in 0..<length { x[k] = Self.product(work[k], b.chirp[k]) * scale }
    }
  }
}
