import FoundationEssentials
import Glibc
import Progressive
import Swiftlet

/// Where fetched bytes go: the stream, and a cache file that holds what has come whenever the process ends. Bytes that
/// are there aren't taken again; what was damaged is wanted anew.
final class StreamSink {
  /// Bytes that tell a container from any other: its header.
  static let headerByteCount = 32

  private let stream: ModelStream
  private let path: String?
  private var file: Int32 = -1
  /// The next bytes that are wanted; up to Int.max while the length isn't known, empty when nothing is.
  private(set) var wanted = 0..<Int.max
  /// The first bytes that came, at most `headerByteCount`.
  private var header: [UInt8] = []

  /// Whether there is nothing to go on from: neither taken bytes nor a cache.
  var isEmpty: Bool { header.isEmpty && (file < 0 || lseek(file, 0, SEEK_END) <= 0) }
  /// Whether the first bytes are those of a container.
  var isContainer: Bool { stream.status.byteCount > 0 }

  /// - Parameter cache: a file to keep what arrives in, and to go on from.
  init(_ stream: ModelStream, cache: String?) throws {
    self.stream = stream
    path = cache
    guard let cache else { return }
    file = open(cache, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard file >= 0, flock(file, LOCK_EX | LOCK_NB) == 0 else { throw failure() }
  }
  deinit { if file >= 0 { close(file) } }

  /// Makes ready to go on: the first time gives the stream what the cache has of the container that is to come.
  /// - Parameter theirs: the first bytes of that container.
  /// - Throws: `.invalidArgument` if bytes of another container have been taken already.
  func resume(header theirs: [UInt8], of name: String) throws {
    guard header.isEmpty else {
      if theirs.starts(with: header) { return }
      try clearCache()
      throw SwiftletError(
        .invalidArgument, "'\(name)' has changed while it came: what had come is of no use; watch it again")
    }
    var known = [UInt8](repeating: 0, count: Self.headerByteCount)
    guard pread(file, &known, known.count, 0) == known.count, known == theirs else { return try clearCache() }
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var at = 0
    while true {
      let n = pread(file, &buffer, buffer.count, off_t(at))
      guard n > 0 else { break }
      do {
        try buffer[..<n].withUnsafeBytes { try take($0, at: at) }
      } catch let e as SwiftletError where e.code == .parse {}  // damaged on disk: wanted anew
      at += n
    }
  }

  private func clearCache() throws {
    guard file < 0 || ftruncate(file, 0) == 0 else { throw failure() }
  }

  /// Takes of bytes at `offset` of the container what is wanted.
  /// - Returns: whether bytes that follow them are wanted.
  func append(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws -> Bool {
    let start = max(offset, wanted.lowerBound)
    let end = min(offset + bytes.count, wanted.upperBound)
    if start == wanted.lowerBound, start < end {
      let fresh = UnsafeRawBufferPointer(rebasing: bytes[(start - offset)..<(end - offset)])
      // A model that isn't a container is small, and comes anew after a cut.
      let isPlain = stream.isPlain || start == 0 && fresh.first == Container.firstByteOfModels
      if !isPlain { try keep(fresh, at: start) }
      try take(fresh, at: start)
    }
    return !wanted.isEmpty && wanted.lowerBound >= offset + bytes.count
  }

  private func keep(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
    var at = 0
    while file >= 0, at < bytes.count {
      let n = pwrite(file, bytes.baseAddress.map { $0 + at }, bytes.count - at, off_t(offset + at))
      if n < 0, errno == EINTR { continue }
      guard n > 0 else { throw failure() }
      at += n
    }
  }

  private func take(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
    if header.count < Self.headerByteCount { header += bytes.prefix(Self.headerByteCount - header.count) }
    defer {
      let total = stream.status.byteCount
      wanted = stream.missing.map { $0.first ?? total..<total } ?? (stream.isPlain ? stream.status.receivedByteCount : header.count)..<Int.max
    }
    try stream.append(bytes, at: offset)
    stream.waitForRoom()
  }

  /// Forgets what has come of a model that isn't a container: its parts can't be told from another's.
  func restart() {
    guard stream.isPlain, !isComplete else { return }
    (header, wanted) = ([], 0..<Int.max)
  }

  /// Says that the source has given all that it has.
  func end() throws {
    if stream.isPlain { try stream.end() }
  }

  /// Whether the whole container is there.
  var isComplete: Bool {
    let status = stream.status
    return status.byteCount > 0 && status.receivedByteCount == status.byteCount
  }

  private func failure() -> SwiftletError { SwiftletError(.io, "the cache '\(path ?? "")': \(String(cString: strerror(errno)))") }
}
