import Tensors

/// Reads protobuf's wire format in place. Every length is checked against the bytes that remain; nothing is copied.
public struct WireReader {
  public enum WireType: UInt8 {
    case varint = 0, fixed64 = 1, bytes = 2, startGroup = 3, endGroup = 4, fixed32 = 5
  }
  /// One field: scalars in `bits`, length-delimited ones as a range of the source.
  public struct Field {
    public let number: Int
    public let wire: WireType
    public let offset: Int
    public let bits: UInt64
    public let range: Range<Int>
  }

  public static let maximumDepth = 100

  let base: UnsafeRawPointer
  public private(set) var position: Int
  let end: Int
  let depth: Int

  /// Over bytes `range` of the memory at `base`, which stays valid and unchanged while the reader is used.
  public init(_ base: UnsafeRawPointer, _ range: Range<Int>, depth: Int = 0) throws {
    if depth > Self.maximumDepth {
      throw SwiftletError(.parse, "messages are nested deeper than \(Self.maximumDepth)", byteOffset: range.lowerBound)
    }
    self.base = base
    self.position = range.lowerBound
    self.end = range.upperBound
    self.depth = depth
  }
  /// A reader for a length-delimited field that holds a message.
  public func message(_ field: Field) throws -> WireReader {
    try WireReader(base, try field.bytes(), depth: depth + 1)
  }

  private func fail(_ what: String, _ offset: Int) -> SwiftletError {
    SwiftletError(.parse, "damaged protobuf: \(what)", byteOffset: offset)
  }
  @inline(__always) private mutating func varint() throws -> UInt64 {
    var result: UInt64 = 0
    var shift: UInt64 = 0
    let start = position
    while position < end {
      let byte = base.load(fromByteOffset: position, as: UInt8.self)
      position += 1
      if shift == 63, byte > 1 { throw fail("a varint of more than 64 bits", start) }
      result |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return result }
      shift += 7
      if shift > 63 { throw fail("a varint of more than 10 bytes", start) }
    }
    throw fail("a varint is cut off", start)
  }

  /// The next field, or nil at the end of the message. Groups (long deprecated, never in ONNX) are skipped whole.
  public mutating func next() throws -> Field? {
    while position < end {
      let offset = position
      let tag = try varint()
      guard tag >> 3 > 0, tag >> 3 < 1 << 29, let wire = WireType(rawValue: UInt8(tag & 7)) else {
        throw fail("field tag \(tag) is not valid", offset)
      }
      let number = Int(tag >> 3)
      switch wire {
      case .varint:
        return Field(number: number, wire: wire, offset: offset, bits: try varint(), range: 0..<0)
      case .fixed64, .fixed32:
        let size = wire == .fixed64 ? 8 : 4
        guard end - position >= size else { throw fail("a number is cut off", offset) }
        let bits =
          size == 8
          ? base.loadUnaligned(fromByteOffset: position, as: UInt64.self)
          : UInt64(base.loadUnaligned(fromByteOffset: position, as: UInt32.self))
        position += size
        return Field(number: number, wire: wire, offset: offset, bits: bits, range: position - size..<position)
      case .bytes:
        let length = try varint()
        guard length <= UInt64(end - position) else {
          throw fail("field \(number) declares \(length) bytes, \(end - position) remain", offset)
        }
        let start = position
        position += Int(length)
        return Field(number: number, wire: wire, offset: offset, bits: 0, range: start..<position)
      case .startGroup:
        try skipGroup(number, offset)
      case .endGroup:
        throw fail("a group ends that did not begin", offset)
      }
    }
    return nil
  }

  private mutating func skipGroup(_ number: Int, _ offset: Int) throws {
    var open = [number]
    while let inner = open.last {
      let at = position
      guard position < end else { throw fail("a group is not closed", offset) }
      let tag = try varint()
      guard let wire = WireType(rawValue: UInt8(tag & 7)) else { throw fail("field tag \(tag) is not valid", at) }
      switch wire {
      case .varint: _ = try varint()
      case .fixed64, .fixed32:
        let size = wire == .fixed64 ? 8 : 4
        guard end - position >= size else { throw fail("a number is cut off", at) }
        position += size
      case .bytes:
        let length = try varint()
        guard length <= UInt64(end - position) else { throw fail("an over-long length", at) }
        position += Int(length)
      case .startGroup:
        if open.count >= Self.maximumDepth { throw fail("groups are nested too deep", at) }
        open.append(Int(truncatingIfNeeded: tag >> 3))
      case .endGroup:
        guard Int(truncatingIfNeeded: tag >> 3) == inner else { throw fail("a group is closed by another's end", at) }
        open.removeLast()
      }
    }
  }

  /// Text of a field; invalid UTF-8 is repaired.
  public func string(_ field: Field) throws -> String { string(try field.bytes()) }
  public func string(_ range: Range<Int>) -> String {
    String(decoding: UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count), as: UTF8.self)
  }

  /// Appends the integers of a repeated field, packed or not.
  public func integers(_ field: Field, into list: inout [Int64]) throws {
    if field.wire == .varint { return list.append(Int64(bitPattern: field.bits)) }
    var packed = try WireReader(base, try field.bytes(), depth: depth)
    while packed.position < packed.end { list.append(Int64(bitPattern: try packed.varint())) }
  }
  /// Appends the floats of a repeated field, packed or not.
  public func floats(_ field: Field, into list: inout [Float]) throws {
    if field.wire == .fixed32 { return list.append(Float(bitPattern: UInt32(truncatingIfNeeded: field.bits))) }
    let r = try field.bytes()
    guard r.count % 4 == 0 else { throw fail("packed floats of \(r.count) bytes", field.offset) }
    for at in stride(from: r.lowerBound, to: r.upperBound, by: 4) {
      list.append(Float(bitPattern: base.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
    }
  }
}

extension WireReader.Field {
  private func wrong(_ due: String) -> SwiftletError {
    SwiftletError(.parse, "damaged protobuf: field \(number) has wire type \(wire), \(due) is due", byteOffset: offset)
  }
  public func bytes() throws -> Range<Int> {
    guard wire == .bytes else { throw wrong("a length") }
    return range
  }
  public func int() throws -> Int {
    guard wire == .varint else { throw wrong("a varint") }
    return Int(truncatingIfNeeded: Int64(bitPattern: bits))
  }
  public func float() throws -> Float {
    guard wire == .fixed32 else { throw wrong("four bytes") }
    return Float(bitPattern: UInt32(truncatingIfNeeded: bits))
  }
}
