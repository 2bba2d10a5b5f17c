import Kernels
import Tensors

/// QLinearConcat and QLinearWhere (com.microsoft): elements of several quantised tensors, each with a scale and a zero
/// point of its own, brought to those of the result.
enum QuantizedSelection {
  static let definitions = [concat, choose]

  private static let concat = OperatorDefinition(
    "QLinearConcat", domain: "com.microsoft", since: [1],
    inputs: [.required("Y_scale", "F"), .required("Y_zero_point", "T"), .variadic("inputs", "V*", minimum: 3)],
    outputs: [.required("Y", "T")],
    types: ["T": TypeSet(.int8, .uint8), "F": TypeSet(.float), "V*": TypeSet(.int8, .uint8, .float)],
    attributes: [.required(.int, "axis")],
    infer: { c in
      try checkModel(c.inputCount % 3 == 2, "each tensor needs a scale and a zero point")
      let shapes = stride(from: 2, to: c.inputCount, by: 3).compactMap { c.shape($0) }
      guard let rank = shapes.first?.count, shapes.count == c.inputCount / 3 else {
        return c.set(0, c.elementType(1), nil)
      }
      c.set(0, c.elementType(1), try ConcatOperators.shape(shapes, axis: Checked.axis(c.int("axis"), rank: rank)))
    },
    kernel: { c in
      let axis = try c.int("axis")
      return { r in
        let y = try r.output(0), target = try QuantizedArithmetic.Parameters(r, scale: 0, zero: 1)
        let indices = Array(stride(from: 2, to: r.inputCount, by: 3))
        let tensors = try indices.map { try r.input($0) }
        let parts = try zip(tensors, indices).map { t, i in
          try requantized(t, .init(r, scale: i + 1, zero: i + 2), target, y.type, r)
        }
        try ConcatOperators.copy(tensors, parts, axis: Checked.axis(axis, rank: y.rank), to: y.data, y.shape, 1, r)
      }
    })

  private static let choose = OperatorDefinition(
    "QLinearWhere", domain: "com.microsoft", since: [1],
    inputs: [
      .required("condition", "B"), .required("X", "T"), .required("x_scale", "F"), .required("x_zero_point", "T"),
      .required("Y", "T"), .required("y_scale", "F"), .required("y_zero_point", "T"), .required("z_scale", "F"),
      .required("z_zero_point", "T"),
    ],
    outputs: [.required("Z", "T")], types: ["B": .bool, "T": TypeSet(.int8, .uint8), "F": TypeSet(.float)],
    infer: { $0.set(0, $0.elementType(1), try ShapeRule.broadcast([$0.shape(0), $0.shape(1), $0.shape(4)])) },
    kernel: { _ in
      { r in
        let condition = try r.input(0), x = try r.input(1), y = try r.input(4), z = try r.output(0)
        let target = try QuantizedArithmetic.Parameters(r, scale: 7, zero: 8)
        try Select.apply(
          condition.data, condition.shape, requantized(x, .init(r, scale: 2, zero: 3), target, z.type, r), x.shape,
          requantized(y, .init(r, scale: 5, zero: 6), target, z.type, r), y.shape, to: z.data, z.shape, elementSize: 1,
          pool: r.pool)
      }
    })

  /// The tensor's elements where they mean the same in the result: themselves, or in scratch memory.
  private static func requantized(
    _ x: Tensor, _ from: QuantizedArithmetic.Parameters, _ to: QuantizedArithmetic.Parameters, _ type: ElementType,
    _ r: RunContext
  ) throws -> UnsafeRawPointer {
    guard x.type == type else { throw SwiftletError(.type, "an operand is \(x.type.name), the result \(type.name)") }
    if from.scale == to.scale, from.zero == to.zero { return UnsafeRawPointer(x.data) }
    let out = try r.scratch(max(x.count, 1), of: UInt8.self)
    try QuantizedArithmetic.lookup(
      x.pointer(UInt8.self), to: out, x.count, QuantizedTable.make(type, from, to), pool: r.pool)
    return UnsafeRawPointer(out)
  }
}
