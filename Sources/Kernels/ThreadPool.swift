import CThreads
import Tensors

/// Threads that run the tasks of a parallel region; the calling thread is one of them.
///
/// One region at a time: other threads that call `parallel` wait. A nested call runs on the worker that makes it.
public final class ThreadPool: @unchecked Sendable {
  /// Calls task(context, i, worker) for every i below `count`, with worker below the pool's width and never the same
  /// for two tasks that run at the same time, and returns when all are done.
  public typealias Hook =
    @convention(c) (
      _ userdata: UnsafeMutableRawPointer?, _ count: Int, _ task: swt_task?, _ context: UnsafeMutableRawPointer?
    ) -> Void

  let pool: OpaquePointer
  /// The number of workers, the calling thread included; at least 1.
  public let width: Int

  /// `width` counts the calling thread; values below 1 count as 1. Threads are made at the first region that needs them.
  public init(width: Int) throws {
    guard let pool = swt_pool_create(UInt32(clamping: max(width, 1))) else { throw SwiftletError.outOfMemory(bytes: 4096) }
    self.pool = pool
    self.width = Int(swt_pool_width(pool))
  }

  /// Runs everything through the host's own pool, of `width` workers.
  public init(width: Int, hook: @escaping Hook, userdata: UnsafeMutableRawPointer?) throws {
    guard let pool = swt_pool_create_hooked(UInt32(clamping: max(width, 1)), hook, userdata) else {
      throw SwiftletError.outOfMemory(bytes: 4096)
    }
    self.pool = pool
    self.width = Int(swt_pool_width(pool))
  }

  deinit { swt_pool_destroy(pool) }

  /// Calls body(index, worker) for every index in 0..<count, in any order and in parallel; `worker` is in 0..<width.
  @inline(__always)
  public func parallel(_ count: Int, _ body: (_ index: Int, _ worker: Int) -> Void) {
    guard count > 0 else { return }
    if count == 1 && width == 1 { return body(0, 0) }
    withoutActuallyEscaping(body) { body in
      var body = body
      withUnsafeMutablePointer(to: &body) { pointer in
        swt_pool_run(
          pool, count,
          { context, index, worker in
            guard let context else { return }
            context.assumingMemoryBound(to: ((Int, Int) -> Void).self).pointee(index, worker)
          }, pointer)
      }
    }
  }

  /// Cuts 0..<count into one range per task, of at least `grain` (> 0) elements each, and runs them.
  public func parallel(over count: Int, grain: Int, _ body: (_ range: Range<Int>) -> Void) {
    guard count > 0 else { return }
    let most = width == 1 ? 1 : min(width &* 4, max(count / max(grain, 1), 1))
    let size = (count - 1) / most + 1
    parallel((count - 1) / size + 1) { index, _ in
      let start = index &* size
      body(start..<min(start &+ size, count))
    }
  }
}
