import FoundationEssentials
import Glibc
import Swiftlet

/// A file that takes its name only when all of it has been written.
final class OutputFile {
  let descriptor: Int32
  private let path: String
  private let temporary: String?

  /// - Parameter path: the name that `keep` gives it.
  init(_ path: String) throws {
    self.path = path
    var template = Array("\(path).XXXXXX".utf8CString)
    descriptor = mkstemp(&template)
    temporary = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } }
    guard descriptor >= 0 else { throw Self.failure(path) }
  }
  /// A file without a name in the folder of `path`.
  init(beside path: String) throws {
    self.path = path
    temporary = nil
    var template = Array("\(path).XXXXXX".utf8CString)
    descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw Self.failure(path) }
    unlink(template)
  }
  deinit {
    close(descriptor)
    if let temporary { unlink(temporary) }
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    var at = 0
    while at < bytes.count {
      let n = Glibc.write(descriptor, bytes.baseAddress.map { $0 + at }, bytes.count - at)
      if n < 0, errno == EINTR { continue }
      guard n > 0 else { throw Self.failure(path) }
      at += n
    }
  }

  /// Gives the file its name, in place of one that had it.
  func keep() throws {
    guard let temporary else { return }
    let mask = umask(0)
    umask(mask)
    guard fchmod(descriptor, 0o666 & ~mask) == 0, rename(temporary, path) == 0 else { throw Self.failure(path) }
  }

  private static func failure(_ path: String) -> SwiftletError {
    SwiftletError(.io, "'\(path)': \(String(cString: strerror(errno)))")
  }
}
