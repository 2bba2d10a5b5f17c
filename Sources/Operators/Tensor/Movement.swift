import Kernels
import Tensors

/// Operators that move elements without looking at them, for elements of any type: packed ones are unpacked to bytes
/// around the move, and of strings their numbers are moved.
enum Movement {
  /// Gets the inputs' elements, the output's, and the size of an element in bytes (1, 2, 4, 8 or 16).
  typealias Body = (_ inputs: [UnsafeRawPointer], _ output: UnsafeMutableRawPointer, _ elementSize: Int) throws -> Void

  /// Makes output `i`, of the inputs' common type and the given shape.
  static func run(_ r: RunContext, _ inputs: [Tensor], output i: Int = 0, _ shape: [Int], _ body: Body) throws {
    guard let type = inputs.first?.type else { throw SwiftletError(.internal, "nothing to move") }
    if let size = type.size {
      let y = try r.output(i, type, shape)
      try body(inputs.map { UnsafeRawPointer($0.data) }, y.data, size)
    } else {
      try r.setOutput(i, moved(r, inputs, shape, body))
    }
  }

  /// The same as a tensor of its own.
  // Not specialised for each closure: two dozen copies of it would be made.
  @_optimize(none)
  static func moved(_ r: RunContext, _ inputs: [Tensor], _ shape: [Int], _ body: Body) throws -> Tensor {
    guard let type = inputs.first?.type else { throw SwiftletError(.internal, "nothing to move") }
    for x in inputs where x.type != type {
      throw SwiftletError(.type, "\(type.name) and \(x.type.name) in one tensor")
    }
    if let size = type.size {
      let y = try r.temporary(type, shape)
      try body(inputs.map { UnsafeRawPointer($0.data) }, y.data, size)
      return y
    }
    if type == .string {
      var strings: [String] = []
      var numbers: [Tensor] = []
      for x in inputs {
        numbers.append(try Tensor((0..<x.count).map { Int64(strings.count + $0) }))
        strings += x.strings
      }
      let y = try r.temporary(.int64, shape)
      try body(numbers.map { UnsafeRawPointer($0.data) }, y.data, 8)
      return try Tensor(strings: y.elements(Int64.self).map { strings[Int($0)] }, shape)
    }
    let bytes = try inputs.map { try unpacked(r, $0) }
    let y = try r.temporary(.uint8, shape)
    try body(bytes.map { UnsafeRawPointer($0.data) }, y.data, 1)
    return try packed(r, y, type)
  }

  /// One element a byte, as its bits.
  static func unpacked(_ r: RunContext, _ x: Tensor) throws -> Tensor {
    let y = try r.temporary(.uint8, x.shape)
    try Cast.apply(integer(x.type), x.data, to: .uint8, y.data, x.count, pool: r.pool)
    return y
  }
  /// The unsigned integers of as many bits.
  private static func integer(_ type: ElementType) throws -> ElementType {
    switch type.bits {
    case 4: return .uint4
    case 2: return .uint2
    default: throw SwiftletError(.unsupported, "elements of type \(type.name) can't be moved")
    }
  }
  static func packed(_ r: RunContext, _ x: Tensor, _ type: ElementType) throws -> Tensor {
    let y = try r.temporary(type, x.shape)
    try Cast.apply(.uint8, x.data, to: integer(type), y.data, x.count, pool: r.pool)
    return y
  }
}
