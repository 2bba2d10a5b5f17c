import Tensors

/// What a container's header and table say; docs/progressive-format.md specifies both. Everything in it has been checked:
/// ranges lie within their files and the container, tensors don't overlap, every chunk is there once.
public struct Container: Sendable {
  /// One of the files that the container holds.
  public struct File: Sendable {
    /// The location by which the model names its external data; empty for the model itself, which comes first.
    public let name: String
    public let byteCount: Int
    public let checksum: UInt32
  }

  /// A tensor whose elements arrive in steps.
  public struct Entry: Sendable {
    public let name: String
    public let type: ElementType
    public let shape: [Int]
    public let count: Int
    /// Where its elements stand: a file and the range of bytes in it.
    public let file: Int
    public let range: Range<Int>
    public let encoding: Encoding

    public var segmentCount: Int { (count - 1) / encoding.segmentLength + 1 }
    /// Elements of a segment, as a range of the tensor's.
    public func elements(ofSegment segment: Int) -> Range<Int> {
      let start = segment * encoding.segmentLength
      return start..<min(start + encoding.segmentLength, count)
    }
  }

  /// What can arrive and be used by itself.
  public struct Chunk: Sendable {
    /// The index of its tensor; nil: bytes of the files that belong to no tensor.
    public let tensor: Int?
    public let step: Int
    public let segment: Int
    /// Its bytes in the container.
    public let range: Range<Int>
    public let checksum: UInt32
  }

  /// The first byte of an ONNX model (the tag of its ir_version), which a container doesn't have.
  public static let firstByteOfModels: UInt8 = 0x08

  public let byteCount: Int
  public let files: [File]
  public let tensors: [Entry]
  /// In the order of the container.
  public let chunks: [Chunk]
  /// The parts of the files that belong to no tensor, in order.
  public let rest: [(file: Int, range: Range<Int>)]
  public let restByteCount: Int
  /// The number of chunks of the rest. They have no tensor; their segments count from 0.
  public var restChunkCount: Int { chunkOfRest.count }

  let chunkOfRest: [Int]
  let chunkOfTensor: [[Int]]

  /// The chunk of one step of one segment of a tensor.
  public func chunk(tensor: Int, step: Int, segment: Int) -> Int {
    chunkOfTensor[tensor][step * tensors[tensor].segmentCount + segment]
  }
  public func chunk(rest segment: Int) -> Int { chunkOfRest[segment] }

  /// Bytes of all files together.
  public var filesByteCount: Int { files.reduce(0) { $0 + $1.byteCount } }
  /// The first byte behind header and table.
  public var chunksStart: Int { chunks.first?.range.lowerBound ?? byteCount }
}

extension Container {
  /// The first bytes: what follows from them.
  public struct Header: Sendable {
    public static let byteCount = 32
    public static let magic: [UInt8] = [0x89, 0x53, 0x57, 0x4c, 0x0d, 0x0a, 0x1a, 0x0a]
    public static let version: UInt8 = 1
    /// The most bytes that a table may have.
    public static let mostTableBytes = 1 << 28

    public let tableLength: Int
    public let tableChecksum: UInt32
    public let containerLength: Int

    /// - Parameter bytes: at least `byteCount` of them.
    public init(_ bytes: UnsafeRawBufferPointer) throws {
      var r = ByteReader(bytes, at: 0)
      guard try r.take(8).elementsEqual(Self.magic) else {
        throw SwiftletError(.parse, "this is no progressive model", byteOffset: 0)
      }
      let version = try r.fixed(UInt8.self)
      guard version == Self.version else {
        throw SwiftletError(
          .unsupported, "a progressive model of version \(version); \(Self.version) is supported", byteOffset: 8)
      }
      _ = try r.take(3)
      tableChecksum = try r.fixed(UInt32.self)
      let table = try r.fixed(UInt32.self)
      let length = try r.fixed(UInt64.self)
      let sum = Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[..<28]))
      guard try r.fixed(UInt32.self) == sum else { throw SwiftletError(.parse, "damaged container: the header's checksum", byteOffset: 28) }
      guard table <= Self.mostTableBytes else { throw SwiftletError(.limit, "a table of \(table) bytes", byteOffset: 16) }
      guard let whole = Int(exactly: length), whole >= Self.byteCount + Int(table) else {
        throw SwiftletError(.parse, "damaged container: \(length) bytes with a table of \(table)", byteOffset: 20)
      }
      tableLength = Int(table)
      containerLength = whole
    }
  }

  /// Whether bytes begin like a container (fewer than eight: whether they may).
  public static func begins(_ bytes: UnsafeRawBufferPointer) -> Bool {
    !bytes.isEmpty && zip(bytes, Header.magic).allSatisfy { $0 == $1 }
  }
}
