import CKernels
import Glibc

/// What `SWIFTLET_BLAS` asks for.
enum OpenBLASUse: Equatable {
  case off, whereNeeded, force

  init(_ text: String?) {
    switch text {
    case "off": self = .off
    case "force": self = .force
    default: self = .whereNeeded
    }
  }

  /// Read once: the choice of kernels doesn't change while the program runs.
  static let wished = OpenBLASUse(getenv("SWIFTLET_BLAS").map { String(cString: $0) })

  var coversFloat: Bool {
    #if arch(x86_64)
      return self == .force
    #else
      return self != .off
    #endif
  }
}

/// The checked form of one product, in CBLAS's 32-bit terms. Matrices are row-major:
/// C (M x N) = alpha * op(A) (M x K) * op(B) (K x N) + beta * C. The leading dimensions are in elements.
/// With beta = 0, C is not read.
struct MatrixProduct {
  let transA, transB: Bool
  let m, n, k, lda, ldb, ldc: Int32

  /// nil for what CBLAS doesn't take (sizes beyond 32 bits, rows that overlap) or treats differently (K = 0: its gemv
  /// would leave C as it is).
  init?(transA: Bool, transB: Bool, m: Int, n: Int, k: Int, lda: Int, ldb: Int, ldc: Int) {
    guard m > 0, n > 0, k > 0, lda >= (transA ? m : k), ldb >= (transB ? k : n), ldc >= n,
      let m = Int32(exactly: m), let n = Int32(exactly: n), let k = Int32(exactly: k),
      let lda = Int32(exactly: lda), let ldb = Int32(exactly: ldb), let ldc = Int32(exactly: ldc)
    else { return nil }
    (self.transA, self.transB) = (transA, transB)
    (self.m, self.n, self.k, self.lda, self.ldb, self.ldc) = (m, n, k, lda, ldb, ldc)
  }

  /// One row or one column goes to gemv, which reads the matrix once; gemm would pack it first.
  func run<T: FloatingPoint>(
    _ blas: CBLAS<T>, _ alpha: T, _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ beta: T, _ c: UnsafeMutablePointer<T>
  ) {
    if m == 1 {
      clear(c, count: n, stride: 1, if: beta == 0)
      blas.gemv(
        CBLAS<T>.rowMajor, CBLAS<T>.transpose(!transB), transB ? n : k, transB ? k : n, alpha, b, ldb,
        a, transA ? lda : 1, beta, c, 1)
    } else if n == 1 {
      clear(c, count: m, stride: ldc, if: beta == 0)
      blas.gemv(
        CBLAS<T>.rowMajor, CBLAS<T>.transpose(transA), transA ? k : m, transA ? m : k, alpha, a, lda,
        b, transB ? 1 : ldb, beta, c, ldc)
    } else {
      blas.gemm(
        CBLAS<T>.rowMajor, CBLAS<T>.transpose(transA), CBLAS<T>.transpose(transB), m, n, k, alpha, a, lda, b, ldb,
        beta, c, ldc)
    }
  }

  /// gemv scales C by beta even when that is zero, which keeps a NaN; gemm doesn't read C then.
  private func clear<T: FloatingPoint>(_ c: UnsafeMutablePointer<T>, count: Int32, stride: Int32, if wanted: Bool) {
    guard wanted else { return }
    for i in 0..<Int(count) { c[i * Int(stride)] = 0 }
  }
}

/// The two CBLAS functions for one element type.
struct CBLAS<T> {
  typealias Gemm = (
    Int32, Int32, Int32, Int32, Int32, Int32, T, UnsafePointer<T>, Int32, UnsafePointer<T>, Int32,
    T, UnsafeMutablePointer<T>, Int32
  ) -> Void
  typealias Gemv = (
    Int32, Int32, Int32, Int32, T, UnsafePointer<T>, Int32, UnsafePointer<T>, Int32, T, UnsafeMutablePointer<T>, Int32
  ) -> Void
  let gemm: Gemm
  let gemv: Gemv

  static var rowMajor: Int32 { 101 }
  static func transpose(_ wanted: Bool) -> Int32 { wanted ? 112 : 111 }
}

// The same as C function types, which can't be generic.
private typealias DGemm = @convention(c) (
  Int32, Int32, Int32, Int32, Int32, Int32, Double, UnsafePointer<Double>, Int32, UnsafePointer<Double>, Int32,
  Double, UnsafeMutablePointer<Double>, Int32
) -> Void
private typealias DGemv = @convention(c) (
  Int32, Int32, Int32, Int32, Double, UnsafePointer<Double>, Int32, UnsafePointer<Double>, Int32,
  Double, UnsafeMutablePointer<Double>, Int32
) -> Void
private typealias SGemm = @convention(c) (
  Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>, Int32, UnsafePointer<Float>, Int32,
  Float, UnsafeMutablePointer<Float>, Int32
) -> Void
private typealias SGemv = @convention(c) (
  Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>, Int32, UnsafePointer<Float>, Int32,
  Float, UnsafeMutablePointer<Float>, Int32
) -> Void

/// Debian's libopenblas, loaded on demand: large matrix products in float64, and in float32 on processors for which there
/// are no micro-kernels of ours. A program that never multiplies such matrices never loads it.
///
/// `SWIFTLET_BLAS=off` never loads it; `SWIFTLET_BLAS=force` uses it for large float32 products everywhere.
struct OpenBLASLibrary {
  let double: CBLAS<Double>
  let float: CBLAS<Float>
  /// The kernels that OpenBLAS picked ("SkylakeX", "Haswell", ...).
  let core: String

  /// Loaded at the first use, by one thread; never unloaded.
  static let shared = OpenBLASUse.wished == .off ? nil : OpenBLASLibrary(level: swk_cpu_get().pointee.level)

  /// nil when the library isn't installed.
  init?(level: swk_level) {
    let name = "libopenblas.so.0"
    // The host's own OpenBLAS keeps the threads that the host gave it.
    let before = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD)
    // OpenBLAS takes an unknown AVX-512 processor for a Haswell; it starts its threads while it is being loaded.
    let core: String? = level == SWK_AVX512 ? "SkylakeX" : level == SWK_AVX2 ? "Haswell" : nil
    let handle = before ?? withEnvironment("OPENBLAS_CORETYPE", core) {
      withEnvironment("OPENBLAS_NUM_THREADS", "1") { dlopen(name, RTLD_NOW | RTLD_LOCAL) }
    }
    guard let handle, let dgemm = dlsym(handle, "cblas_dgemm"), let dgemv = dlsym(handle, "cblas_dgemv"),
      let sgemm = dlsym(handle, "cblas_sgemm"), let sgemv = dlsym(handle, "cblas_sgemv")
    else { return nil }
    if before == nil, let setThreads = dlsym(handle, "openblas_set_num_threads") {
      unsafeBitCast(setThreads, to: (@convention(c) (Int32) -> Void).self)(1)
    }
    double = CBLAS(gemm: unsafeBitCast(dgemm, to: DGemm.self), gemv: unsafeBitCast(dgemv, to: DGemv.self))
    float = CBLAS(gemm: unsafeBitCast(sgemm, to: SGemm.self), gemv: unsafeBitCast(sgemv, to: SGemv.self))
    typealias Name = @convention(c) () -> UnsafePointer<CChar>?
    let named = dlsym(handle, "openblas_get_corename").flatMap { unsafeBitCast($0, to: Name.self)() }
    self.core = named.map { String(cString: $0) } ?? ""
  }
}

/// Calls `body` with an environment variable that is unset for everybody else; one that the user set stays.
private func withEnvironment<R>(_ name: String, _ value: String?, _ body: () -> R) -> R {
  guard let value, getenv(name) == nil else { return body() }
  setenv(name, value, 1)
  defer { unsetenv(name) }
  return body()
}
