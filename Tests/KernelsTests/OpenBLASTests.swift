import CKernels
import Testing

@testable import Kernels

@Suite struct OpenBLASTests {
  @Test func theEnvironmentDecides() {
    #expect(OpenBLASUse("off") == .off)
    #expect(OpenBLASUse("force") == .force)
    #expect(OpenBLASUse(nil) == .whereNeeded)
    #expect(OpenBLASUse("anything") == .whereNeeded)
    #expect(!OpenBLASUse.off.coversFloat)
    #expect(OpenBLASUse.force.coversFloat)
    #if arch(x86_64)
      #expect(!OpenBLASUse.whereNeeded.coversFloat)
    #endif
  }

  @Test func refusesWhatCBLASCannotTake() {
    func product(m: Int = 2, n: Int = 3, k: Int = 4, lda: Int = 4, ldb: Int = 3, ldc: Int = 3) -> MatrixProduct? {
      MatrixProduct(transA: false, transB: false, m: m, n: n, k: k, lda: lda, ldb: ldb, ldc: ldc)
    }
    #expect(product() != nil)
    #expect(product(k: 0) == nil)
    #expect(product(m: 0) == nil)
    #expect(product(n: -1) == nil)
    #expect(product(m: 1 << 31) == nil)
    #expect(product(lda: 3) == nil)
    #expect(product(ldb: 2) == nil)
    #expect(product(ldc: 2) == nil)
  }

  @Test("agrees with the plain product", arguments: [false, true], [false, true])
  func agreesWithThePlainProduct(transA: Bool, transB: Bool) throws {
    guard let library = OpenBLASLibrary.shared else {
      print("skipped: libopenblas.so.0 is not there, or SWIFTLET_BLAS=off")
      return
    }
    for (m, n, k) in [(1, 1, 1), (1, 7, 5), (7, 1, 5), (2, 2, 2), (17, 9, 33), (64, 50, 31)] {
      for (alpha, beta) in [(1.0, 0.0), (0.5, 1.0), (-1.0, 0.25)] {
        let case64 = Case<Double>(m, n, k, transA, transB, alpha, beta)
        #expect(case64.error(library.double) < 1e-13)
        let case32 = Case<Float>(m, n, k, transA, transB, Float(alpha), Float(beta))
        #expect(case32.error(library.float) < 1e-5)
      }
    }
  }

  /// What Gemm hands over: pieces, batches, vectors, strided operands, addends.
  @Test func largeProductsAreTheSameByOpenBLASAndByOurKernels() throws {
    guard OpenBLASLibrary.shared != nil else { return }
    var r = Generator(seed: 11)
    let pools = try [ThreadPool(width: 1), ThreadPool(width: 3)]
    for (m, n, k, transA, transB) in [
      (600, 530, 9, false, false), (130, 120, 100, true, false), (130, 120, 100, false, true), (90, 600, 40, true, true),
      (1, 1500, 900, false, true), (1, 1500, 900, true, false), (1500, 1, 900, false, false), (900, 1, 1200, true, true),
    ] {
      let a: [Double] = r.reals(2 * m * k), b: [Double] = r.reals(k * n), row: [Double] = r.reals(m)
      let column: [Double] = r.reals(n), residual: [Double] = r.reals(2 * m * n)
      for addends in [false, true] {
        var epilogue = Epilogue<Double>(alpha: addends ? 0.5 : 1)
        if addends {
          epilogue.rowBias = row.withUnsafeBufferPointer { $0.baseAddress }
          epilogue.columnBias = column.withUnsafeBufferPointer { $0.baseAddress }
          epilogue.residual = residual.withUnsafeBufferPointer { buffer in
            buffer.baseAddress.map { .init($0, rowStride: n, scale: 2) }
          }
        }
        let batch = Gemm<Double>.Batch(sizes: [2], a: [m * k], b: [0], c: [m * n], residual: [m * n])
        let left = Gemm<Double>.Operand.strided(a, rowStride: transA ? 1 : k, columnStride: transA ? m : 1)
        let right = Gemm<Double>.Operand.strided(b, rowStride: transB ? 1 : n, columnStride: transB ? k : 1)
        let blas = try #require(
          BLASGemm(m: m, n: n, k: k, a: left, b: right, epilogue: epilogue, batch: batch, batchCount: 2))
        let ours = try Gemm<Double>(
          m: m, n: n, k: k, a: left, b: right, epilogue: epilogue, batch: batch, table: Double.kernels())
        let results = try pools.map { pool in
          var c = [Double](repeating: .nan, count: 2 * m * n)
          #expect(blas.run(&c, rowStride: n, pool: pool))
          return c
        }
        var expected = [Double](repeating: .nan, count: 2 * m * n)
        let scratch = GuardedScratch(ours.scratchBytes(width: 1))
        ours.run(&expected, rowStride: n, pool: pools[0], scratch: scratch.start)
        let worst = zip(results[0], expected).map { abs($0 - $1) }.reduce(0) { $1 <= $0 ? $0 : $1 }
        #expect(worst < 1e-12 * Double(k), "m \(m) n \(n) k \(k)")
        #expect(results[0] == results[1])
      }
      withExtendedLifetime((a, b, row, column, residual)) {}
    }
  }

  @Test func whatIsNotForOpenBLASStaysOurs() throws {
    func taken(_ m: Int, _ n: Int, _ k: Int, columnStride: Int = 1, _ epilogue: Epilogue<Double> = .init()) -> Bool {
      let memory = [0.0]
      let x = Gemm<Double>.Operand.strided(memory, rowStride: 4000, columnStride: columnStride)
      return BLASGemm(m: m, n: n, k: k, a: x, b: x, epilogue: epilogue, batch: nil, batchCount: 1) != nil
    }
    #expect(!taken(10, 10, 10))
    #expect(!taken(1000, 1000, 0))
    #expect(!taken(1000, 1000, 100, columnStride: 2))
    #expect(!taken(1000, 1000, 100, Epilogue(activation: .relu)))
    #expect(taken(1000, 1000, 100) == (OpenBLASLibrary.shared != nil))
  }

  @Test func usesTheKernelsOfThisProcessor() throws {
    guard let library = OpenBLASLibrary.shared else { return }
    #if arch(x86_64)
      switch swk_cpu_get().pointee.level {
      case SWK_AVX512: #expect(library.core.lowercased() == "skylakex")
      case SWK_AVX2: #expect(library.core.lowercased() == "haswell")
      default: break
      }
    #endif
  }
}

/// One product with padded rows and a C full of NaN wherever beta = 0.
private struct Case<T: BinaryFloatingPoint> {
  let m, n, k, lda, ldb, ldc: Int
  let transA, transB: Bool
  let alpha, beta: T
  let a, b, c: [T]

  init(_ m: Int, _ n: Int, _ k: Int, _ transA: Bool, _ transB: Bool, _ alpha: T, _ beta: T) {
    (self.m, self.n, self.k, self.transA, self.transB) = (m, n, k, transA, transB)
    (self.alpha, self.beta) = (alpha, beta)
    lda = (transA ? m : k) + 3
    ldb = (transB ? k : n) + 2
    ldc = n + 1
    func values(_ count: Int, _ seed: Int) -> [T] { (0..<count).map { T(($0 * 37 + seed) % 64 - 32) / 16 } }
    a = values((transA ? k : m) * lda, 1)
    b = values((transB ? n : k) * ldb, 5)
    c = beta == 0 ? [T](repeating: .nan, count: m * ldc) : values(m * ldc, 9)
  }

  func error(_ blas: CBLAS<T>) -> T {
    guard let product = MatrixProduct(transA: transA, transB: transB, m: m, n: n, k: k, lda: lda, ldb: ldb, ldc: ldc)
    else { return .infinity }
    var result = c
    product.run(blas, alpha, a, b, beta, &result)
    var worst: T = 0
    for i in 0..<m {
      for j in 0..<n {
        var sum: T = 0
        for l in 0..<k { sum += (transA ? a[l * lda + i] : a[i * lda + l]) * (transB ? b[j * ldb + l] : b[l * ldb + j]) }
        let expected = alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j])
        let difference = abs(result[i * ldc + j] - expected) / T(k)
        if !(difference <= worst) { worst = difference }
      }
    }
    return worst
  }
}
