import CSystem
import Tensors

/// The elements of a large tensor, in a file without a name that has two places for each segment. A refined copy shares the
/// pages of all segments that didn't change, so that it takes the memory of those that did.
final class SegmentedElements: @unchecked Sendable {
  private let file: NamelessFile
  private let byteCount: Int
  private let segmentBytes: Int
  private let monitor = Monitor()
  /// The place of each segment in the newest copy.
  private var isSecond: [Bool]
  private var copies = 0
  private static let page = 1 << 16

  /// - Returns: nil if segments don't consist of whole pages.
  init?(byteCount: Int, segmentBytes: Int, folder: String?) throws {
    guard segmentBytes % Self.page == 0 else { return nil }
    self.byteCount = byteCount
    self.segmentBytes = segmentBytes
    isSecond = Array(repeating: false, count: (byteCount - 1) / segmentBytes + 1)
    file = try NamelessFile(Checked.multiply(Checked.multiply(isSecond.count, segmentBytes), 2), in: folder)
  }

  /// The elements; refined ones come from `copy`.
  func map() throws -> Buffer { try map(isSecond) }

  /// Another copy, in which some segments have a place of their own, with any bytes in it.
  /// - Returns: nil when others than the newest stay in use.
  func copy(replacing segments: [Int]) throws -> Buffer? {
    let places = monitor.locked { () -> [Bool]? in
      // Whoever was the last to use an old copy may still be about to let it go.
      let deadline = sws_now() + 1_000_000_000
      while copies > 1 {
        guard monitor.wait(until: deadline) else { return nil }
      }
      for s in segments { isSecond[s].toggle() }
      return isSecond
    }
    return try places.map(map)
  }

  private func map(_ places: [Bool]) throws -> Buffer {
    monitor.locked { copies += 1 }
    let result = try file.map(0..<byteCount) { [self] in release($0, places) }
    for (s, second) in places.enumerated() where second {
      let bytes = bytes(of: s)
      guard sws_map_over(result.base + bytes.lowerBound, bytes.count, file.descriptor, places.count * segmentBytes + bytes.lowerBound) != 0
      else { throw SwiftletError(.outOfMemory, "\(bytes.count) bytes of weights can't be mapped") }
    }
    return result
  }

  /// A copy that goes gives the memory of those segments back that have moved since. Blocks of a disk are kept.
  private func release(_ base: UnsafeMutableRawPointer, _ places: [Bool]) {
    monitor.locked {
      copies -= 1
      monitor.signal()
      for s in places.indices where !file.isOnDisk && places[s] != isSecond[s] {
        let bytes = bytes(of: s)
        sws_discard(base + bytes.lowerBound, bytes.count)
      }
    }
  }

  private func bytes(of segment: Int) -> Range<Int> {
    segment * segmentBytes..<min((segment + 1) * segmentBytes, byteCount)
  }
}
