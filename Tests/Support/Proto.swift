import Swiftlet

/// Models written as bytes: a protobuf field is a tag, a length, a payload.
public enum Proto {
  public static func field(_ number: Int, _ payload: [UInt8]) -> [UInt8] { varint(number << 3 | 2) + varint(payload.count) + payload }
  public static func field(_ number: Int, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }
  public static func field(_ number: Int, int: Int) -> [UInt8] { varint(number << 3) + varint(int) }
  public static func varint(_ n: Int) -> [UInt8] {
    var n = UInt64(bitPattern: Int64(n))
    var r: [UInt8] = []
    while n >= 0x80 {
      r.append(UInt8(n & 0x7f) | 0x80)
      n >>= 7
    }
    return r + [UInt8(n)]
  }
  public static func value(_ name: String, _ type: ElementType, _ dims: [Dimension]) -> [UInt8] {
    let shape = dims.flatMap { d -> [UInt8] in
      switch d {
      case .known(let n): field(1, field(1, int: n))
      case .symbol(let s): field(1, field(2, s))
      case .unknown: field(1, [UInt8]())
      }
    }
    return field(1, name) + field(2, field(1, field(1, int: Int(type.rawValue)) + field(2, shape)))
  }
  public static func node(_ op: String, _ inputs: [String], _ outputs: [String], _ extra: [UInt8] = []) -> [UInt8] {
    inputs.flatMap { field(1, $0) } + outputs.flatMap { field(2, $0) } + field(3, "node_\(op)") + field(4, op) + extra
  }
  public static func model(opset: Int = 17, _ graph: [UInt8]) -> [UInt8] {
    field(1, int: 8) + field(8, field(2, int: opset)) + field(7, graph)
  }
}

/// A model from its bytes.
public func model(_ bytes: [UInt8]) throws -> Model {
  let buffer = try Allocator.system.allocate(bytes.count)
  bytes.withUnsafeBytes { if let p = $0.baseAddress { buffer.base.copyMemory(from: p, byteCount: $0.count) } }
  return try Model(source: ModelSource(bytes: buffer))
}
