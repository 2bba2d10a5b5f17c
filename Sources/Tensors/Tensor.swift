import CSystem

/// A dense tensor: element type, shape, and contiguous row-major elements in a buffer (packed types: low bits first).
/// Elements of borrowed model data may stand at any byte address; kernels don't rely on alignment of their inputs.
public struct Tensor: @unchecked Sendable {
  public let type: ElementType
  public let shape: [Int]
  /// Number of elements.
  public let count: Int
  public let buffer: Buffer
  public let byteOffset: Int
  /// The elements of a string tensor; empty for other types.
  public let strings: [String]

  public var rank: Int { shape.count }
  public var byteCount: Int { (count * type.bits + 7) / 8 }

  /// Over existing bytes. Checks that the buffer is large enough.
  public init(_ type: ElementType, _ shape: [Int], buffer: Buffer, byteOffset: Int = 0) throws {
    guard type != .string else { throw SwiftletError(.type, "a string tensor has no bytes") }
    let count = try Checked.count(shape)
    let bytes = try type.byteCount(count)
    guard byteOffset >= 0, try Checked.add(byteOffset, bytes) <= buffer.byteCount else {
      throw SwiftletError(.shape, "\(type.name)\(shape) needs \(bytes) bytes, \(buffer.byteCount - byteOffset) are there")
    }
    self.init(unchecked: type, shape, count: count, buffer: buffer, byteOffset: byteOffset)
  }
  /// A new tensor with uninitialised elements.
  public init(allocating type: ElementType, _ shape: [Int], from allocator: Allocator = .system) throws {
    let count = try Checked.count(shape)
    if type == .string {
      guard count <= 1 << 26 else { throw SwiftletError(.limit, "a string tensor of \(count) elements") }
      try self.init(strings: Array(repeating: "", count: count), shape)
      return
    }
    self.init(
      unchecked: type, shape, count: count, buffer: try allocator.allocate(try type.byteCount(count)), byteOffset: 0)
  }
  public init(strings: [String], _ shape: [Int]) throws {
    let count = try Checked.count(shape)
    guard strings.count == count else {
      throw SwiftletError(.shape, "\(strings.count) strings for the shape \(shape)")
    }
    self.type = .string
    self.shape = shape
    self.count = count
    self.buffer = .empty
    self.byteOffset = 0
    self.strings = strings
  }
  private init(unchecked type: ElementType, _ shape: [Int], count: Int, buffer: Buffer, byteOffset: Int,
    strings: [String] = []
  ) {
    self.type = type
    self.shape = shape
    self.count = count
    self.buffer = buffer
    self.byteOffset = byteOffset
    self.strings = strings
  }

  /// The same elements with another shape of the same count.
  public func reshaped(_ newShape: [Int]) throws -> Tensor {
    let n = try Checked.count(newShape)
    guard n == count else { throw SwiftletError(.shape, "\(shape) can't be reshaped to \(newShape)") }
    return Tensor(unchecked: type, newShape, count: n, buffer: buffer, byteOffset: byteOffset, strings: strings)
  }
  /// The same bytes read as another type of the same width.
  public func reinterpreted(as newType: ElementType) throws -> Tensor {
    guard newType.bits == type.bits, type != .string else {
      throw SwiftletError(.type, "\(type.name) can't be read as \(newType.name)")
    }
    return Tensor(unchecked: newType, shape, count: count, buffer: buffer, byteOffset: byteOffset)
  }
  /// `count` elements from element `start` on, with the given shape, without a copy. Not for packed types (unless on a
  /// byte boundary) and checked.
  public func view(from start: Int, shape newShape: [Int]) throws -> Tensor {
    let n = try Checked.count(newShape)
    guard start >= 0, try Checked.add(start, n) <= count else {
      throw SwiftletError(.shape, "a view of \(newShape) from element \(start) of \(shape)")
    }
    if type == .string {
      return Tensor(unchecked: type, newShape, count: n, buffer: buffer, byteOffset: 0,
        strings: Array(strings[start..<start + n]))
    }
    guard start * type.bits % 8 == 0 else { throw SwiftletError(.internal, "a view inside a byte") }
    return Tensor(unchecked: type, newShape, count: n, buffer: buffer, byteOffset: byteOffset + start * type.bits / 8)
  }

  /// First byte of the elements. Valid while the tensor (or another over the same buffer) is alive.
  @inline(__always) public var data: UnsafeMutableRawPointer { buffer.base + byteOffset }

  /// Tells the system that the elements are not needed for now (they have been packed); those of a mapped file only.
  public func forget() {
    if buffer.isMapped { sws_forget(data, byteCount) }
  }

  /// The elements as `T`, whose size must be that of the element type (checked in debug builds).
  @inline(__always) public func pointer<T: BitwiseCopyable>(_: T.Type) -> UnsafeMutablePointer<T> {
    assert(MemoryLayout<T>.size * 8 == type.bits, "\(T.self) for \(type.name)")
    return data.assumingMemoryBound(to: T.self)
  }
  @inline(__always) public func elements<T: BitwiseCopyable>(_ t: T.Type) -> UnsafeMutableBufferPointer<T> {
    UnsafeMutableBufferPointer(start: pointer(t), count: count)
  }
  /// Whether the first byte is a multiple of the element's size.
  public var isAligned: Bool {
    guard let size = type.size else { return true }
    return Int(bitPattern: data) % min(size, 8) == 0
  }
}

extension Tensor {
  /// A small tensor from Swift values.
  public init(_ values: [Float], _ shape: [Int]? = nil) throws { try self.init(.float, values, shape) }
  public init(_ values: [Double], _ shape: [Int]? = nil) throws { try self.init(.double, values, shape) }
  public init(_ values: [Int64], _ shape: [Int]? = nil) throws { try self.init(.int64, values, shape) }
  public init(_ values: [Int32], _ shape: [Int]? = nil) throws { try self.init(.int32, values, shape) }
  public init(_ values: [Bool], _ shape: [Int]? = nil) throws {
    try self.init(.bool, values.map { UInt8($0 ? 1 : 0) }, shape)
  }
  /// Values whose size is that of the element type; shape nil: a vector.
  public init<T: BitwiseCopyable>(_ type: ElementType, _ values: [T], _ shape: [Int]? = nil) throws {
    guard MemoryLayout<T>.size * 8 == type.bits else { throw SwiftletError(.type, "\(T.self) for \(type.name)") }
    try self.init(allocating: type, shape ?? [values.count])
    guard values.count == count else { throw SwiftletError(.shape, "\(values.count) values for \(self.shape)") }
    values.withUnsafeBytes { if let p = $0.baseAddress { data.copyMemory(from: p, byteCount: $0.count) } }
  }
  /// An int64 vector (shapes, axes).
  public init(ints: [Int]) throws { try self.init(ints.map(Int64.init)) }

  /// A copy in memory of its own.
  public func copied(from allocator: Allocator = .system) throws -> Tensor {
    if type == .string { return self }
    let t = try Tensor(allocating: type, shape, from: allocator)
    t.data.copyMemory(from: data, byteCount: byteCount)
    return t
  }

  /// Elements as Ints: shapes, axes, indices. Any integer type or bool.
  public func ints() throws -> [Int] {
    func read<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) throws -> [Int] {
      let p = UnsafeRawPointer(data)
      return try (0..<count).map {
        guard let v = Int(exactly: p.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: T.self)) else {
          throw SwiftletError(.runtime, "an integer does not fit in 64 bits")
        }
        return v
      }
    }
    switch type {
    case .int64: return try read(Int64.self)
    case .int32: return try read(Int32.self)
    case .int16: return try read(Int16.self)
    case .int8: return try read(Int8.self)
    case .uint64: return try read(UInt64.self)
    case .uint32: return try read(UInt32.self)
    case .uint16: return try read(UInt16.self)
    case .uint8, .bool: return try read(UInt8.self)
    default: throw SwiftletError(.type, "integers are due, not \(type.name)")
    }
  }
  /// The only element as an Int.
  public func int() throws -> Int {
    guard count == 1 else { throw SwiftletError(.shape, "one integer is due, not \(count) of them") }
    return try ints()[0]
  }
  /// The elements as Doubles: float types of 16 bits and more, integers, bool. For parameters, not for bulk data.
  public func doubles() throws -> [Double] {
    let p = UnsafeRawPointer(data)
    switch type {
    case .float: return (0..<count).map { Double(p.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self)) }
    case .double: return (0..<count).map { p.loadUnaligned(fromByteOffset: $0 * 8, as: Double.self) }
    case .float16: return (0..<count).map { Double(Half.float(p.loadUnaligned(fromByteOffset: $0 * 2, as: UInt16.self))) }
    case .bfloat16:
      return (0..<count).map {
        Double(Float(bitPattern: UInt32(p.loadUnaligned(fromByteOffset: $0 * 2, as: UInt16.self)) << 16))
      }
    default: return try ints().map(Double.init)
    }
  }
  /// The only element as a Double.
  public func scalar() throws -> Double {
    guard count == 1 else { throw SwiftletError(.shape, "one number is due, not \(count) of them") }
    return try doubles()[0]
  }
}
