import Graphs
import Tensors

/// Turns TensorProto messages into tensors, without a copy where the bytes stand in the source as they are.
struct TensorReader {
  let source: ModelSource
  private var base: UnsafeRawPointer { UnsafeRawPointer(source.bytes.base) }

  /// Smaller tensors are copied when they don't stand at a multiple of their element's size.
  private static let copiedWhenUnaligned = 4096

  init(source: ModelSource) { self.source = source }

  func tensor(_ t: TensorProto) throws -> Tensor {
    do {
      return try read(t)
    } catch var e as SwiftletError {
      e.tensor = e.tensor ?? t.name
      e.byteOffset = e.byteOffset ?? t.offset
      throw e
    }
  }

  func sparse(_ t: SparseTensorProto) throws -> SparseTensor {
    guard let v = t.values, let i = t.indices else {
      throw SwiftletError(.invalidModel, "a sparse tensor needs values and indices")
    }
    return SparseTensor(values: try tensor(v), indices: try tensor(i), shape: try shape(t.dims))
  }

  func shape(_ dims: [Int64]) throws -> [Int] {
    for d in dims where d < 0 { throw SwiftletError(.invalidModel, "negative dimension in \(dims)") }
    return dims.map(Int.init)
  }

  private func read(_ t: TensorProto) throws -> Tensor {
    if t.isSegment { throw SwiftletError(.unsupported, "tensor segments are not supported") }
    if t.dataType == 0 { throw SwiftletError(.invalidModel, "a tensor has no element type") }
    guard let type = ElementType(rawValue: Int32(truncatingIfNeeded: t.dataType)) else {
      throw SwiftletError(.unsupported, "element type \(t.dataType) is not known")
    }
    let shape = try shape(t.dims)
    let count = try Checked.count(shape)
    if type == .string { return try readStrings(t, count, shape) }
    let bytes = try type.byteCount(count)
    if t.isExternal { return try readExternal(t, type, shape, bytes) }
    if let raw = t.raw {
      guard raw.count == bytes else {
        throw SwiftletError(.parse, "\(type.name)\(shape) needs \(bytes) bytes of raw_data, \(raw.count) are there")
      }
      return try tensor(type, shape, source.elements(at: raw))
    }
    return try readTyped(t, type, shape, count, bytes)
  }

  private func tensor(_ type: ElementType, _ shape: [Int], _ buffer: Buffer) throws -> Tensor {
    let t = try Tensor(type, shape, buffer: buffer)
    return t.isAligned || t.byteCount > Self.copiedWhenUnaligned ? t : try t.copied()
  }

  private func readStrings(_ t: TensorProto, _ count: Int, _ shape: [Int]) throws -> Tensor {
    guard t.strings.count == count else {
      throw SwiftletError(.parse, "\(count) strings are due, \(t.strings.count) are there")
    }
    let reader = try WireReader(base, 0..<0)
    return try Tensor(strings: t.strings.map(reader.string), shape)
  }

  /// Where the elements of a tensor stand as they are, in a file of external data or the model's; nil when they don't.
  func place(_ t: TensorProto, _ type: ElementType) throws -> (location: String?, range: Range<Int>)? {
    let bytes = try type.byteCount(try Checked.count(shape(t.dims)))
    if t.isExternal {
      let (location, range) = try externalPlace(t, type, bytes)
      return (location, range)
    }
    if let raw = t.raw { return raw.count == bytes ? (nil, raw) : nil }
    let field = type == .float || type == .complex64 ? 4 : type == .double || type == .complex128 ? 10 : 0
    guard t.typed.count == 1, t.typed[0].number == field, t.typed[0].wire == .bytes, t.typed[0].range.count == bytes else {
      return nil
    }
    return (nil, t.typed[0].range)
  }

  private func externalPlace(
    _ t: TensorProto, _ type: ElementType, _ bytes: Int
  ) throws -> (location: String, range: Range<Int>) {
    var location: String?
    var offset = 0
    var length: Int?
    for (key, value) in t.external {
      switch key {
      case "location": location = value
      case "offset", "length":
        guard let n = Int(value), n >= 0 else {
          throw SwiftletError(.invalidModel, "external data: \(key) '\(value)' is not a number of bytes")
        }
        if key == "offset" { offset = n } else { length = n }
      default: break  // checksum, and what later versions add
      }
    }
    guard let location, !location.isEmpty, !location.utf8.contains(0) else {
      throw SwiftletError(.invalidModel, "external data without a location")
    }
    if let length, length != bytes {
      throw SwiftletError(.invalidModel, "\(type.name)\(t.dims) needs \(bytes) bytes, external data has \(length)")
    }
    let file = try source.external(location)
    let (end, overflow) = offset.addingReportingOverflow(bytes)
    guard !overflow, end <= file.byteCount else {
      throw SwiftletError(
        .io, "external data '\(location)' has \(file.byteCount) bytes; \(bytes) are due at offset \(offset)")
    }
    return (location, offset..<end)
  }

  private func readExternal(_ t: TensorProto, _ type: ElementType, _ shape: [Int], _ bytes: Int) throws -> Tensor {
    let (location, range) = try externalPlace(t, type, bytes)
    return try tensor(type, shape, source.elements(at: range, of: location))
  }

  /// Elements in the typed fields (float_data, int32_data...).
  private func readTyped(_ t: TensorProto, _ type: ElementType, _ shape: [Int], _ count: Int, _ bytes: Int) throws -> Tensor {
    let (field, wide): (Int, WireReader.WireType) =
      switch type {
      case .float, .complex64: (4, .fixed32)
      case .double, .complex128: (10, .fixed64)
      case .int64: (7, .varint)
      case .uint32, .uint64: (11, .varint)
      default: (5, .varint)
      }
    let fields = t.typed.filter { $0.number == field }
    if fields.isEmpty, count > 0, let other = t.typed.first {
      throw SwiftletError(.parse, "\(type.name) elements stand in field \(other.number), not in \(field)")
    }
    if wide != .varint {
      let size = wide == .fixed32 ? 4 : 8
      if fields.count == 1, fields[0].wire == .bytes {
        let r = fields[0].range
        guard r.count == bytes else {
          throw SwiftletError(.parse, "\(type.name)\(shape) needs \(bytes) bytes, \(r.count) are there")
        }
        return try tensor(type, shape, source.elements(at: r))
      }
      let result = try Tensor(allocating: type, shape)
      var at = 0
      for f in fields {
        guard f.wire == .bytes || f.wire == wide, f.range.count % size == 0, f.range.count <= bytes - at else {
          throw SwiftletError(.parse, "\(type.name)\(shape): wrong number of elements", byteOffset: f.offset)
        }
        (result.data + at).copyMemory(from: base + f.range.lowerBound, byteCount: f.range.count)
        at += f.range.count
      }
      guard at == bytes else { throw SwiftletError(.parse, "\(type.name)\(shape): \(at) bytes of \(bytes) are there") }
      return result
    }
    var list: [Int64] = []
    let reader = try WireReader(base, 0..<0)
    for f in fields { try reader.integers(f, into: &list) }
    // Packed types: an entry holds one byte, but for the 6-bit ones, where it holds one element.
    let due = type.isPacked && type.bits != 6 ? bytes : count
    guard list.count == due else {
      throw SwiftletError(.parse, "\(type.name)\(shape) needs \(due) entries, \(list.count) are there")
    }
    let result = try Tensor(allocating: type, shape)
    func store<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) {
      let p = result.data.assumingMemoryBound(to: T.self)
      for (i, v) in list.enumerated() { p[i] = T(truncatingIfNeeded: v) }
    }
    switch type.bits {
    case 6:
      for at in 0..<bytes {
        // A byte has bits of two elements.
        let i = at * 8 / 6
        let two = list[i] & 0x3f | (i + 1 < count ? list[i + 1] << 6 : 0)
        result.data.storeBytes(of: UInt8(truncatingIfNeeded: two >> (at * 8 % 6)), toByteOffset: at, as: UInt8.self)
      }
    case 64: store(UInt64.self)
    case 32: store(UInt32.self)
    case 16: store(UInt16.self)
    default: store(UInt8.self)
    }
    return result
  }
}
