import Kernels
import Tensors

enum Rows {
  /// Runs `body` over ranges of `rows` rows of n elements on the pool.
  static func parallel(_ rows: Int, _ n: Int, _ pool: ThreadPool, _ body: (Range<Int>) throws -> Void) throws {
    let failure = FirstError()
    withoutActuallyEscaping(body) { body in
      pool.parallel(over: rows, grain: Swift.max(1, 16384 / Swift.max(n, 1))) { range in
        failure.catching { try body(range) }
      }
    }
    try failure.rethrow()
  }
}
