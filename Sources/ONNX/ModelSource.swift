import CSystem
import Glibc
import Tensors

/// Gives the bytes of an external data file that a model names, or nil when the host doesn't have it.
public typealias ExternalDataResolver = (_ location: String) throws -> Buffer?

/// Elements of a tensor that don't stand in their file, and their place there.
public struct DetachedElements {
  let range: Range<Int>
  let elements: Buffer
  /// - Parameter elements: as many bytes as `range` has.
  public init(range: Range<Int>, elements: Buffer) {
    self.range = range
    self.elements = elements
  }
}

/// Where a model's bytes come from: a mapped file, memory, or a callback; and how its external data is found.
public final class ModelSource {
  public let bytes: Buffer
  /// The folder of external data, or -1.
  private let folder: Int32
  private let resolver: ExternalDataResolver?
  private var opened: [String: Buffer] = [:]
  /// Elements that stand elsewhere than in their file, by location and sorted by place.
  private let detached: [String: [DetachedElements]]
  /// Mapped files and the length that each had when it was mapped.
  private var mapped: [(descriptor: Int32, length: Int)] = []

  /// Maps the file at `path`.
  /// - Parameter folder: external data is opened beneath it; nil: beneath the file's folder; empty: it is refused.
  public init(path: String, folder: String? = nil, resolver: ExternalDataResolver? = nil) throws {
    self.resolver = resolver
    detached = [:]
    var mapping: (descriptor: Int32, length: Int)?
    bytes = try Self.map(sws_open_regular(path), "'\(path)'", &mapping)
    if let mapping { mapped.append(mapping) }
    let slash = path.lastIndex(of: "/")
    let parent = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    self.folder = Self.open(folder: folder ?? parent)
  }
  /// Over memory that the buffer keeps.
  /// - Parameter folder: external data is opened beneath it; nil or empty: it is refused.
  /// - Parameter detached: elements of tensors that stand elsewhere, by the location of their file (empty: the model's own),
  ///   sorted by place, none overlapping another.
  public init(
    bytes: Buffer, folder: String? = nil, detached: [String: [DetachedElements]] = [:], resolver: ExternalDataResolver? = nil
  ) {
    self.bytes = bytes
    self.detached = detached
    self.resolver = resolver
    self.folder = Self.open(folder: folder ?? "")
  }
  /// Reads `size` bytes through a callback, which returns the number of bytes read (0: end of file) or a negative errno.
  public convenience init(
    size: Int, resolver: ExternalDataResolver? = nil, allocator: Allocator = .system,
    readAt: (_ offset: Int, _ into: UnsafeMutableRawBufferPointer) -> Int
  ) throws {
    guard size >= 0 else { throw SwiftletError(.invalidArgument, "negative model size") }
    let buffer = try allocator.allocate(size)
    var at = 0
    while at < size {
      let n = readAt(at, UnsafeMutableRawBufferPointer(start: buffer.base + at, count: size - at))
      if n < 0 { throw SwiftletError(.io, "the read callback failed with \(n)", byteOffset: at) }
      if n == 0 { throw SwiftletError(.io, "the read callback ended after \(at) of \(size) bytes", byteOffset: at) }
      guard n <= size - at else { throw SwiftletError(.io, "the read callback claims \(n) bytes", byteOffset: at) }
      at += n
    }
    self.init(bytes: buffer, resolver: resolver)
  }
  private static func open(folder: String) -> Int32 {
    folder.isEmpty ? -1 : Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  }
  deinit {
    if folder >= 0 { close(folder) }
    for m in mapped { close(m.descriptor) }
  }

  /// An error if a mapped file has become shorter: touching its lost pages would kill the process. A file that shrinks
  /// while a run is at it can't be caught; hosts that expect that load from memory.
  public func checkUnchanged() throws {
    for m in mapped {
      var st = stat()
      guard fstat(m.descriptor, &st) == 0, st.st_size >= m.length else {
        throw SwiftletError(.io, "a model file has shrunk since it was opened")
      }
    }
  }

  /// Bytes of the external file at `location`, which is relative to the model's folder.
  public func external(_ location: String) throws -> Buffer {
    if let b = opened[location] { return b }
    let buffer: Buffer
    if let b = try resolver?(location) {
      buffer = b
    } else if folder >= 0 {
      var mapping: (descriptor: Int32, length: Int)?
      buffer = try Self.map(sws_open_beneath(folder, location), "external data '\(location)'", &mapping)
      if let mapping { mapped.append(mapping) }
    } else {
      throw SwiftletError(
        .io, "external data '\(location)': no folder is known for it; give one, or a resolver")
    }
    opened[location] = buffer
    return buffer
  }

  /// The elements of a tensor at `range` of the model's file or of external data, wherever they stand.
  func elements(at range: Range<Int>, of location: String? = nil) throws -> Buffer {
    let file = try location.map(external) ?? bytes
    let plain = file.slice(offset: range.lowerBound, byteCount: range.count)
    guard let all = detached[location ?? ""] else { return plain }
    var low = 0
    var high = all.count
    while low < high {
      let middle = (low + high) / 2
      if all[middle].range.upperBound <= range.lowerBound { low = middle + 1 } else { high = middle }
    }
    let parts = all[low...].prefix { $0.range.lowerBound < range.upperBound }
    guard let first = parts.first else { return plain }
    if first.range == range { return first.elements }
    // Tensors may share their bytes: those of this one are put together.
    let joined = try Allocator.system.allocate(range.count)
    joined.base.copyMemory(from: plain.base, byteCount: range.count)
    for part in parts {
      let common = part.range.clamped(to: range)
      (joined.base + (common.lowerBound - range.lowerBound))
        .copyMemory(from: part.elements.base + (common.lowerBound - part.range.lowerBound), byteCount: common.count)
    }
    return joined
  }

  private static func map(
    _ result: Int32, _ what: String, _ mapping: inout (descriptor: Int32, length: Int)?
  ) throws -> Buffer {
    guard result >= 0 else {
      var text = [CChar](repeating: 0, count: 128)
      sws_error_text(-result, &text, text.count)
      let reason: String =
        switch -result {
        case EISDIR: "is a directory, not a file"
        case EINVAL: "is not a regular file"
        case EXDEV: "leaves the model's folder"
        case ELOOP: "is or goes through a symbolic link"
        case EMLINK: "has several hard links"
        default: String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
      throw SwiftletError(.io, "\(what): \(reason)")
    }
    var st = stat()
    guard fstat(result, &st) == 0 else {
      close(result)
      throw SwiftletError(.io, "\(what): can't be read")
    }
    let length = Int(st.st_size)
    if length == 0 {
      close(result)
      return .empty
    }
    guard let p = sws_map(result, length) else {
      close(result)
      throw SwiftletError(.outOfMemory, "\(what): can't be mapped (\(length) bytes)")
    }
    mapping = (result, length)
    return Buffer(borrowing: UnsafeMutableRawPointer(mutating: p), byteCount: length, isMapped: true) { sws_unmap(p, length) }
  }
}
