import CKernels
import Testing

@testable import Kernels

/// 8-bit weights, most of which are their row's zero point.
private struct SparseBytes {
  let signed: Bool
  let bytes: [UInt8]
  let zeros: [UInt8]
  let perRow: Bool
  let k: Int

  init(rows: Int, k: Int, density: Double, _ r: inout Generator) {
    (signed, perRow, self.k) = (r.chance(2), r.chance(2), k)
    // Around the zero point, so that differences stay within 8 bits.
    zeros = (0..<rows + 1).map { [signed] _ in UInt8(truncatingIfNeeded: (signed ? 0 : 128) + r.pick(-3...3)) }
    bytes = (0..<rows * k + 1).map { [zeros, perRow] i in
      let zero = zeros[perRow ? min(i / max(k, 1), rows) : 0]
      return r.real() + 0.5 < density ? zero &+ UInt8(truncatingIfNeeded: r.pick(-100...100)) : zero
    }
  }

  func value(_ byte: UInt8) -> Int32 { signed ? Int32(Int8(bitPattern: byte)) : Int32(byte) }
  func weight(_ row: Int, _ i: Int) -> Int32 { value(bytes[row * k + i]) - value(zeros[perRow ? row : 0]) }
  func withSource<R>(rows: Range<Int>, _ body: (SparseSource) throws -> R) rethrows -> R {
    try bytes.withUnsafeBytes { bytes in
      try zeros.withUnsafeBytes { zeros in
        try body(
          SparseSource(
            integers: bytes.baseAddress! + rows.lowerBound * k, signed: signed, zero: value(self.zeros[0]),
            zeros: perRow ? zeros.baseAddress! + rows.lowerBound : nil, rows: rows.count, k: k, rowStride: k, kStride: 1))
      }
    }
  }
}

@Suite struct SparseIntegerTests {
  @Test(arguments: levels) func matrixProductsAreExact(level: swk_level) throws {
    var r = Generator(seed: 31 + UInt64(level.rawValue))
    let pools = try [ThreadPool(width: 1), ThreadPool(width: 3)]
    for _ in 0..<60 {
      let sizes = [1, 2, 7, 15, 16, 17, 33, 64]
      let (m, n, k) = (r.chance(4) ? 1 : r.pick(sizes + [0, 150]), r.pick(sizes), r.pick(sizes + [0, 300]))
      let w = SparseBytes(rows: n, k: k, density: r.pick([0, 0.1, 0.5]), &r), pool = r.pick(pools)
      let a = (0..<m * k + 1).map { _ in UInt8(truncatingIfNeeded: r.next()) }
      let zerosA = (0..<m + 1).map { _ in UInt8(truncatingIfNeeded: r.next()) }, (perRow, columns) = (r.chance(2), r.chance(2))
      let ldc = n + r.pick(0...2)
      var c = [Int32](repeating: 77, count: m * ldc + 1)
      try w.withSource(rows: 0..<n) { source in
        #expect(source.isExactInFloat)
        let packed = try pack(source, group: r.pick(SparseChoice.groups), level: level, vector: m == 1, pool: pool)
        try zerosA.withUnsafeBytes { za in
          let gemm = try IntegerGemm(
            m: m, n: n, k: k,
            a: .strided(
              a, signed: false, rowStride: columns ? 1 : k, columnStride: columns ? m : 1, zero: 9,
              zeros: perRow ? za.baseAddress : nil),
            b: .packed(PackedMatrix(packed, table: IntegerGemm.kernels())))
          let scratch = GuardedScratch(gemm.scratchBytes(width: pool.width))
          gemm.run(&c, rowStride: ldc, pool: pool, scratch: scratch.start)
          #expect(scratch.isIntact)
        }
      }
      for i in 0..<m {
        for j in 0..<n {
          let zero = perRow ? Int32(zerosA[i]) : 9
          let sum = (0..<k).reduce(Int32(0)) { $0 + (Int32(a[columns ? $1 * m + i : i * k + $1]) - zero) * w.weight(j, $1) }
          #expect(c[i * ldc + j] == sum, "m \(m) n \(n) k \(k) at \(i) \(j)")
        }
      }
      #expect(c[m * ldc] == 77)
    }
  }

  @Test(arguments: levels) func convolutionsAreExact(level: swk_level) throws {
    var r = Generator(seed: 41 + UInt64(level.rawValue)), sparse = 0
    let pool = try ThreadPool(width: 2)
    for _ in 0..<30 {
      let groups = r.pick([1, 1, 2]), side = r.pick([1, 2, 3])
      guard
        let g = try? ConvolutionGeometry(
          batch: r.pick([1, 2]), inputChannels: groups * 8, outputChannels: groups * r.pick([8, 24]), groups: groups,
          input: [r.pick(3...20), r.pick(3...20)], kernel: [side, side], strides: [r.pick([1, 2]), 1],
          padsBegin: [r.pick([0, 1]), 1], padsEnd: [1, r.pick([0, 2])])
      else { continue }
      let w = SparseBytes(rows: g.outputChannels, k: g.depth, density: 0.1, &r)
      let x = (0..<g.batch * g.inputChannels * g.inputPlane).map { _ in UInt8(truncatingIfNeeded: r.next()) }
      let expected = reference(
        g, x.map { Double($0) - 7 }, (0..<g.outputChannels * g.depth).map { Double(w.weight($0 / g.depth, $0 % g.depth)) })
      let packed = try w.zeros.withUnsafeBytes {
        try PackedIntegerConvolution(
          w.bytes, signed: w.signed, zero: w.value(w.zeros[0]), zeros: w.perRow ? $0.baseAddress : nil, geometry: g,
          table: IntegerGemm.kernels(), level: level)
      }
      sparse += packed.sparse == nil ? 0 : 1
      let convolution = try IntegerConvolution(packed, geometry: g, signed: false, zero: 7)
      var y = [Int32](repeating: 77, count: expected.count)
      let scratch = GuardedScratch(convolution.scratchBytes(width: 2))
      convolution.run(x, &y, pool: pool, scratch: scratch.start)
      #expect(scratch.isIntact)
      #expect(zip(y, expected).allSatisfy { Double($0) == $1 }, "\(g)")
    }
    #expect(sparse > 10)
  }

  @Test func weightsWhoseSumsMayNotBeExactStayDense() {
    let bytes = [Int8](repeating: 127, count: 8 * 600)
    bytes.withUnsafeBytes { bytes in
      func source(k: Int, zero: Int32) -> SparseSource {
        SparseSource(
          integers: bytes.baseAddress!, signed: true, zero: zero, zeros: nil, rows: 8, k: k, rowStride: 600, kStride: 1)
      }
      #expect(source(k: 518, zero: 0).isExactInFloat)
      #expect(!source(k: 519, zero: 0).isExactInFloat)
      #expect(!source(k: 1, zero: -1).isExactInFloat, "128 isn't an 8-bit integer")
    }
  }
}
