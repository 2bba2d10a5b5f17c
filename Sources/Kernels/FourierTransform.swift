import CKernels
import Glibc
import Tensors

/// Discrete Fourier transforms of one length, in float or double: passes of radix 8, 4, 2 and the odd primes. Lengths
/// with a great prime take Bluestein's algorithm where that is less work.
public final class FourierTransform: @unchecked Sendable {
  public let length: Int
  private let type: ElementType
  private let passes: [swk_fourier_pass]
  /// What `passes`, `chirp` and `filter` point into.
  private var tables: [Buffer] = []
  private var chirp: UnsafeMutableRawPointer?
  private var filter: UnsafeMutableRawPointer?
  /// The length of Bluestein's convolution; 0 without it.
  private let padded: Int

  /// - Parameter length: from 1 to 2^28.
  public init(_ length: Int, _ type: ElementType, from allocator: Allocator) throws {
    guard type == .float || type == .double else { throw Binary.unsupported("a Fourier transform", type) }
    guard length > 0, length <= 1 << 28 else { throw SwiftletError(.runtime, "a transform of length \(length)") }
    self.length = length
    self.type = type
    padded = Self.convolution(length)
    var tables: [Buffer] = [], passes: [swk_fourier_pass] = [], groups = 1
    let whole = padded > 0 ? padded : length
    for radix in Self.radices(whole) {
      let run = whole / (groups * radix)
      let twiddles = try Self.table((radix - 1) * (run - 1), type, allocator) { i in
        Self.root((i / (run - 1) + 1) * (i % (run - 1) + 1), radix * run)
      }
      let roots = try Self.table(radix, type, allocator) { Self.root($0, radix) }
      tables += [twiddles, roots]
      passes.append(
        swk_fourier_pass(radix: radix, groups: groups, run: run, twiddles: twiddles.base, roots: roots.base))
      groups *= radix
    }
    (self.tables, self.passes) = (tables, passes)
    if padded > 0 { try prepareConvolution(allocator) }
  }

  /// Bytes of memory that `run` takes besides the numbers themselves.
  public var scratchByteCount: Int {
    ((padded > 0 ? 2 * padded : length) + (passes.map { Int($0.radix) }.max() ?? 0)) * type.bits / 4
  }

  /// Transforms `length` complex numbers in place; the inverse isn't scaled.
  public func run(_ x: UnsafeMutableRawPointer, inverse: Bool, scratch: UnsafeMutableRawPointer) {
    run(length, chirp, inverse, x, scratch)
  }

  private func run(
    _ length: Int, _ chirp: UnsafeMutableRawPointer?, _ inverse: Bool, _ x: UnsafeMutableRawPointer,
    _ scratch: UnsafeMutableRawPointer
  ) {
    passes.withUnsafeBufferPointer { passes in
      var f = swk_fourier(
        type: type.swk, length: length, passes: passes.baseAddress, count: passes.count, chirp: chirp, filter: filter,
        padded: padded)
      swk_fourier_run(&f, inverse, x, scratch)
    }
  }

  private func prepareConvolution(_ allocator: Allocator) throws {
    let n = length, padded = padded
    // k^2 stays below 2^56.
    let chirp = try Self.table(n, type, allocator) { Self.root($0 * $0 % (2 * n), 2 * n) }
    let scale = 1 / Double(padded)
    let filter = try Self.table(padded, type, allocator) { i in
      let k = min(i, padded - i)
      if k >= n { return (0, 0) }
      let (re, im) = Self.root(k * k % (2 * n), 2 * n)
      return (re * scale, -im * scale)
    }
    let scratch = try allocator.allocate(scratchByteCount)
    run(padded, nil, false, filter.base, scratch.base)
    withExtendedLifetime(scratch) {}
    tables += [chirp, filter]
    (self.chirp, self.filter) = (chirp.base, filter.base)
  }

  /// `count` complex numbers in memory.
  private static func table(
    _ count: Int, _ type: ElementType, _ allocator: Allocator, _ number: (Int) -> (re: Double, im: Double)
  ) throws -> Buffer {
    let buffer = try allocator.allocate(count * type.bits / 4)
    for i in 0..<count {
      let (re, im) = number(i)
      if type == .float {
        let p = buffer.base.assumingMemoryBound(to: Float.self) + 2 * i
        (p[0], p[1]) = (Float(re), Float(im))
      } else {
        let p = buffer.base.assumingMemoryBound(to: Double.self) + 2 * i
        (p[0], p[1]) = (re, im)
      }
    }
    return buffer
  }

  /// e^(-2 pi i k / n), 0 <= k < n, from an angle of the first octant: exact where it can be.
  private static func root(_ k: Int, _ n: Int) -> (re: Double, im: Double) {
    let isBelow = 2 * k > n
    var eighths = 8 * (isBelow ? n - k : k)
    let isLeft = eighths > 2 * n
    if isLeft { eighths = 4 * n - eighths }
    let isSteep = eighths > n
    if isSteep { eighths = 2 * n - eighths }
    let angle = 2 * Double.pi * Double(eighths) / Double(8 * n)
    let (re, im) = isSteep ? (sin(angle), cos(angle)) : (cos(angle), sin(angle))
    return (isLeft ? -re : re, isBelow ? im : -im)
  }

  // MARK: Factors

  private static func radices(_ n: Int) -> [Int] {
    var rest = n, list: [Int] = []
    for radix in [8, 4] {
      while rest % radix == 0 {
        list.append(radix)
        rest /= radix
      }
    }
    if rest % 2 == 0 {
      list.append(2)
      rest /= 2
      list.swapAt(0, list.count - 1)
    }
    var odd = 3
    while odd * odd <= rest {
      while rest % odd == 0 {
        list.append(odd)
        rest /= odd
      }
      odd += 2
    }
    return rest > 1 ? list + [rest] : list
  }

  /// The length of the convolution that Bluestein's algorithm takes, or 0 where passes are less work.
  private static func convolution(_ n: Int) -> Int {
    let greatest = n < 50 ? 0 : radices(n).max() ?? 0
    if greatest * greatest <= n { return 0 }
    var padded = 2 * n - 1
    while [2, 3, 5, 7, 11].reduce(padded, { rest, p in strip(rest, p) }) > 1 { padded += 1 }
    return 3 * cost(padded) < cost(n) ? padded : 0
  }

  private static func strip(_ n: Int, _ p: Int) -> Int {
    var rest = n
    while rest % p == 0 { rest /= p }
    return rest
  }

  private static func cost(_ n: Int) -> Double {
    let each = radices(n).reduce(0.0) { sum, r in
      sum + (r % 2 == 0 ? 2 * Double(r.trailingZeroBitCount) : r <= 5 ? Double(r) : 1.1 * Double(r))
    }
    return each * Double(n)
  }
}
