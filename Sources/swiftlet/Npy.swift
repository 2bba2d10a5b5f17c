import Swiftlet

/// NumPy's .npy format, versions 1 to 3 (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
///
/// Types that NumPy doesn't have are written as ml_dtypes saves them: bfloat16 as `<V2`, the 8-bit floats as `|V1`
/// (`array.view(ml_dtypes.bfloat16)` gives the numbers back), types of 2 to 6 bits one element a byte (`|u1`, `|i1`,
/// and `|V1` for the floats). Reading takes them back when the model's input type says what they are.
enum Npy {
  private static let magic: [UInt8] = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]

  // MARK: Writing

  static func data(_ t: Tensor) throws -> [UInt8] {
    let shape = "(" + t.shape.map { "\($0)," }.joined(separator: " ") + ")"
    let header = "{'descr': '\(try descriptor(t.type))', 'fortran_order': False, 'shape': \(shape), }"
    // Magic, version, length and header fill whole lines of 64 bytes; the header ends with a newline.
    let version: UInt8 = header.utf8.count + 75 < 65536 ? 1 : 2
    let prefix = version == 1 ? 10 : 12
    let total = (prefix + header.utf8.count + 1 + 63) / 64 * 64
    let length = total - prefix
    var out = magic + [version, 0]
    for i in 0..<prefix - 8 { out.append(UInt8(truncatingIfNeeded: length >> (8 * i))) }
    out += Array(header.utf8) + [UInt8](repeating: 0x20, count: length - header.utf8.count - 1) + [0x0a]
    if t.type.isPacked {
      out += unpacked(t)
    } else {
      out += UnsafeRawBufferPointer(start: t.data, count: t.byteCount)
    }
    return out
  }

  private static func descriptor(_ type: ElementType) throws -> String {
    switch type {
    case .float: "<f4"
    case .double: "<f8"
    case .float16: "<f2"
    case .bfloat16: "<V2"
    case .int8, .int4, .int2: "|i1"
    case .int16: "<i2"
    case .int32: "<i4"
    case .int64: "<i8"
    case .uint8, .uint4, .uint2: "|u1"
    case .uint16: "<u2"
    case .uint32: "<u4"
    case .uint64: "<u8"
    case .bool: "|b1"
    case .complex64: "<c8"
    case .complex128: "<c16"
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0, .float4e2m1, .float6e2m3,
      .float6e3m2:
      "|V1"
    case .string: throw SwiftletError(.unsupported, "strings are not written as .npy")
    }
  }

  private static func unpacked(_ t: Tensor) -> [UInt8] {
    let shift = UInt8(8 - t.type.bits)
    return t.packedBits.map { t.type.isSignedInteger ? UInt8(bitPattern: Int8(bitPattern: $0 << shift) >> shift) : $0 }
  }

  // MARK: Reading

  /// - Parameter type: the element type that is due; it decides what `V` types and one-byte elements stand for.
  static func tensor(_ bytes: Buffer, as type: ElementType?) throws -> Tensor {
    let raw = UnsafeRawBufferPointer(start: bytes.base, count: bytes.byteCount)
    guard raw.count >= 10, raw.starts(with: magic) else { throw SwiftletError(.parse, "this is no .npy file") }
    let version = raw[6]
    guard (1...3).contains(version) else { throw SwiftletError(.unsupported, ".npy version \(version) is not known") }
    let start = version == 1 ? 10 : 12
    guard raw.count >= start else { throw SwiftletError(.parse, "the .npy header is cut off") }
    let length = (8..<start).reduce(0) { $0 | Int(raw[$1]) << (8 * ($1 - 8)) }
    guard length <= raw.count - start else { throw SwiftletError(.parse, "the .npy header is cut off") }
    let header = try Header(String(decoding: raw[start..<start + length], as: UTF8.self))
    let body = bytes.slice(offset: start + length, byteCount: raw.count - start - length)
    return try read(header, body, as: type)
  }

  private static func read(_ header: Header, _ body: Buffer, as due: ElementType?) throws -> Tensor {
    if header.kind == "U" || header.kind == "S" { return try strings(header, body) }
    let type = try elementType(header, due)
    let count = try Checked.count(header.shape)
    let size = try Checked.multiply(count, header.size)
    guard body.byteCount >= size else {
      throw SwiftletError(.parse, "the .npy file has \(body.byteCount) bytes of data, \(size) are due")
    }
    let stored = UnsafeMutableRawBufferPointer(start: body.base, count: size)
    if type.isPacked { return try packed(type, header.shape, Array(reordered(stored, header, width: 1))) }
    let part = type.isComplex ? header.size / 2 : header.size
    let needsCopy = header.isBigEndian && part > 1 || header.isFortran && header.shape.count > 1
    if !needsCopy { return try Tensor(type, header.shape, buffer: body).copied() }
    let result = try Tensor(allocating: type, header.shape)
    var data = reordered(stored, header, width: header.size)
    if header.isBigEndian {
      for at in stride(from: 0, to: data.count, by: part) { data[at..<at + part].reverse() }
    }
    data.withUnsafeBytes { if let p = $0.baseAddress { result.data.copyMemory(from: p, byteCount: size) } }
    return result
  }

  /// The elements in row-major order.
  private static func reordered(_ p: UnsafeMutableRawBufferPointer, _ h: Header, width: Int) -> [UInt8] {
    guard h.isFortran, h.shape.count > 1, !p.isEmpty else { return Array(p) }
    var out: [UInt8] = []
    out.reserveCapacity(p.count)
    var index = [Int](repeating: 0, count: h.shape.count)
    var strides = [Int](repeating: width, count: h.shape.count)
    for d in 1..<h.shape.count { strides[d] = strides[d - 1] * h.shape[d - 1] }
    for _ in 0..<p.count / width {
      let at = zip(index, strides).reduce(0) { $0 + $1.0 * $1.1 }
      out += p[at..<at + width]
      for d in h.shape.indices.reversed() {
        index[d] += 1
        if index[d] < h.shape[d] { break }
        index[d] = 0
      }
    }
    return out
  }

  private static func elementType(_ h: Header, _ due: ElementType?) throws -> ElementType {
    let found: ElementType? =
      switch (h.kind, h.size) {
      case ("f", 2): .float16
      case ("f", 4): .float
      case ("f", 8): .double
      case ("i", 1): .int8
      case ("i", 2): .int16
      case ("i", 4): .int32
      case ("i", 8): .int64
      case ("u", 1): .uint8
      case ("u", 2): .uint16
      case ("u", 4): .uint32
      case ("u", 8): .uint64
      case ("b", 1): .bool
      case ("c", 8): .complex64
      case ("c", 16): .complex128
      default: nil
      }
    // Types that NumPy lacks come as raw bytes or as integers of the same size; packed ones as a byte each.
    if let due, (due.isPacked ? 8 : due.bits) == h.size * 8 {
      let isForeign = due == .bfloat16 || due.isPacked || due.isFloat && due.bits == 8
      if isForeign, h.kind == "V" || h.kind == "u" || h.kind == "i" { return due }
    }
    guard let found else {
      throw SwiftletError(.type, "the .npy type '\(h.kind)\(h.size)' \(due.map { "is not \($0.name)" } ?? "is not supported")")
    }
    return found
  }

  private static func packed(_ type: ElementType, _ shape: [Int], _ elements: [UInt8]) throws -> Tensor {
    let t = try Tensor(allocating: type, shape)
    var held = 0, count = 0, at = 0
    for v in elements {
      held |= (Int(v) & (1 << type.bits - 1)) << count
      count += type.bits
      guard count >= 8 else { continue }
      t.data.storeBytes(of: UInt8(truncatingIfNeeded: held), toByteOffset: at, as: UInt8.self)
      (held, count, at) = (held >> 8, count - 8, at + 1)
    }
    if count > 0 { t.data.storeBytes(of: UInt8(truncatingIfNeeded: held), toByteOffset: at, as: UInt8.self) }
    return t
  }

  /// Fixed-width strings: UTF-32 (`U`) or bytes (`S`), padded with zeros.
  private static func strings(_ h: Header, _ body: Buffer) throws -> Tensor {
    let count = try Checked.count(h.shape)
    let size = try Checked.multiply(count, h.size)
    guard body.byteCount >= size else { throw SwiftletError(.parse, "the .npy data is cut off") }
    let bytes = reordered(UnsafeMutableRawBufferPointer(start: body.base, count: size), h, width: h.size)
    let list = (0..<count).map { i -> String in
      let element = bytes[i * h.size..<(i + 1) * h.size]
      if h.kind == "S" {
        return String(decoding: element.reversed().drop { $0 == 0 }.reversed(), as: UTF8.self)
      }
      var s = String.UnicodeScalarView()
      for at in stride(from: element.startIndex, to: element.endIndex, by: 4) {
        let four = element[at..<at + 4]
        let code = (h.isBigEndian ? Array(four) : four.reversed()).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        s.append(Unicode.Scalar(code) ?? "\u{fffd}")
      }
      while s.last?.value == 0 { s.removeLast() }
      return String(s)
    }
    return try Tensor(strings: list, h.shape)
  }
}

/// The header: a Python dictionary with the keys descr, fortran_order and shape.
private struct Header {
  let kind: Character
  /// Bytes of an element.
  let size: Int
  let isBigEndian: Bool
  let isFortran: Bool
  let shape: [Int]

  init(_ text: String) throws {
    func fail(_ what: String) -> SwiftletError { SwiftletError(.parse, "the .npy header \(what): \(text.prefix(200))") }
    func after(_ key: String) throws -> Substring {
      guard let r = text.firstRange(of: "'\(key)':") ?? text.firstRange(of: "\"\(key)\":") else {
        throw fail("has no '\(key)'")
      }
      return text[r.upperBound...].drop { $0 == " " }
    }
    let descr = try after("descr")
    guard let quote = descr.first, quote == "'" || quote == "\"" else { throw fail("describes a structured type") }
    var name = descr.dropFirst().prefix { $0 != quote }
    isBigEndian = name.first == ">"
    if let c = name.first, "<>|=".contains(c) { name = name.dropFirst() }
    guard let k = name.first, let n = Int(name.dropFirst()), n >= 0, n <= 1 << 20 else {
      throw fail(name.first == "O" ? "describes Python objects, which are not read" : "has a type that is not known")
    }
    kind = k
    size = k == "U" ? n * 4 : n
    let order = try after("fortran_order")
    isFortran = order.hasPrefix("True")
    guard isFortran || order.hasPrefix("False") else { throw fail("has no order") }
    let tuple = try after("shape")
    guard tuple.first == "(", let end = tuple.firstIndex(of: ")") else { throw fail("has no shape") }
    shape = try tuple[tuple.index(after: tuple.startIndex)..<end].split(separator: ",").compactMap { part in
      let digits = part.filter { $0 != " " && $0 != "L" }
      if digits.isEmpty { return nil }
      guard let n = Int(digits), n >= 0 else { throw fail("has a shape that is none") }
      return n
    }
  }
}
