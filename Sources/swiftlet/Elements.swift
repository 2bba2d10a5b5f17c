import Swiftlet

extension Tensor {
  /// The bits of each element of a packed type, low bits first.
  var packedBits: [UInt8] {
    let p = UnsafeRawPointer(data), bits = type.bits
    func byte(_ i: Int) -> Int { Int(p.load(fromByteOffset: i, as: UInt8.self)) }
    return (0..<count).map { i in
      let at = i * bits
      let two = byte(at / 8) | (at % 8 + bits > 8 ? byte(at / 8 + 1) << 8 : 0)
      return UInt8(two >> (at % 8) & (1 << bits - 1))
    }
  }

  /// The elements as Doubles, whatever the type; complex numbers as real and imaginary part in turn. Strings give none.
  func numbers() throws -> [Double] {
    func read<T: BitwiseCopyable>(_: T.Type, _ convert: (T) -> Double) -> [Double] {
      let p = UnsafeRawPointer(data)
      let size = MemoryLayout<T>.size
      return (0..<byteCount / size).map { convert(p.loadUnaligned(fromByteOffset: $0 * size, as: T.self)) }
    }
    func unpack(_ convert: (UInt8) -> Double) -> [Double] { packedBits.map(convert) }
    switch type {
    case .string: return []
    case .float, .complex64: return read(Float.self) { Double($0) }
    case .double, .complex128: return read(Double.self) { $0 }
    case .float16: return read(UInt16.self) { Double(Half.float($0)) }
    case .bfloat16: return read(UInt16.self) { Double(Float(bitPattern: UInt32($0) << 16)) }
    case .float8e4m3fn: return read(UInt8.self) { SmallFloat(exponent: 4, bias: 7, top: .nan).value($0) }
    case .float8e4m3fnuz: return read(UInt8.self) { SmallFloat(exponent: 4, bias: 8, top: .unsignedZero).value($0) }
    case .float8e5m2: return read(UInt8.self) { SmallFloat(exponent: 5, bias: 15, top: .infinity).value($0) }
    case .float8e5m2fnuz: return read(UInt8.self) { SmallFloat(exponent: 5, bias: 16, top: .unsignedZero).value($0) }
    case .float8e8m0: return read(UInt8.self) { $0 == 255 ? .nan : Double(sign: .plus, exponent: Int($0) - 127, significand: 1) }
    case .float4e2m1: return unpack { ($0 & 8 == 0 ? 1 : -1) * [0, 0.5, 1, 1.5, 2, 3, 4, 6][Int($0 & 7)] }
    case .float6e2m3: return unpack { SmallFloat(bits: 6, exponent: 2, bias: 1, top: .number).value($0) }
    case .float6e3m2: return unpack { SmallFloat(bits: 6, exponent: 3, bias: 3, top: .number).value($0) }
    case .uint4: return unpack { Double($0) }
    case .int4: return unpack { Double(Int8(bitPattern: $0 << 4) >> 4) }
    case .uint2: return unpack { Double($0) }
    case .int2: return unpack { Double(Int8(bitPattern: $0 << 6) >> 6) }
    case .uint8, .bool: return read(UInt8.self) { Double($0) }
    case .int8: return read(Int8.self) { Double($0) }
    case .uint16: return read(UInt16.self) { Double($0) }
    case .int16: return read(Int16.self) { Double($0) }
    case .uint32: return read(UInt32.self) { Double($0) }
    case .int32: return read(Int32.self) { Double($0) }
    case .uint64: return read(UInt64.self) { Double($0) }
    case .int64: return read(Int64.self) { Double($0) }
    }
  }

  /// The elements as JSON, nested as the shape says; a scalar is the plain value, complex numbers are [re, im].
  func json() throws -> JSON {
    let leaves: [JSON]
    switch type {
    case .string: leaves = strings.map(JSON.string)
    case .bool: leaves = try ints().map { .bool($0 != 0) }
    case .int64, .uint32, .int32: leaves = try ints().map(JSON.int)
    case .complex64, .complex128:
      let n = try numbers()
      leaves = (0..<count).map { .array([.number(n[2 * $0]), .number(n[2 * $0 + 1])]) }
    case .float: leaves = elements(Float.self).map { .number(Double("\($0)") ?? Double($0)) }
    default: leaves = try numbers().map(JSON.number)
    }
    func nest(_ d: Int, _ range: Range<Int>) -> JSON {
      if d == rank { return leaves[range.lowerBound] }
      let step = shape[d] == 0 ? 0 : range.count / shape[d]
      return .array((0..<shape[d]).map { nest(d + 1, range.lowerBound + $0 * step..<range.lowerBound + ($0 + 1) * step) })
    }
    return nest(0, 0..<count)
  }
}

extension Value {
  /// Sequences as arrays, maps as objects, an empty optional as null.
  func json() throws -> JSON {
    switch self {
    case .tensor(let t): try t.json()
    case .sequence(let list, _): .array(try list.map { try $0.json() })
    case .optional(let v, _): try v?.json() ?? .null
    case .map(let m): .object(try m.entries())
    }
  }
}

extension MapValue {
  /// Keys as text with their values.
  func entries() throws -> [(String, JSON)] {
    let names = try keys.type == .string ? keys.strings : keys.ints().map { "\($0)" }
    guard case .array(let list) = try values.json() else { return [] }
    return Array(zip(names, list))
  }
}

/// Numbers of up to 8 bits: a sign, exponent bits, the rest mantissa.
private struct SmallFloat {
  /// What the largest exponent, or 0x80, stands for; `number`: for numbers.
  enum Top { case nan, infinity, unsignedZero, number }
  var bits = 8
  let exponent: Int
  let bias: Int
  let top: Top

  func value(_ byte: UInt8) -> Double {
    let mantissaBits = bits - 1 - exponent, signBit = UInt8(1) << UInt8(bits - 1)
    let e = Int(byte & (signBit - 1)) >> mantissaBits
    let m = Int(byte) & (1 << mantissaBits - 1)
    let sign: Double = byte & signBit == 0 ? 1 : -1
    switch top {
    case .nan where byte & 0x7f == 0x7f: return .nan
    case .infinity where e == 1 << exponent - 1: return m == 0 ? sign * .infinity : .nan
    case .unsignedZero where byte == 0x80: return .nan
    default: break
    }
    let fraction = Double(m) / Double(1 << mantissaBits)
    return sign * (e == 0 ? fraction : 1 + fraction) * Double(sign: .plus, exponent: max(e, 1) - bias, significand: 1)
  }
}
