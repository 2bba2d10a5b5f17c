import CSystem
import Tensors

/// Where weights that arrive stand: in memory, or in files without a name, whose pages the system can take back like those
/// of a model's own file.
struct ElementStore {
  /// The folder of such files; nil: memory.
  let folder: String?

  /// From so many bytes on, memory is taken in pages of its own, which go back to the system when it is freed.
  private static let manyBytes = 1 << 16

  /// Memory whose bytes are 0, where nothing is taken until it is written.
  func reserve(_ byteCount: Int) throws -> Buffer {
    if byteCount == 0 { return .empty }
    if folder != nil {
      let file = try NamelessFile(byteCount, in: folder)
      return try file.map(0..<byteCount)
    }
    guard let p = sws_reserve(byteCount) else { throw SwiftletError(.outOfMemory, "no memory for \(byteCount) bytes of weights") }
    return Buffer(borrowing: p, byteCount: byteCount) { sws_unmap(p, byteCount) }
  }

  /// Memory with any bytes in it.
  func allocate(_ byteCount: Int) throws -> Buffer {
    byteCount < Self.manyBytes ? try Allocator.system.allocate(byteCount) : try reserve(byteCount)
  }
}

/// A file without a name, on a disk or in memory. It goes with the last mapping of it.
final class NamelessFile {
  let descriptor: Int32
  let isOnDisk: Bool

  /// All bytes are 0 and take no memory until they are written.
  init(_ byteCount: Int, in folder: String?) throws {
    descriptor = sws_nameless_file(folder, byteCount)
    isOnDisk = folder != nil
    guard descriptor >= 0 else {
      var text = [CChar](repeating: 0, count: 128)
      sws_error_text(-descriptor, &text, text.count)
      let reason = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      throw SwiftletError(.io, "no file of \(byteCount) bytes for weights in \(folder.map { "'\($0)'" } ?? "memory"): \(reason)")
    }
  }
  deinit { if descriptor >= 0 { sws_close(descriptor) } }

  /// - Parameter release: called with the mapping before it ends.
  func map(_ range: Range<Int>, release: ((UnsafeMutableRawPointer) -> Void)? = nil) throws -> Buffer {
    guard let p = sws_map_shared(descriptor, range.count, range.lowerBound) else {
      throw SwiftletError(.outOfMemory, "\(range.count) bytes of weights can't be mapped")
    }
    let length = range.count
    return Buffer(borrowing: p, byteCount: length, isMapped: isOnDisk) {
      release?(p)
      sws_unmap(p, length)
    }
  }
}
