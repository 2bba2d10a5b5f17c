import Kernels
import Tensors

/// Elements as integers in the same order: what sorting and searching for equals work on. NaN comes last and equals
/// NaN; the two zeros are equal. Complex numbers give two each.
enum OrderedKeys {
  static func of(_ x: Tensor) throws -> [Int64] {
    let source = try readable(x), count = source.count * (x.type.isComplex ? 2 : 1)
    return [Int64](unsafeUninitializedCapacity: count) { keys, filled in
      if let p = keys.baseAddress { fill(source, from: 0, step: 1, count, to: p) }
      filled = count
    }
  }

  /// The same order in elements that `fill` reads: 16-bit floats as float, strings as their numbers in alphabetical
  /// order.
  static func readable(_ x: Tensor) throws -> Tensor {
    switch x.type {
    case .float16, .bfloat16:
      let wide = try Tensor(allocating: .float, x.shape)
      try Cast.apply(x.type, x.data, to: .float, wide.data, x.count)
      return wide
    case .string:
      // Byte by byte, which is also the order of the code points.
      let bytes = x.strings.map { Array($0.utf8) }
      var numbers: [[UInt8]: Int64] = [:]
      for (i, s) in Set(bytes).sorted(by: { $0.lexicographicallyPrecedes($1) }).enumerated() { numbers[s] = Int64(i) }
      return try Tensor(bytes.map { numbers[$0] ?? 0 }, x.shape)
    case .float, .double, .complex64, .complex128, .bool, _ where TypeSet.integers.contains(x.type): return x
    default: throw SwiftletError(.unsupported, "an order of \(x.type.name)")
    }
  }

  /// The keys of `count` elements of what `readable` gave, `step` apart, each with its bits flipped by `flip`.
  static func fill(
    _ x: Tensor, from first: Int, step: Int, _ count: Int, flip: Int64 = 0, to out: UnsafeMutablePointer<Int64>
  ) {
    @inline(__always) func each<T: BitwiseCopyable>(_: T.Type, _ key: (T) -> Int64) {
      let p = UnsafeRawPointer(x.data) + first * MemoryLayout<T>.size, stride = step * MemoryLayout<T>.size
      for i in 0..<count { out[i] = key(p.loadUnaligned(fromByteOffset: i &* stride, as: T.self)) ^ flip }
    }
    switch x.type {
    case .float, .complex64:
      each(Int32.self) { bits in
        let magnitude = bits & .max, sign = bits >> 31
        return magnitude > 0x7f80_0000 ? .max : Int64((magnitude ^ sign) &- sign)
      }
    case .double, .complex128:
      each(Int64.self) { bits in
        let magnitude = bits & .max, sign = bits >> 63
        return magnitude > 0x7ff0_0000_0000_0000 ? .max : (magnitude ^ sign) &- sign
      }
    case .int64: each(Int64.self) { $0 }
    case .uint64: each(Int64.self) { $0 ^ .min }
    case .int32: each(Int32.self) { Int64($0) }
    case .uint32: each(UInt32.self) { Int64($0) }
    case .int16: each(Int16.self) { Int64($0) }
    case .uint16: each(UInt16.self) { Int64($0) }
    case .int8: each(Int8.self) { Int64($0) }
    default: each(UInt8.self) { Int64($0) }
    }
  }
}
