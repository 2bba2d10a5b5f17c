import CSystem
import Tensors

/// Takes the bytes of a container as they come, in any order and any number of times, and says which chunks are whole.
/// May be used by several threads at once.
///
/// Bytes that are there already are not written again: what was checked stays as it is. A chunk whose checksum is wrong
/// is forgotten, so that its bytes can be sent again.
public final class ContainerReceiver {
  /// What a hostile container or sender may not pass.
  public struct Limits: Sendable {
    /// Bytes of the container, and of the files in it.
    public var bytes = 1 << 40
    /// Parts of the container that are there without what lies between them.
    public var gaps = 1 << 16
    public init() {}
  }

  private let limits: Limits
  private let lock = Lock()
  private var knownHeader: Container.Header?
  private var knownContainer: Container?
  private var received = ByteRanges()
  private var memory: Buffer?
  private var early = Array(repeating: UInt8(0), count: Container.Header.byteCount)
  private var earlyRanges = ByteRanges()
  /// Bytes that each chunk still lacks; -1: it has been let go.
  private var lacking: [Int] = []
  /// Chunks that are whole and that no call has returned yet.
  private var unreported: [Int] = []

  public init(limits: Limits = Limits()) { self.limits = limits }

  /// nil until it has come.
  public var header: Container.Header? { lock.locked { knownHeader } }
  /// nil until header and table have come.
  public var container: Container? { lock.locked { knownContainer } }
  /// Bytes that are there.
  public var receivedByteCount: Int { lock.locked { received.count } }
  public var isComplete: Bool { lock.locked { knownContainer.map { received.count == $0.byteCount } ?? false } }

  /// The ranges of `range` that haven't come yet.
  public func missing(in range: Range<Int>) -> [Range<Int>] { lock.locked { received.missing(in: range) } }

  /// Takes bytes that stand at `offset` of the container.
  /// - Returns: the chunks that are whole now and weren't before, in the order of the container.
  /// - Throws: for a wrong checksum too; all other bytes of the call have been taken then, and the next call returns the
  ///   chunks that are whole by them.
  @discardableResult
  public func append(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws -> [Int] {
    try lock.locked {
      try take(bytes, offset)
      defer { unreported = [] }
      return unreported
    }
  }

  private func take(_ bytes: UnsafeRawBufferPointer, _ offset: Int) throws {
    guard offset >= 0 else { throw SwiftletError(.invalidArgument, "offset \(offset)") }
    let end = try Checked.add(offset, bytes.count)
    if let header = knownHeader {
      guard end <= header.containerLength else {
        throw SwiftletError(.invalidArgument, "bytes \(offset)..<\(end) of a container of \(header.containerLength)")
      }
    } else {
      try takeHeader(bytes, offset)
    }
    guard let header = knownHeader, let memory else {
      guard bytes.isEmpty || offset < Container.Header.byteCount else {
        throw SwiftletError(.invalidArgument, "the first \(Container.Header.byteCount) bytes have to come first")
      }
      return
    }
    guard end <= header.containerLength else {
      throw SwiftletError(.parse, "bytes follow the container's end", byteOffset: header.containerLength)
    }
    var damaged: SwiftletError?
    for fresh in received.insert(offset..<end) {
      if let from = bytes.baseAddress {
        (memory.base + fresh.lowerBound).copyMemory(from: from + (fresh.lowerBound - offset), byteCount: fresh.count)
      }
      if let container = knownContainer { settle(container, fresh, &damaged) }
    }
    guard received.ranges.count <= limits.gaps else {
      throw SwiftletError(.limit, "the container has come in \(received.ranges.count) separate parts")
    }
    if knownContainer == nil { try takeTable(header, memory, &damaged) }
    if let damaged { throw damaged }
  }

  /// Whether all bytes of a chunk are there and right.
  public func isWhole(_ chunk: Int) -> Bool { lock.locked { isThere(chunk) } }
  private func isThere(_ chunk: Int) -> Bool { lacking.indices.contains(chunk) && lacking[chunk] == 0 }

  /// The bytes of a whole chunk, valid until it is let go.
  public func bytes(of chunk: Int) throws -> UnsafeRawBufferPointer {
    try lock.locked {
      guard let container = knownContainer, let memory, isThere(chunk) else {
        throw SwiftletError(.internal, "chunk \(chunk) isn't whole")
      }
      let range = container.chunks[chunk].range
      return UnsafeRawBufferPointer(start: memory.base + range.lowerBound, count: range.count)
    }
  }

  /// Gives the memory of a chunk back that is no longer needed. It counts as received.
  public func release(_ chunk: Int) { lock.locked { letGo(chunk) } }
  private func letGo(_ chunk: Int) {
    guard let container = knownContainer, let memory, isThere(chunk) else { return }
    lacking[chunk] = -1
    // Pages that are shared with neighbours go with the last of them.
    let page = 1 << 16
    var (first, last) = (chunk, chunk)
    let range = container.chunks[chunk].range
    while first > 0, lacking[first - 1] < 0, container.chunks[first].range.lowerBound > range.lowerBound - page { first -= 1 }
    while last + 1 < lacking.count, lacking[last + 1] < 0, container.chunks[last].range.upperBound < range.upperBound + page {
      last += 1
    }
    let start = container.chunks[first].range.lowerBound
    sws_forget(memory.base + start, container.chunks[last].range.upperBound - start)
  }

  private func takeHeader(_ bytes: UnsafeRawBufferPointer, _ offset: Int) throws {
    guard offset < early.count else { return }
    for fresh in earlyRanges.insert(offset..<min(offset + bytes.count, early.count)) {
      for i in fresh { early[i] = bytes[i - offset] }
    }
    guard earlyRanges.count == early.count else { return }
    let found = try early.withUnsafeBytes { try Container.Header($0) }
    guard found.containerLength <= limits.bytes else {
      throw SwiftletError(.limit, "a container of \(found.containerLength) bytes, the limit is \(limits.bytes)")
    }
    guard let p = sws_reserve(found.containerLength) else {
      throw SwiftletError(.outOfMemory, "no memory for a container of \(found.containerLength) bytes")
    }
    let length = found.containerLength
    memory = Buffer(borrowing: p, byteCount: length) { sws_unmap(p, length) }
    early.withUnsafeBytes { p.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(p), byteCount: $0.count) }
    _ = received.insert(0..<early.count)
    knownHeader = found
  }

  private func takeTable(
    _ header: Container.Header, _ memory: Buffer, _ damaged: inout SwiftletError?
  ) throws {
    let range = Container.Header.byteCount..<Container.Header.byteCount + header.tableLength
    guard received.missing(in: range).isEmpty else { return }
    let found: Container
    do {
      found = try Container(
        header, table: UnsafeRawBufferPointer(start: memory.base + range.lowerBound, count: range.count))
    } catch {
      received.remove(range)
      throw error
    }
    guard try found.files.reduce(0, { try Checked.add($0, $1.byteCount) }) <= limits.bytes else {
      throw SwiftletError(.limit, "files of \(found.filesByteCount) bytes, the limit is \(limits.bytes)")
    }
    knownContainer = found
    lacking = found.chunks.map(\.range.count)
    for chunk in found.chunks.indices where found.chunks[chunk].range.isEmpty { check(found, chunk, &damaged) }
    for there in received.ranges { settle(found, there, &damaged) }
  }

  /// Counts newly received bytes towards their chunks.
  private func settle(_ container: Container, _ fresh: Range<Int>, _ damaged: inout SwiftletError?) {
    var low = 0
    var high = container.chunks.count
    while low < high {
      let middle = (low + high) / 2
      if container.chunks[middle].range.upperBound <= fresh.lowerBound { low = middle + 1 } else { high = middle }
    }
    while low < container.chunks.count, container.chunks[low].range.lowerBound < fresh.upperBound {
      let overlap = container.chunks[low].range.clamped(to: fresh).count
      if overlap > 0 {
        lacking[low] -= overlap
        if lacking[low] == 0 { check(container, low, &damaged) }
      }
      low += 1
    }
  }

  private func check(_ container: Container, _ chunk: Int, _ damaged: inout SwiftletError?) {
    let c = container.chunks[chunk]
    guard let memory else { return }
    let bytes = UnsafeRawBufferPointer(start: memory.base + c.range.lowerBound, count: c.range.count)
    if Checksum.of(bytes) == c.checksum { return unreported.append(chunk) }
    received.remove(c.range)
    lacking[chunk] = max(c.range.count, 1)
    damaged = SwiftletError(
      .parse, "damaged container: the checksum of chunk \(chunk)", tensor: c.tensor.map { container.tensors[$0].name },
      byteOffset: c.range.lowerBound)
  }
}
