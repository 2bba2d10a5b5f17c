import Kernels
import Tensors

/// The keys (`SortKeys`) of elements of any type; complex numbers give two each.
enum OrderedKeys {
  static func of(_ x: Tensor) throws -> [Int64] {
    let source = try readable(x), count = source.count * (x.type.isComplex ? 2 : 1)
    let order = try SortKeys(source.type)
    return [Int64](unsafeUninitializedCapacity: count) { keys, filled in
      if let p = keys.baseAddress { order.fill(source.data, from: 0, step: 1, count, to: p) }
      filled = count
    }
  }

  /// The same order in elements that `SortKeys` reads: 16-bit floats as float, strings as their numbers in alphabetical
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
}
