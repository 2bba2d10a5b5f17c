import CKernels
import Glibc
import Tensors
import Testing

@testable import Kernels

/// The activations by their definitions.
func apply(_ activation: Activation, _ x: Double) -> Double {
  switch activation {
  case .none: x
  case .relu: max(x, 0)
  case .clip(let low, let high): min(max(x, low), high)
  case .leakyRelu(let alpha): x < 0 ? alpha * x : x
  case .sigmoid: 1 / (1 + exp(-x))
  case .tanh: tanh(x)
  case .gelu: 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
  case .geluTanh: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
  case .silu: x / (1 + exp(-x))
  case .hardSwish: x * min(max(x / 6 + 0.5, 0), 1)
  case .hardSigmoid(let alpha, let beta): min(max(alpha * x + beta, 0), 1)
  }
}

let activations: [Activation] = [
  .none, .relu, .clip(0.1, 0.6), .leakyRelu(0.1), .sigmoid, .tanh, .gelu, .geluTanh, .silu, .hardSwish,
  .hardSigmoid(0.2, 0.5),
]

@Suite struct GemmTests {
  @Test(arguments: levels) func floatAgreesWithLoops(level: swk_level) throws { try agrees(Float.self, level, 1e-5) }
  @Test(arguments: levels) func doubleAgreesWithLoops(level: swk_level) throws { try agrees(Double.self, level, 1e-13) }

  /// Random sizes, strides, packings, epilogues and pools against the definition.
  func agrees<T: GemmScalar>(_ type: T.Type, _ level: swk_level, _ tolerance: Double) throws {
    let table = try #require(T.kernels(level))
    var r = Generator(seed: UInt64(level.rawValue) + 7)
    let pools = try [ThreadPool(width: 1), ThreadPool(width: 3)]
    for _ in 0..<120 {
      let sizes = [0, 1, 2, 3, 5, 6, 7, 13, 14, 15, 16, 17, 29, 33, 40, 64, 70]
      let (m, n, k) = (r.pick(sizes), r.pick(sizes), r.chance(8) ? 600 : r.pick(sizes))
      let (padA, padB, padC) = (r.pick(0...3), r.pick(0...3), r.pick(0...3))
      let (transA, transB) = (r.chance(2), r.chance(2))
      let aStrides = transA ? (1, m + padA) : (k + padA, 1), bStrides = transB ? (1, k + padB) : (n + padB, 1)
      let a: [T] = r.reals((max(m, k) + 4) * (max(m, k) + 4)), b: [T] = r.reals((max(n, k) + 4) * (max(n, k) + 4))
      let rowBias: [T] = r.reals(m + 1), columnBias: [T] = r.reals(n + 1), residual: [T] = r.reals(m * n + 1)
      let ldc = n + padC
      var c = [T](repeating: .nan, count: m * ldc + 1)
      try a.withUnsafeBufferPointer { a in
        try b.withUnsafeBufferPointer { b in
          try rowBias.withUnsafeBufferPointer { rowBias in
            try columnBias.withUnsafeBufferPointer { columnBias in
              try residual.withUnsafeBufferPointer { residual in
                var epilogue = Epilogue<T>(activation: r.pick(activations))
                if r.chance(2) { epilogue.rowBias = rowBias.baseAddress }
                if r.chance(2) { epilogue.columnBias = columnBias.baseAddress }
                if r.chance(2), let data = residual.baseAddress {
                  let (row, column) = r.pick([(n, 1), (0, 1), (1, 0), (1, m), (0, 0)])
                  epilogue.residual = .init(data, rowStride: row, columnStride: column, scale: r.pick([1, 0.5]))
                }
                epilogue.residualLast = r.chance(2)
                epilogue.alpha = r.pick([1, 2])
                if r.chance(4) { epilogue = Epilogue() }
                var operandA = Gemm<T>.Operand.strided(
                  a.baseAddress!, rowStride: aStrides.0, columnStride: aStrides.1)
                var operandB = Gemm<T>.Operand.strided(
                  b.baseAddress!, rowStride: bStrides.0, columnStride: bStrides.1)
                if r.chance(3) {
                  operandA = .packed(
                    try packed(.a, m, k, a.baseAddress!, aStrides.0, aStrides.1, table, r.chance(2) ? pools[1] : nil))
                }
                if r.chance(3) {
                  operandB = .packed(try packed(.b, n, k, b.baseAddress!, bStrides.1, bStrides.0, table, nil))
                }
                let gemm = try Gemm<T>(
                  m: m, n: n, k: k, a: operandA, b: operandB, epilogue: epilogue, batch: nil, table: table)
                let pool = r.pick(pools)
                let scratch = GuardedScratch(gemm.scratchBytes(width: pool.width))
                c.withUnsafeMutableBufferPointer {
                  gemm.run($0.baseAddress!, rowStride: ldc, pool: pool, scratch: scratch.start)
                }
                #expect(scratch.isIntact)
                var worst = 0.0
                for i in 0..<m {
                  for j in 0..<n {
                    var sum = 0.0
                    for x in 0..<k {
                      sum += Double(a[i * aStrides.0 + x * aStrides.1]) * Double(b[x * bStrides.0 + j * bStrides.1])
                    }
                    var y = epilogue.alpha * sum
                    if epilogue.rowBias != nil { y += Double(rowBias[i]) }
                    if epilogue.columnBias != nil { y += Double(columnBias[j]) }
                    let addend = epilogue.residual.map {
                      $0.scale * Double($0.data[i * $0.rowStride + j * $0.columnStride])
                    }
                    if let addend, !epilogue.residualLast { y += addend }
                    y = apply(epilogue.activation, y)
                    if let addend, epilogue.residualLast { y += addend }
                    let difference = abs(Double(c[i * ldc + j]) - y) / (1 + abs(y))
                    worst = difference <= worst ? worst : difference
                  }
                }
                #expect(worst < tolerance, "m \(m) n \(n) k \(k) \(epilogue) worst \(worst)")
              }
            }
          }
        }
      }
    }
  }

  func packed<T: GemmScalar>(
    _ side: PackedMatrix.Side, _ positions: Int, _ k: Int, _ data: UnsafePointer<T>, _ stride: Int, _ kStride: Int,
    _ table: UnsafePointer<swk_gemm_table>, _ pool: ThreadPool?
  ) throws -> PackedMatrix {
    var operand = swk_operand()
    operand.data = UnsafeRawPointer(data)
    operand.type = table.pointee.type
    operand.stride = stride
    operand.k_stride = kStride
    return try PackedMatrix(side, positions: positions, k: k, operand: operand, table: table, pool: pool)
  }

  @Test func largeProductsAreCutIntoRegions() throws {
    var r = Generator(seed: 3)
    let pools = try [ThreadPool(width: 1), ThreadPool(width: 2), ThreadPool(width: 5)]
    for (m, n, k) in [(300, 200, 500), (1, 5000, 300), (5000, 1, 300), (70, 2100, 40), (500, 3, 100), (3, 700, 900)] {
      let a: [Float] = r.reals(m * k), b: [Float] = r.reals(k * n)
      let results = try pools.map { pool in
        var c = [Float](repeating: .nan, count: m * n)
        let gemm = try Gemm<Float>(
          m: m, n: n, k: k, a: .strided(a, rowStride: k, columnStride: 1), b: .strided(b, rowStride: n, columnStride: 1))
        let scratch = GuardedScratch(gemm.scratchBytes(width: pool.width))
        gemm.run(&c, rowStride: n, pool: pool, scratch: scratch.start)
        #expect(scratch.isIntact)
        return c
      }
      #expect(results[0] == results[1] && results[1] == results[2])
      for _ in 0..<50 {
        let (i, j) = (r.pick(0..<m), r.pick(0..<n))
        let sum = (0..<k).reduce(0.0) { $0 + Double(a[i * k + $1]) * Double(b[$1 * n + j]) }
        #expect(abs(Double(results[0][i * n + j]) - sum) < 1e-4)
      }
    }
  }

  @Test func batchesHaveTheirStrides() throws {
    var r = Generator(seed: 4)
    let pool = try ThreadPool(width: 3)
    for (m, n, k) in [(5, 7, 9), (1, 8, 8), (9, 1, 4), (40, 33, 21)] {
      let a: [Float] = r.reals(2 * m * k), b: [Float] = r.reals(3 * k * n), residual: [Float] = r.reals(6 * m * n)
      var c = [Float](repeating: .nan, count: 6 * m * n)
      let batch = Gemm<Float>.Batch(
        sizes: [2, 3], a: [m * k, 0], b: [0, k * n], c: [3 * m * n, m * n], residual: [3 * m * n, m * n])
      let gemm = try Gemm<Float>(
        m: m, n: n, k: k, a: .strided(a, rowStride: k, columnStride: 1), b: .strided(b, rowStride: n, columnStride: 1),
        epilogue: Epilogue(residual: .init(residual, rowStride: n)), batch: batch)
      let scratch = GuardedScratch(gemm.scratchBytes(width: pool.width))
      gemm.run(&c, rowStride: n, pool: pool, scratch: scratch.start)
      #expect(scratch.isIntact)
      for p in 0..<2 {
        for q in 0..<3 {
          for i in 0..<m {
            for j in 0..<n {
              let at = ((p * 3 + q) * m + i) * n + j
              let sum = (0..<k).reduce(Double(residual[at])) {
                $0 + Double(a[(p * m + i) * k + $1]) * Double(b[(q * k + $1) * n + j])
              }
              #expect(abs(Double(c[at]) - sum) < 1e-5)
            }
          }
        }
      }
    }
  }

  @Test(arguments: levels) func halfTypesBecomeFloat(level: swk_level) throws {
    let table = try #require(Float.kernels(level))
    let halves: [UInt16] = (0..<UInt16.max).filter { $0 & 0x7c00 != 0x7c00 || $0 & 0x3ff == 0 }
    for source in [PackedMatrix.Source.float16, .bfloat16] {
      let packed = try halves.withUnsafeBytes { bytes in
        var operand = swk_operand()
        operand.data = bytes.baseAddress
        operand.type = source.c
        operand.stride = 1
        operand.k_stride = halves.count
        return try PackedMatrix(.b, positions: halves.count, k: 1, operand: operand, table: table)
      }
      let floats = UnsafeBufferPointer(
        start: packed.memory.start.assumingMemoryBound(to: Float.self), count: halves.count)
      for (half, float) in zip(halves, floats) {
        let expected = source == .float16 ? Float(Float16(bitPattern: half)) : Float(bitPattern: UInt32(half) << 16)
        #expect(float.bitPattern == expected.bitPattern || float.isNaN && expected.isNaN)
      }
    }
  }

  @Test func badSizesAreRefused() throws {
    let x: [Float] = [0]
    #expect(throws: SwiftletError.self) {
      try Gemm<Float>(
        m: -1, n: 1, k: 1, a: .strided(x, rowStride: 1, columnStride: 1), b: .strided(x, rowStride: 1, columnStride: 1))
    }
    #expect(throws: SwiftletError.self) {
      try PackedMatrix(.b, rows: Int.max / 2, columns: 4, data: x, source: .float, rowStride: 1, columnStride: 1)
    }
    let packed = try PackedMatrix(.b, rows: 1, columns: 1, data: x, source: .float, rowStride: 1, columnStride: 1)
    #expect(throws: SwiftletError.self) {
      try Gemm<Float>(m: 1, n: 2, k: 1, a: .strided(x, rowStride: 1, columnStride: 1), b: .packed(packed))
    }
  }
}
