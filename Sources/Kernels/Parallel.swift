import CKernels
import Tensors

extension swk_level {
  /// The level that this processor runs; the drivers' default.
  public static var best: swk_level { swk_cpu_get().pointee.level }
}

extension ElementType {
  /// The same type for the C kernels.
  var swk: swk_element_type { swk_element_type(UInt32(rawValue)) }
}

/// Splitting work that is bound by memory.
enum Parallel {
  /// Bytes below which waking other threads costs more than it saves.
  static let threshold = 256 << 10

  /// Calls `body` with ranges that cover `0..<count`, each but the last a multiple of `multiple`; on the pool's threads
  /// when all of it touches at least `threshold` bytes.
  static func ranges(
    _ count: Int, bytes: Int, multipleOf multiple: Int = 1, pool: ThreadPool?,
    _ body: (_ start: Int, _ end: Int) -> Void
  ) {
    guard count > 0 else { return }
    guard let pool, pool.width > 1, bytes >= threshold, count > multiple else { return body(0, count) }
    let wanted = min(pool.width * 4, max(pool.width, bytes / threshold))
    let chunk = max(multiple, (count / wanted + multiple) / multiple * multiple)
    pool.parallel((count + chunk - 1) / chunk) { index, _ in
      body(index * chunk, min(count, (index + 1) * chunk))
    }
  }
}
