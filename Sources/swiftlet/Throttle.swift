import CSystem
import Glibc

/// Slows bytes down to a rate.
struct Throttle {
  private let bytesPerSecond: Int?
  private let start = sws_now()
  private var total = 0

  init(_ bytesPerSecond: Int?) { self.bytesPerSecond = bytesPerSecond }

  /// Waits until so many bytes more may have come.
  mutating func pause(after count: Int) {
    guard let bytesPerSecond else { return }
    total += count
    let due = UInt64(Double(total) / Double(bytesPerSecond) * 1e9)
    let elapsed = sws_now() - start
    guard due > elapsed else { return }
    var time = timespec(tv_sec: Int((due - elapsed) / 1_000_000_000), tv_nsec: Int((due - elapsed) % 1_000_000_000))
    nanosleep(&time, nil)
  }
}
