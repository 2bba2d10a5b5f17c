import Kernels
import Tensors

/// Elements as integers in the same order: what sorting and searching for equals work on. NaN comes last and equals
/// NaN; the two zeros are equal. Complex numbers give two each.
enum OrderedKeys {
  static func of(_ x: Tensor) throws -> [Int64] {
    func integers<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) -> [Int64] {
      let p = UnsafeRawPointer(x.data)
      return (0..<x.byteCount / MemoryLayout<T>.size).map { Int64(truncatingIfNeeded: p.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: T.self)) }
    }
    switch x.type {
    case .float, .complex64: return integers(Int32.self).map { key(Float(bitPattern: UInt32(truncatingIfNeeded: $0))) }
    case .double, .complex128:
      return integers(Int64.self).map { bits in
        let v = Double(bitPattern: UInt64(bitPattern: bits))
        return v.isNaN ? .max : v == 0 ? 0 : bits >= 0 ? bits : -(bits & .max)
      }
    case .float16, .bfloat16:
      let wide = try Tensor(allocating: .float, x.shape)
      try Cast.apply(x.type, x.data, to: .float, wide.data, x.count)
      return try of(wide)
    case .int64: return integers(Int64.self)
    case .int32: return integers(Int32.self)
    case .int16: return integers(Int16.self)
    case .int8: return integers(Int8.self)
    case .uint64: return integers(UInt64.self).map { $0 ^ .min }
    case .uint32: return integers(UInt32.self)
    case .uint16: return integers(UInt16.self)
    case .uint8, .bool: return integers(UInt8.self)
    case .string:
      // Byte by byte, which is also the order of the code points.
      let bytes = x.strings.map { Array($0.utf8) }
      var numbers: [[UInt8]: Int64] = [:]
      for (i, s) in Set(bytes).sorted(by: { $0.lexicographicallyPrecedes($1) }).enumerated() { numbers[s] = Int64(i) }
      return bytes.map { numbers[$0] ?? 0 }
    default: throw SwiftletError(.unsupported, "an order of \(x.type.name)")
    }
  }

  private static func key(_ v: Float) -> Int64 {
    if v.isNaN { return .max }
    if v == 0 { return 0 }
    let magnitude = Int64(v.bitPattern & 0x7fff_ffff)
    return v < 0 ? -magnitude : magnitude
  }
}
