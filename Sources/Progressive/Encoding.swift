import CKernels
import Tensors

/// How a tensor's elements are coded.
public enum Encoding: Sendable {
  /// Floats in steps, coarse bits first.
  case planes(PlaneEncoding)
  /// Elements of a byte each, whole.
  case bytes(ByteEncoding)

  public var segmentLength: Int {
    switch self {
    case .planes(let e): e.segmentLength
    case .bytes(let e): e.segmentLength
    }
  }
  public var stepCount: Int { planes?.steps.count ?? 1 }
  public var planeCount: Int { planes?.planeCount ?? 1 }
  /// Planes that the first steps give.
  public func planes(ofSteps count: Int) -> Int { count == 0 ? 0 : planes?.steps[count - 1].upperBound ?? 1 }

  public var planes: PlaneEncoding? {
    if case .planes(let e) = self { return e }
    return nil
  }

  init(_ number: Int, _ r: inout ByteReader, type: ElementType, shape: [Int]) throws {
    switch number {
    case PlaneEncoding.number: self = .planes(try PlaneEncoding(&r, type: type, shape: shape))
    case ByteEncoding.number: self = .bytes(try ByteEncoding(&r, type: type))
    default:
      throw SwiftletError(.unsupported, "encoding \(number) is not known; the container is newer than this version")
    }
  }

  /// Decodes one step of a segment in place. Before step 0 its elements are 0.
  /// - Parameter start: index of the segment's first element in the tensor.
  /// - Parameter scratch: at least `segmentLength` + 16 bytes.
  public func refine(
    _ elements: UnsafeMutableRawPointer, count: Int, from start: Int, step: Int, chunk: UnsafeRawBufferPointer,
    scratch: UnsafeMutablePointer<UInt8>
  ) throws {
    switch self {
    case .planes(let e): try e.refine(elements, count: count, from: start, step: step, chunk: chunk, scratch: scratch)
    case .bytes(let e): try e.decode(elements, count: count, chunk: chunk)
    }
  }
}

/// Elements of a byte each (masks, quantised weights), coded by how often each of the 256 occurs in a segment (encoding 2 of
/// docs/progressive-format.md).
public struct ByteEncoding: Sendable {
  public static let number = 2
  public let segmentLength: Int

  public init(segmentLength: Int) { self.segmentLength = segmentLength }

  init(_ r: inout ByteReader, type: ElementType) throws {
    guard type.bits == 8 else { throw SwiftletError(.parse, "\(type.name) doesn't have elements of a byte") }
    let bits = try r.varint(upTo: 32, "the length of segments")
    guard PlaneEncoding.segmentBits.contains(bits) else { throw SwiftletError(.parse, "segments of 2^\(bits) bytes") }
    segmentLength = 1 << bits
  }

  /// - Parameter count: bytes of the segment; a chunk of as many is the segment itself.
  public func decode(_ elements: UnsafeMutableRawPointer, count: Int, chunk: UnsafeRawBufferPointer) throws {
    if chunk.count == count { return UnsafeMutableRawBufferPointer(start: elements, count: count).copyMemory(from: chunk) }
    let status = swk_bytes_decode(
      chunk.baseAddress?.assumingMemoryBound(to: UInt8.self), chunk.count, elements.assumingMemoryBound(to: UInt8.self), count)
    try PlaneEncoding.check(status)
  }

  /// The chunk of a segment.
  public func encode(_ elements: UnsafeRawPointer, count: Int) -> [UInt8] {
    let chunk = [UInt8](unsafeUninitializedCapacity: swk_bytes_bound(count)) { room, length in
      guard let to = room.baseAddress else { return }
      length = swk_bytes_encode(elements.assumingMemoryBound(to: UInt8.self), count, to)
    }
    let least = count / Container.mostBytesPerByte
    return chunk.count < max(count, least)
      ? chunk + Array(repeating: 0, count: max(least - chunk.count, 0))
      : Array(UnsafeRawBufferPointer(start: elements, count: count))
  }
}
