import CKernels
import Testing

@testable import Kernels

@Suite struct IntegerTests {
  /// All integer kernels that this processor has.
  let tables = levels.flatMap { [swk_gemm_s32($0, false), swk_gemm_s32($0, true)] }.compactMap { $0 }

  /// Random bytes, the extremes often.
  func bytes(_ count: Int, _ r: inout Generator) -> [UInt8] {
    (0..<count).map { _ in r.chance(3) ? r.pick([0, 127, 128, 255]) : UInt8(truncatingIfNeeded: r.next() >> 20) }
  }

  func value(_ byte: UInt8, _ signed: Bool) -> Int32 { signed ? Int32(Int8(bitPattern: byte)) : Int32(byte) }

  @Test func productsAreExact() throws {
    var r = Generator(seed: 81)
    let pools = try [ThreadPool(width: 1), ThreadPool(width: 3)]
    for table in tables {
      for _ in 0..<150 {
        let sizes = [0, 1, 2, 3, 6, 7, 14, 15, 16, 17, 31, 33, 40, 70]
        let (m, n, k) = (r.pick(sizes), r.pick(sizes), r.chance(8) ? 901 : r.pick(sizes))
        let (signedA, signedB, transA, transB) = (r.chance(2), r.chance(2), r.chance(2), r.chance(2))
        let a = bytes(m * k + 1, &r), b = bytes(n * k + 1, &r), zerosA = bytes(m + 1, &r), zerosB = bytes(n + 1, &r)
        let (perRow, perColumn) = (r.chance(2), r.chance(2))
        let zeroA = value(zerosA[0], signedA), zeroB = value(zerosB[0], signedB)
        let (aRow, aColumn) = transA ? (1, m) : (k, 1), (bRow, bColumn) = transB ? (1, k) : (n, 1)
        var c = [Int32](repeating: 77, count: m * n + 1)
        let pool = r.pick(pools)
        try a.withUnsafeBytes { a in
          try b.withUnsafeBytes { b in
            try zerosA.withUnsafeBytes { za in
              try zerosB.withUnsafeBytes { zb in
                var x = IntegerGemm.Operand.strided(
                  a.baseAddress!, signed: signedA, rowStride: aRow, columnStride: aColumn, zero: zeroA,
                  zeros: perRow ? za.baseAddress : nil)
                var y = IntegerGemm.Operand.strided(
                  b.baseAddress!, signed: signedB, rowStride: bRow, columnStride: bColumn, zero: zeroB,
                  zeros: perColumn ? zb.baseAddress : nil)
                if r.chance(3) {
                  let operand = IntegerGemm.operand(x, side: .a, k: k)
                  x = .packed(try PackedMatrix(.a, positions: m, k: k, operand: operand, table: table))
                }
                if r.chance(2) {
                  let operand = IntegerGemm.operand(y, side: .b, k: k)
                  y = .packed(try PackedMatrix(.b, positions: n, k: k, operand: operand, table: table))
                }
                let gemm = try IntegerGemm(m: m, n: n, k: k, a: x, b: y, table: table)
                let scratch = GuardedScratch(gemm.scratchBytes(width: pool.width))
                gemm.run(&c, rowStride: n, pool: pool, scratch: scratch.start)
                #expect(scratch.isIntact)
              }
            }
          }
        }
        var wrong = 0
        for i in 0..<m {
          for j in 0..<n {
            var sum: Int32 = 0
            for x in 0..<k {
              let p = value(a[i * aRow + x * aColumn], signedA) - (perRow ? value(zerosA[i], signedA) : zeroA)
              let q = value(b[x * bRow + j * bColumn], signedB) - (perColumn ? value(zerosB[j], signedB) : zeroB)
              sum &+= p &* q
            }
            if c[i * n + j] != sum { wrong += 1 }
          }
        }
        #expect(wrong == 0, "m \(m) n \(n) k \(k) signed \(signedA) \(signedB) transposed \(transA) \(transB)")
        #expect(c[m * n] == 77)
      }
    }
  }

  @Test func convolutionsAreExact() throws {
    var r = Generator(seed: 91)
    let pools = try [ThreadPool(width: 1), ThreadPool(width: 3)]
    for _ in 0..<120 {
      let rank = r.pick([1, 2, 2, 3])
      func each(_ values: ClosedRange<Int>) -> [Int] { (0..<rank).map { _ in r.pick(values) } }
      let groups = r.pick([1, 1, 2, 6]), channels = groups * r.pick([1, 1, 3, 8])
      guard
        let g = try? ConvolutionGeometry(
          batch: r.pick([1, 2]), inputChannels: channels, outputChannels: groups * r.pick([1, 2, 9]), groups: groups,
          input: each(1...[0, 40, 16, 6][rank]), kernel: r.chance(4) ? each(1...1) : each(1...3),
          strides: each(1...2), dilations: each(1...2), padsBegin: each(0...2), padsEnd: each(0...2))
      else { continue }
      let (signedX, signedW, perChannel) = (r.chance(2), r.chance(2), r.chance(2))
      let x = bytes(g.batch * g.inputChannels * g.inputPlane, &r)
      let w = bytes(g.outputChannels * g.depth, &r), zeros = bytes(g.outputChannels, &r)
      let zeroX = value(bytes(1, &r)[0], signedX), zeroW = value(zeros[0], signedW)
      let plain = w.enumerated().map { i, byte in
        Double(value(byte, signedW) - (perChannel ? value(zeros[i / g.depth], signedW) : zeroW))
      }
      let expected = reference(g, x.map { Double(value($0, signedX) - zeroX) }, plain)
      let table = r.pick(tables), pool = r.pick(pools)
      let packed = try zeros.withUnsafeBytes {
        try PackedIntegerConvolution(
          w, signed: signedW, zero: zeroW, zeros: perChannel ? $0.baseAddress : nil, geometry: g, table: table,
          level: r.pick(levels))
      }
      let convolution = try IntegerConvolution(packed, geometry: g, signed: signedX, zero: zeroX)
      var y = [Int32](repeating: 77, count: expected.count)
      let scratch = GuardedScratch(convolution.scratchBytes(width: pool.width))
      convolution.run(x, &y, pool: pool, scratch: scratch.start)
      #expect(scratch.isIntact)
      #expect(zip(y, expected).allSatisfy { Double($0) == $1 }, "\(g)")
    }
  }

  @Test func wideIntegersWrap() throws {
    var r = Generator(seed: 101)
    let pool = try ThreadPool(width: 2)
    for (m, n, k) in [(3, 5, 7), (1, 1, 1), (20, 33, 2), (4, 4, 0)] {
      let a = (0..<m * k + 1).map { _ in r.next() }, b = (0..<k * n + 1).map { _ in r.next() }
      var c = [UInt64](repeating: 9, count: m * n)
      IntegerMatrices.multiply(
        m: m, n: n, k: k, a: .init(a, rowStride: k, columnStride: 1), b: .init(b, rowStride: 1, columnStride: k), c: &c,
        pool: pool)
      let a32 = a.map { UInt32(truncatingIfNeeded: $0) }, b32 = b.map { UInt32(truncatingIfNeeded: $0) }
      var c32 = [UInt32](repeating: 9, count: m * n)
      IntegerMatrices.multiply(
        m: m, n: n, k: k, a: .init(a32, rowStride: k, columnStride: 1), b: .init(b32, rowStride: 1, columnStride: k),
        c: &c32, pool: pool)
      for i in 0..<m {
        for j in 0..<n {
          let sum = (0..<k).reduce(UInt64(0)) { $0 &+ a[i * k + $1] &* b[j * k + $1] }
          #expect(c[i * n + j] == sum)
          #expect(c32[i * n + j] == UInt32(truncatingIfNeeded: sum))
        }
      }
    }
  }
}
