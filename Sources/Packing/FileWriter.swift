import Glibc
import Tensors

/// Appends to a descriptor, some megabytes at a time.
struct FileWriter {
  private let descriptor: Int32
  private var pending: [UInt8] = []
  private(set) var position = 0

  init(_ descriptor: Int32) { self.descriptor = descriptor }

  /// Makes `bytes` all that a file holds.
  static func replace(_ descriptor: Int32, by bytes: UnsafeRawBufferPointer) throws {
    guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else {
      throw SwiftletError(.io, "can't be written: \(String(cString: strerror(errno)))")
    }
    var writer = FileWriter(descriptor)
    _ = try writer.append(bytes)
    try writer.flush()
  }

  /// - Returns: where the bytes begin.
  mutating func append(_ bytes: [UInt8]) throws -> Int { try bytes.withUnsafeBytes { try append($0) } }
  mutating func append(_ bytes: UnsafeRawBufferPointer) throws -> Int {
    defer { position += bytes.count }
    pending.append(contentsOf: bytes)
    if pending.count >= 4 << 20 { try flush() }
    return position
  }
  mutating func flush() throws {
    try pending.withUnsafeBytes { bytes in
      var at = 0
      while at < bytes.count {
        let n = write(descriptor, bytes.baseAddress.map { $0 + at }, bytes.count - at)
        if n < 0, errno == EINTR { continue }
        guard n > 0 else { throw SwiftletError(.io, "can't be written: \(String(cString: strerror(errno)))") }
        at += n
      }
    }
    pending.removeAll(keepingCapacity: true)
  }

  /// Reads `count` bytes at `place` of a file.
  static func read(_ descriptor: Int32, at place: Int, count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        let n = pread(descriptor, buffer.baseAddress.map { $0 + filled }, count - filled, off_t(place + filled))
        if n < 0, errno == EINTR { continue }
        guard n > 0 else { throw SwiftletError(.io, "the scratch file can't be read") }
        filled += n
      }
    }
  }
}
