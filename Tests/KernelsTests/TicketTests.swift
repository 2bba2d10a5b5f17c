import CKernels
import Tensors
import Testing

@testable import Kernels

/// The words of docs/ticket-format.md by its formulas.
private struct Signs {
  private let low: UInt32
  private let high: UInt32
  private static let factors: [UInt32] = [
    0xda12_f9ab, 0x875a_1c87, 0xf272_a923, 0xbbd0_17e7, 0xb4fb_3971, 0x3d99_ab15, 0x2e24_e747, 0x03e8_e4f1,
  ]

  init(seed: UInt64) {
    low = Self.mix(UInt32(truncatingIfNeeded: seed) ^ 0x9e37_79b9)
    high = Self.mix(UInt32(truncatingIfNeeded: seed >> 32) &+ low &+ 0x9e37_79b9)
  }
  private static func mix(_ x: UInt32) -> UInt32 {
    var x = (x ^ x >> 16) &* 0x7feb_352d
    x = (x ^ x >> 15) &* 0x846c_a68b
    return x ^ x >> 16
  }
  func word(_ block: Int, _ i: Int) -> UInt32 {
    let t = Self.mix(Self.mix(UInt32(block) &+ low) ^ high) &* Self.factors[i]
    return t ^ t >> 16
  }
  func isMinus(row: Int, column: Int, columns: Int) -> Bool {
    let block = row * ((columns + 255) / 256) + column / 256
    return word(block, column % 256 / 32) >> UInt32(column % 32) & 1 == 1
  }
}

/// A ticket and the weight that it is, element by element.
private struct Case {
  let ticket: Ticket
  let weight: [Float]

  init(_ kind: Ticket.Kind, _ shape: [Int], kept: Double, _ r: inout Generator) throws {
    let count = shape.reduce(1, *), rows = shape.count > 1 ? shape[0] : 1
    let columns = rows == 0 ? 0 : count / rows, channels = shape.count > 1 ? shape[1] : 1
    let planes = kind == .coated ? 2 : 1, bytes = (count + 7) / 8, seed = r.next()
    var bits = [UInt8](repeating: 0, count: planes * bytes), stored = [UInt8](repeating: 0, count: bytes)
    let magnitudes: [Float] = kind == .coated ? [0, 0.5, 0, 2] : [0, 0.75]
    let signs = Signs(seed: seed)
    var weight: [Float] = []
    for e in 0..<count {
      let code = r.real() + 0.5 < kept ? r.pick(1..<magnitudes.count) : 0
      for plane in 0..<planes where code >> plane & 1 == 1 { bits[plane * bytes + e / 8] |= 1 << UInt8(e % 8) }
      let inner = max(1, columns / max(channels, 1)), place = e % max(columns, 1)
      let column = shape.count > 2 ? place % inner * channels + place / inner : place
      var minus = kind == .ternary ? r.chance(2) : signs.isMinus(row: e / max(columns, 1), column: column, columns: columns)
      if magnitudes[code] == 0 { minus = false }
      if kind == .ternary, minus { stored[e / 8] |= 1 << UInt8(e % 8) }
      weight.append(minus ? -magnitudes[code] : magnitudes[code])
    }
    self.weight = weight
    ticket = try Ticket(
      kind: kind, bits: Tensor(.uint8, bits, kind == .coated ? [planes, bytes] : [bytes]),
      signs: kind == .ternary
        ? Tensor(.uint8, stored) : Tensor(.uint32, [UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)]),
      magnitudes: kind == .coated ? Tensor(magnitudes) : Tensor([magnitudes[1]], []), shape: shape)
  }
}

private let kinds: [Ticket.Kind] = [.signed, .coated, .ternary]

@Suite struct TicketTests {
  /// The vectors of docs/ticket-format.md: words 0, 1 and 7 of block 0, word 0 of block 1.
  @Test func wordsAreThoseOfTheSpecification() {
    let vectors: [(UInt64, [UInt32])] = [
      (0, [0xbbd4_764f, 0xde74_e943, 0xe171_c2b0, 0xde96_9aae]),
      (1, [0x7ca4_fe5a, 0xa23b_d7ed, 0x6394_2ace, 0x9e11_b509]),
      (0x0123_4567_89ab_cdef, [0x218a_356b, 0x7cde_762b, 0xe3ab_4fd8, 0x0155_73ff]),
    ]
    for (seed, words) in vectors {
      let s = Signs(seed: seed)
      #expect([s.word(0, 0), s.word(0, 1), s.word(0, 7), s.word(1, 0)] == words)
    }
  }

  /// Random123's vector for the key and the counter 0.
  @Test func uniformIsPhilox() throws {
    let ticket = try Ticket(
      kind: .uniform, bits: Tensor(.uint8, [UInt8(0b1101)]), signs: Tensor(.uint32, [UInt32(0), 0]),
      magnitudes: Tensor([Float(0.5)], []), shape: [4])
    var w = [Float](repeating: .nan, count: 4)
    try ticket.expand(to: &w, pool: ThreadPool(width: 1))
    let words: [UInt32] = [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
    let due = words.map { (Float($0 >> 8) * 0x1p-23 - 1) * 0.5 }
    #expect(w == [due[0], 0, due[2], due[3]])
  }

  @Test func expandingGivesEveryElement() throws {
    var r = Generator(seed: 5)
    let shapes = [[], [1], [300], [0, 3], [3, 0], [1, 1], [17, 31], [16, 32], [33, 257], [3, 512], [5, 3, 2], [18, 20, 3, 3]]
    for shape in shapes {
      for kind in kinds {
        for kept in [0, 0.3, 1] {
          let c = try Case(kind, shape, kept: kept, &r)
          var w = [Float](repeating: .nan, count: c.weight.count + 1)
          try c.ticket.expand(to: &w, pool: ThreadPool(width: 2))
          #expect(w.dropLast().map(\.bitPattern) == c.weight.map(\.bitPattern), "\(kind) \(shape)")
          #expect(w.last?.isNaN == true && c.ticket.kept == c.weight.filter { $0 != 0 }.count)
        }
      }
    }
  }

  @Test(arguments: levels) func productsAgreeWithLoops(level: swk_level) throws {
    var r = Generator(seed: 31 + UInt64(level.rawValue))
    let pools = try [ThreadPool(width: 1), ThreadPool(width: 3)]
    for _ in 0..<50 {
      let m = r.chance(10) ? 270 : r.pick([1, 1, 2, 7, 20, 50]), n = r.chance(8) ? 300 : r.pick([0, 1, 15, 16, 17, 33, 65])
      let k = r.chance(8) ? 600 : r.pick([0, 1, 31, 32, 33, 100, 257]), pool = r.pick(pools)
      let transposed = !r.chance(3)  // [n, k]
      let c = try Case(r.pick(kinds), transposed ? [n, k] : [k, n], kept: r.pick([0, 0.1, 0.5, 1]), &r)
      let a: [Float] = r.reals(m * k + 1), bias: [Float] = r.reals(n + 1), ldc = n + r.pick(0...2), columns = r.chance(3)
      var y = [Float](repeating: .nan, count: m * ldc + 1)
      try a.withUnsafeBufferPointer { a in
        try bias.withUnsafeBufferPointer { bias in
          var epilogue = Epilogue<Float>(alpha: r.pick([1, 2]), activation: r.pick([.none, .relu]))
          if r.chance(2) { epilogue.columnBias = bias.baseAddress }
          let matrix = try PackedMatrix(c.ticket, transposed: transposed, level: level, pool: r.chance(2) ? pool : nil)
          let gemm = try Gemm<Float>(
            m: m, n: n, k: k,
            a: .strided(a.baseAddress!, rowStride: columns ? 1 : k, columnStride: columns ? m : 1), b: .packed(matrix),
            epilogue: epilogue, batch: nil, table: #require(swk_gemm_f32(level)))
          let scratch = GuardedScratch(gemm.scratchBytes(width: pool.width))
          y.withUnsafeMutableBufferPointer {
            gemm.run($0.baseAddress!, rowStride: ldc, pool: pool, scratch: scratch.start)
          }
          #expect(scratch.isIntact)
          for i in 0..<m {
            for j in 0..<n {
              let sum = (0..<k).reduce(0.0) {
                $0 + Double(a[columns ? $1 * m + i : i * k + $1]) * Double(c.weight[transposed ? j * k + $1 : $1 * n + j])
              }
              let all = epilogue.alpha * sum + (epilogue.columnBias == nil ? 0 : Double(bias[j]))
              let due = epilogue.activation == .relu ? max(0, all) : all
              #expect(abs(Double(y[i * ldc + j]) - due) < 1e-4 * (1 + abs(due)), "\(m)x\(n)x\(k) at \(i), \(j)")
            }
          }
        }
      }
      #expect(y.last?.isNaN == true)
    }
  }

  /// An element that isn't kept has no part in the sum, whatever it would be multiplied with.
  @Test func whatIsNotKeptMeetsNothing() throws {
    var r = Generator(seed: 8)
    let c = try Case(.signed, [20, 64], kept: 0, &r), x = [Float](repeating: .infinity, count: 64)
    var y = [Float](repeating: .nan, count: 20)
    let pool = try ThreadPool(width: 1), matrix = try PackedMatrix(c.ticket, transposed: true, pool: nil)
    try x.withUnsafeBufferPointer { x in
      let gemm = try Gemm<Float>(
        m: 1, n: 20, k: 64, a: .strided(x.baseAddress!, rowStride: 64, columnStride: 1), b: .packed(matrix))
      let scratch = GuardedScratch(gemm.scratchBytes(width: 1))
      y.withUnsafeMutableBufferPointer { gemm.run($0.baseAddress!, rowStride: 20, pool: pool, scratch: scratch.start) }
    }
    #expect(y.allSatisfy { $0 == 0 })
  }

  /// Vectors of 6 bits: what the kernels do is exact for a vector that is rounded already.
  @Test(.enabled(if: swk_ticket_s6(.best) != nil)) func roundedVectorsAreMultipliedExactly() throws {
    var r = Generator(seed: 12)
    let pool = try ThreadPool(width: 2)
    for (n, k) in [(1, 1), (16, 256), (70, 257), (130, 1000), (64, 512), (3, 0)] {
      let c = try Case(r.pick(kinds), [n, k], kept: 0.5, &r), weights = try TicketWeights(c.ticket, short: true, pool: pool)
      // Whole numbers up to 31, one of which every 256 elements have.
      let x = (0..<2 * k).map { $0 % max(k, 1) % 256 == 0 ? 31 : Float(Int(r.real() * 62)) } + [0]
      var y = [Float](repeating: .nan, count: 2 * n)
      try x.withUnsafeBufferPointer { x in
        let product = try TicketProduct(
          weights, x.baseAddress!, rowStride: k, columnStride: 1, m: 2, epilogue: Epilogue<Float>().c, batch: nil,
          table: Float.kernels())
        let scratch = GuardedScratch(product.scratchBytes())
        y.withUnsafeMutableBufferPointer {
          product.run($0.baseAddress!, rowStride: n, pool: pool, scratch: scratch.start)
        }
        #expect(scratch.isIntact)
      }
      for i in 0..<2 {
        for j in 0..<n {
          let due = (0..<k).reduce(0.0) { $0 + Double(x[i * k + $1]) * Double(c.weight[j * k + $1]) }
          #expect(abs(Double(y[i * n + j]) - due) < 1e-3, "\(n)x\(k) at \(i), \(j)")
        }
      }
    }
  }

  /// As panels, by Winograd's kernels, and, where few weights are kept, as sparse weights.
  @Test(arguments: levels) func convolutionsAgreeWithThoseOfTheWeights(level: swk_level) throws {
    var r = Generator(seed: 77 + UInt64(level.rawValue))
    let pool = try ThreadPool(width: 2)
    var kernels: Set<PackedConvolution<Float>.Algorithm> = []
    for (channels, outputs, kernel, size) in [
      (3, 5, 3, 9), (40, 17, 3, 6), (16, 70, 1, 6), (2, 5, 5, 9), (64, 16, 1, 1), (32, 15, 3, 18), (64, 7, 2, 7),
    ] {
      for kept in [0, 0.1, 0.8] {
        let geometry = try ConvolutionGeometry(
          batch: 2, inputChannels: channels, outputChannels: outputs, input: [size, size], kernel: [kernel, kernel],
          padsBegin: [kernel / 2, kernel / 2], padsEnd: [kernel / 2, kernel / 2])
        let c = try Case(r.pick(kinds), [outputs, channels, kernel, kernel], kept: kept, &r)
        let scales: [Float]? = r.chance(2) ? r.reals(outputs) : nil, each = c.weight.count / outputs
        let dense = c.weight.enumerated().map { $1 * (scales?[$0 / each] ?? 1) }
        let x: [Float] = r.reals(2 * channels * size * size), bias: [Float] = r.reals(outputs)
        func run(_ weights: PackedConvolution<Float>) throws -> [Float] {
          kernels.insert(weights.algorithm)
          var y = [Float](repeating: .nan, count: 2 * outputs * geometry.outputPlane)
          try bias.withUnsafeBufferPointer { bias in
            let convolution = try Convolution(
              weights, geometry: geometry,
              epilogue: ConvolutionEpilogue(bias: bias.baseAddress, activation: r.pick([.none, .relu])))
            let scratch = GuardedScratch(convolution.scratchBytes(width: pool.width))
            x.withUnsafeBufferPointer { x in
              y.withUnsafeMutableBufferPointer {
                convolution.run(x.baseAddress!, $0.baseAddress!, pool: pool, scratch: scratch.start)
              }
            }
            #expect(scratch.isIntact)
          }
          return y.map { max($0, 0) }
        }
        let due = try dense.withUnsafeBytes {
          try run(PackedConvolution(
            $0.baseAddress!, source: .float, geometry: geometry, pool: nil, level: level, algorithm: .gemm))
        }
        for algorithm: PackedConvolution<Float>.Algorithm in [.gemm, .gemmTransposed, .winograd] {
          if algorithm == .winograd, !PackedConvolution<Float>.canUseWinograd(geometry) { continue }
          let got = try run(PackedConvolution(
            c.ticket, scales: scales, geometry: geometry, pool: pool, level: level, algorithm: algorithm))
          let worst = zip(got, due).map { abs($0 - $1) }.max() ?? 0
          // Winograd's transforms round more.
          let error: Float = algorithm == .winograd ? 2e-3 : 1e-3
          #expect(worst < error, "\(channels) to \(outputs), \(kernel)x\(kernel), \(kept) kept, \(algorithm): \(worst)")
        }
      }
    }
    #expect(kernels == [.gemm, .gemmTransposed, .winograd, .sparse])
  }

  /// And one more for its sign where signs don't run along the kernels' rows.
  @Test func aMaskTakesABitForEachWeight() throws {
    var r = Generator(seed: 3)
    let c = try Case(.signed, [256, 2048], kept: 0.5, &r)
    #expect(Double(try TicketWeights(c.ticket, pool: nil).bytes * 8) < 1.1 * 256 * 2048)
    #expect(Double(try TicketWeights(c.ticket, transposed: true, pool: nil).bytes * 8) < 2.1 * 256 * 2048)
    // As sparse weights, which are made a block at a time.
    let few = try PackedMatrix(Case(.signed, [256, 2048], kept: 0.1, &r).ticket, transposed: true, pool: nil)
    #expect(few.sparse != nil && Double(few.bytes * 8) < 1.1 * 256 * 2048)
  }

  @Test func whatIsWrongIsNamed() throws {
    func problem(
      _ kind: Ticket.Kind = .signed, bits: Tensor? = nil, signs: Tensor? = nil, magnitudes: Tensor? = nil, shape: [Int] = [3, 3]
    ) throws -> String {
      do {
        _ = try Ticket(
          kind: kind, bits: bits ?? Tensor(.uint8, [UInt8(255), 1]), signs: signs ?? Tensor(.uint32, [UInt32(1), 2]),
          magnitudes: magnitudes ?? Tensor([Float(1)], []), shape: shape)
        return ""
      } catch let e as SwiftletError {
        return e.message
      }
    }
    #expect(try problem() == "")
    #expect(try problem(bits: Tensor(.uint8, [UInt8(255)])).contains("2 bytes are due"))
    #expect(try problem(bits: Tensor(.uint8, [UInt8(255), 3])).contains("behind the last of 9"))
    #expect(try problem(bits: Tensor([Float(1)], [1])).contains("mask"))
    #expect(try problem(signs: Tensor(.uint32, [UInt32(1)])).contains("seed"))
    for bad in [Float.nan, .infinity, 0, -1] {
      #expect(try problem(magnitudes: Tensor([bad], [])).contains("finite and above 0"))
    }
    #expect(try problem(.ternary).contains("signs"))
    #expect(try problem(.coated).contains("planes"))
    let planes = try Tensor(.uint8, [UInt8(255), 1, 255, 1], [2, 2])
    #expect(try problem(.coated, bits: planes).contains("magnitudes"))
    #expect(try problem(.coated, bits: planes, magnitudes: Tensor([Float(1), 1, 1, 1])).contains("first one 0"))
    #expect(try problem(.coated, bits: planes, magnitudes: Tensor([Float(0), 1, 1, 1])) == "")
    #expect(try problem(shape: [-3, 3]).contains("negative"))
    #expect(try problem(shape: [.max, 3]).contains("overflow"))
    #expect(try problem(bits: Tensor(.uint8, [UInt8]()), shape: [1 << 40, 0]) != "")
  }
}
