import FoundationEssentials
import Glibc
import Swiftlet

/// Where fetched bytes go: the stream, and a cache file that holds a beginning of the container whenever the process ends.
final class StreamSink {
  private let stream: ModelStream
  private let path: String?
  private var file: Int32 = -1
  /// Bytes that are there, from the beginning on.
  private(set) var count = 0

  /// Whether there is something to go on from.
  var hasCache: Bool { file >= 0 && lseek(file, 0, SEEK_END) > 0 }

  /// - Parameter cache: a file to keep what arrives in, and to go on from.
  init(_ stream: ModelStream, cache: String?) throws {
    self.stream = stream
    path = cache
    guard let cache else { return }
    file = open(cache, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard file >= 0, flock(file, LOCK_EX | LOCK_NB) == 0 else {
      throw SwiftletError(.io, "the cache '\(cache)': \(String(cString: strerror(errno)))")
    }
  }
  deinit { if file >= 0 { close(file) } }

  /// Gives the stream what the cache has, if it begins like the container that is to come.
  /// - Parameter header: the first bytes of that container.
  func resume(header: [UInt8]) throws {
    var known = [UInt8](repeating: 0, count: 32)
    let n = pread(file, &known, known.count, 0)
    guard n == known.count, header == known else { return try restart() }
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let n = pread(file, &buffer, buffer.count, off_t(count))
      guard n > 0 else { break }
      do {
        try buffer[..<n].withUnsafeBytes { _ = try stream.append($0, at: count) }
      } catch let e as SwiftletError where e.code == .parse {
        return try rewind()
      }
      count += n
    }
  }

  /// Goes back to the first byte that the stream lacks: what was damaged comes again, and what follows it.
  func rewind() throws {
    count = stream.missing?.first?.lowerBound ?? 0
    guard file < 0 || ftruncate(file, off_t(count)) == 0 else { throw failure() }
  }

  private func restart() throws {
    guard ftruncate(file, 0) == 0 else { throw failure() }
    count = 0
  }

  /// Bytes at `offset` of the container; what is there already is passed over.
  func append(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
    guard offset <= count, offset + bytes.count > count else { return }
    let fresh = UnsafeRawBufferPointer(rebasing: bytes[(count - offset)...])
    var at = 0
    while file >= 0, at < fresh.count {
      let n = pwrite(file, fresh.baseAddress.map { $0 + at }, fresh.count - at, off_t(count + at))
      if n < 0, errno == EINTR { continue }
      guard n > 0 else { throw failure() }
      at += n
    }
    try stream.append(fresh, at: count)
    count += fresh.count
  }

  /// Whether the whole container is there.
  var isComplete: Bool {
    let status = stream.status
    return status.byteCount > 0 && status.receivedByteCount == status.byteCount
  }

  private func failure() -> SwiftletError { SwiftletError(.io, "the cache '\(path ?? "")': \(String(cString: strerror(errno)))") }
}
