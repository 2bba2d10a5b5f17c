import Tensors

/// Reads the numbers of a header or table; every read is checked against the bytes that remain.
struct ByteReader {
  private let bytes: UnsafeRawBufferPointer
  private(set) var position = 0
  /// Where the bytes stand in the container, for errors.
  private let start: Int

  init(_ bytes: UnsafeRawBufferPointer, at start: Int) {
    self.bytes = bytes
    self.start = start
  }

  var remaining: Int { bytes.count - position }

  func fail(_ what: String) -> SwiftletError {
    SwiftletError(.parse, "damaged container: \(what)", byteOffset: start + position)
  }

  mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer {
    guard count >= 0, count <= remaining else { throw fail("\(count) bytes are due, \(remaining) remain") }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
  }
  /// A little-endian number of the type's size.
  mutating func fixed<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) throws -> T {
    T(littleEndian: try take(MemoryLayout<T>.size).loadUnaligned(as: T.self))
  }
  /// A number from 0 to `limit` in groups of seven bits, low ones first.
  mutating func varint(upTo limit: Int = .max, _ what: @autoclosure () -> String) throws -> Int {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), through: 63, by: 7) {
      let byte = try fixed(UInt8.self)
      if shift == 63, byte > 1 { break }
      value |= UInt64(byte & 0x7f) << shift
      guard byte < 0x80 else { continue }
      guard value <= UInt64(limit) else { throw fail("\(what()) is \(value), \(limit) at most") }
      return Int(value)
    }
    throw fail("\(what()) has more than 64 bits")
  }
  mutating func string(_ what: @autoclosure () -> String) throws -> String {
    let length = try varint(upTo: 1 << 16, what())
    guard let text = String(validating: try take(length), as: UTF8.self) else { throw fail("\(what()) is no UTF-8") }
    return text
  }
}
