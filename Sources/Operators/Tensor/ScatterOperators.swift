import Kernels
import Tensors

/// A copy of the data with updates written at indices: ScatterElements (Scatter before version 11), ScatterND. With a
/// reduction, updates are combined with what stands there, in order.
enum ScatterOperators {
  static let definitions = [
    elements("Scatter", since: [9], removed: 11), elements("ScatterElements", since: [11, 13, 16, 18]), scatterND,
  ]

  /// Nil for none.
  private static func reduction(_ name: String) throws -> Scatter.Reduction? {
    switch name {
    case "none": nil
    case "add": .add
    case "mul": .multiply
    case "max": .max
    case "min": .min
    default: throw SwiftletError(.invalidModel, "the reduction '\(name)'")
    }
  }
  private static func infer(_ c: InferenceContext) throws {
    let name = try c.optionalString("reduction") ?? "none"
    if let reduction = try reduction(name), let type = c.elementType(0),
      !Scatter.combines(type.isHalf ? .float : type, reduction)
    {
      throw SwiftletError(.unsupported, "the reduction '\(name)' of \(type.name)")
    }
    c.set(0, like: 0)
  }
  private static let inputs: [Parameter] = [.required("data", "T"), .required("indices", "I"), .required("updates", "T")]

  private static func elements(_ name: String, since: [Int], removed: Int? = nil) -> OperatorDefinition {
    OperatorDefinition(
      name, since: since, removed: removed, inputs: inputs, outputs: [.required("output", "T")],
      types: ["T": .tensors, "I": .indices],
      attributes: [.int("axis", 0)] + (removed == nil ? [.string("reduction", "none")] : []), takesHalf: true,
      infer: { c in try infer(c) },
      kernel: { c in
        let axis = try c.int("axis")
        let reduction = try reduction(c.optionalString("reduction") ?? "none")
        return { r in
          let x = try r.input(0)
          let at = try r.input(1)
          let updates = try r.input(2)
          guard updates.shape == at.shape else {
            throw SwiftletError(.shape, "updates \(updates.shape) for indices \(at.shape)")
          }
          let axis = try Checked.axis(axis, rank: x.rank)
          if let reduction {
            return try combine(r, x, updates) { y, u in
              try Scatter.combineElements(
                y.data, y.type, x.shape, axis: axis, indices: at.data, at.type, at.shape, updates: u.data, reduction)
            }
          }
          try Movement.run(r, [x, updates], x.shape) { from, to, size in
            to.copyMemory(from: from[0], byteCount: x.count * size)
            try Scatter.elements(
              to, x.shape, axis: axis, indices: at.data, at.type, at.shape, updates: from[1], elementSize: size)
          }
        }
      })
  }

  private static let scatterND = OperatorDefinition(
    "ScatterND", since: [11, 13, 16, 18], inputs: inputs, outputs: [.required("output", "T")],
    types: ["T": .tensors, "I": .int64], attributes: [.string("reduction", "none")], takesHalf: true,
    infer: { c in try infer(c) },
    kernel: { c in
      let reduction = try reduction(c.string("reduction"))
      return { r in
        let x = try r.input(0)
        let at = try r.input(1)
        let updates = try r.input(2)
        let c = try Coordinates(at, into: x.shape)
        guard updates.shape == at.shape.dropLast() + x.shape[c.depth...] else {
          throw SwiftletError(.shape, "updates \(updates.shape) for indices \(at.shape) and data \(x.shape)")
        }
        if let reduction {
          return try combine(r, x, updates) { y, u in
            try Scatter.combineRows(
              y.data, y.type, rows: c.rows, rowLength: c.rowLength, updates: u.data, reduction)
          }
        }
        try Movement.run(r, [x, updates], x.shape) { from, to, size in
          to.copyMemory(from: from[0], byteCount: x.count * size)
          let bytes = c.rowLength * size
          for (i, row) in c.rows.enumerated() {
            (to + Int(row) * bytes).copyMemory(from: from[1] + i * bytes, byteCount: bytes)
          }
        }
      }
    })

  /// A copy of the data with which the body combines the updates; 16-bit floats as float.
  private static func combine(
    _ r: RunContext, _ x: Tensor, _ updates: Tensor, _ body: (_ y: Tensor, _ updates: Tensor) throws -> Void
  ) throws {
    if x.type.isHalf {
      let wide = try r.temporary(.float, x.shape)
      try Cast.apply(x.type, x.data, to: .float, wide.data, x.count, pool: r.pool)
      try body(wide, r.widened(updates))
      return try Cast.apply(.float, wide.data, to: x.type, r.output(0, x.type, x.shape).data, x.count, pool: r.pool)
    }
    let y = try r.output(0, x.type, x.shape)
    y.data.copyMemory(from: x.data, byteCount: x.byteCount)
    try body(y, updates)
  }
}
