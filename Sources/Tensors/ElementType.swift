/// The element types of ONNX tensors; raw values are `TensorProto.DataType`.
public enum ElementType: Int32, CaseIterable, Sendable {
  case float = 1, uint8, int8, uint16, int16, int32, int64, string, bool, float16, double, uint32, uint64
  case complex64, complex128, bfloat16, float8e4m3fn, float8e4m3fnuz, float8e5m2, float8e5m2fnuz
  case uint4, int4, float4e2m1, float8e8m0, uint2, int2, float6e2m3, float6e3m2

  /// Bits that an element takes in a tensor's memory; 0 for strings, which are kept as Swift strings.
  public var bits: Int {
    switch self {
    case .uint2, .int2: 2
    case .uint4, .int4, .float4e2m1: 4
    case .float6e2m3, .float6e3m2: 6
    case .uint8, .int8, .bool, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0: 8
    case .uint16, .int16, .float16, .bfloat16: 16
    case .float, .int32, .uint32: 32
    case .int64, .uint64, .double, .complex64: 64
    case .complex128: 128
    case .string: 0
    }
  }
  /// Bytes of an element, or nil when elements are packed (less than a byte each, low bits first) or are strings.
  public var size: Int? { bits >= 8 ? bits / 8 : nil }
  public var isPacked: Bool { (1..<8).contains(bits) }

  /// Bytes that `count` elements take (packed types: the last byte may be used in part).
  public func byteCount(_ count: Int) throws -> Int {
    if bits >= 8 { return try Checked.multiply(count, bits / 8, "the size of a tensor") }
    return count / 8 * bits + (count % 8 * bits + 7) / 8
  }

  public var isFloat: Bool {
    switch self {
    case .float, .double, .float16, .bfloat16, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz,
      .float4e2m1, .float8e8m0, .float6e2m3, .float6e3m2:
      true
    default: false
    }
  }
  /// float16 or bfloat16: computed in float, stored in 16 bits.
  public var isHalf: Bool { self == .float16 || self == .bfloat16 }
  public var isSignedInteger: Bool {
    switch self {
    case .int2, .int4, .int8, .int16, .int32, .int64: true
    default: false
    }
  }
  public var isUnsignedInteger: Bool {
    switch self {
    case .uint2, .uint4, .uint8, .uint16, .uint32, .uint64: true
    default: false
    }
  }
  public var isInteger: Bool { isSignedInteger || isUnsignedInteger }
  public var isComplex: Bool { self == .complex64 || self == .complex128 }

  /// The name as in ONNX's textual syntax and type strings: "float", "int64", "float8e4m3fn"...
  public var name: String { Self.names[Int(rawValue) - 1] }
  /// The cases' names (reflection costs a tenth of a millisecond).
  private static let names = [
    "float", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16", "double", "uint32", "uint64",
    "complex64", "complex128", "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz",
    "uint4", "int4", "float4e2m1", "float8e8m0", "uint2", "int2", "float6e2m3", "float6e3m2",
  ]
  public init?(name: String) {
    guard let t = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = t
  }
}
