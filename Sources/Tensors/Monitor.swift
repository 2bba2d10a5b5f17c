import Glibc

/// A mutex with a condition: threads wait inside of it until another one has changed something.
public final class Monitor: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  public init() {
    mutex = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    condition = .allocate(capacity: 1)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }
  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  public func locked<R>(_ body: () throws -> R) rethrows -> R {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body()
  }
  /// Lets others in until one of them calls `signal`; also returns for no reason. Only inside `locked`.
  /// - Parameter deadline: monotonic nanoseconds; nil: none.
  /// - Returns: false once the deadline has passed.
  public func wait(until deadline: UInt64? = nil) -> Bool {
    guard let deadline else { return pthread_cond_wait(condition, mutex) == 0 }
    var time = timespec(tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
    return pthread_cond_timedwait(condition, mutex, &time) == 0
  }
  public func signal() { pthread_cond_broadcast(condition) }
}
