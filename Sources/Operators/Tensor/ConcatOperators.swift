import Kernels
import Tensors

/// Concat: tensors one after the other along an axis. Split: the reverse.
enum ConcatOperators {
  static let definitions = [concat] + split

  /// The result of Concat along `axis` (in range): other dimensions agree.
  static func shape(_ shapes: [SymbolicShape], axis: Int) throws -> SymbolicShape {
    guard var result = shapes.first else { throw SwiftletError(.runtime, "nothing to concatenate") }
    for s in shapes.dropFirst() {
      guard s.count == result.count else { throw SwiftletError(.shape, "ranks differ: \(result) and \(s)") }
      for k in result.indices {
        if k == axis {
          result[k] = result[k] + s[k]
        } else {
          guard let d = result[k].merged(s[k]) else {
            throw SwiftletError(.shape, "\(result) and \(s) differ beside axis \(axis)")
          }
          result[k] = d
        }
      }
    }
    return result
  }

  /// The inputs one after the other along `axis` (in range) of the result.
  static func copy(
    _ x: [Tensor], _ from: [UnsafeRawPointer], axis: Int, to: UnsafeMutableRawPointer, _ shape: [Int], _ size: Int,
    _ r: RunContext
  ) throws {
    let strides = Broadcast.strides(of: shape)
    var at = 0
    for (t, p) in zip(x, from) {
      try StridedCopy.apply(
        to + at &* strides[axis] &* size, strides, p, Broadcast.strides(of: t.shape), shape: t.shape, elementSize: size,
        pool: r.pool)
      at += t.shape[axis]
    }
  }

  private static func axis(_ c: some NodeReading, rank: Int) throws -> Int {
    try Checked.axis(c.optionalInt("axis") ?? (c.version < 4 ? 1 : 0), rank: rank)
  }

  private static let concat = OperatorDefinition(
    "Concat", since: [1, 4, 11, 13], inputs: [.variadic("inputs", "T")], outputs: [.required("concat_result", "T")],
    types: ["T": .tensors], attributes: [.int("axis")], takesHalf: true, exactness: .exact,
    infer: { c in
      let inputs = Array(0..<c.inputCount)
      let type = inputs.lazy.compactMap { c.elementType($0) }.first
      let shapes = inputs.compactMap { c.shape($0) }
      guard let rank = shapes.first?.count else { return c.set(0, type, nil) }
      let axis = try axis(c, rank: rank)
      guard shapes.count == inputs.count else {
        var result = try shape(shapes, axis: axis)
        result[axis] = .unknown
        return c.set(0, type, result)
      }
      let result = try shape(shapes, axis: axis)
      c.set(0, type, result)
      if rank == 1, type?.isInteger ?? false, let data = try c.shapeData(inputs) {
        let all = Array(data.joined())
        try c.setShapeData(0, type, [all.count], all)
      }
    },
    kernel: { c in
      { r in
        let x = try r.variadic()
        let axis = try axis(c, rank: x.first?.rank ?? 0)
        guard let shape = try shape(x.map { SymbolicShape($0.shape) }, axis: axis).known else { return }
        try Movement.run(r, x, shape) { from, to, size in try copy(x, from, axis: axis, to: to, shape, size, r) }
      }
    })

  // MARK: Split

  /// Sizes of the parts along an axis of `length`.
  private static func sizes(_ given: [Int]?, _ c: some NodeReading, parts: Int, length: Int) throws -> [Int] {
    if let given {
      guard given.allSatisfy({ $0 >= 0 }), try given.reduce(0, { try Checked.add($0, $1) }) == length else {
        throw SwiftletError(.runtime, "split \(given) of an axis of \(length)")
      }
      guard given.count == parts else {
        throw SwiftletError(.runtime, "split names \(given.count) parts, the node has \(parts) outputs")
      }
      return given
    }
    if let n = try c.version >= 18 ? c.optionalInt("num_outputs") : nil, n != parts {
      throw SwiftletError(.invalidModel, "num_outputs is \(n), the node has \(parts) outputs")
    }
    guard parts > 0 else { throw SwiftletError(.invalidModel, "no outputs") }
    guard c.version >= 18 || length % parts == 0 else {
      throw SwiftletError(.shape, "an axis of \(length) can't be split into \(parts) equal parts")
    }
    // The last parts are smaller, or empty.
    let size = length / parts + (length % parts == 0 ? 0 : 1)
    return (0..<parts).map { max(0, min(size, length - $0 * size)) }
  }

  private static let split = [
    definition([1, 2, 11], [.optional("split", "T")], [.int("axis", 0), .ints("split")]),
    definition([13, 18], [.optional("split", "I")], [.int("axis", 0), .int("num_outputs")]),
  ]
  private static func definition(_ since: [Int], _ inputs: [Parameter], _ attributes: [AttributeSpec]) -> OperatorDefinition {
    OperatorDefinition(
      "Split", since: since, inputs: [.required("input", "T")] + inputs, outputs: [.variadic("outputs", "T")],
      types: ["T": .tensors, "I": .int64], attributes: attributes, takesHalf: true, exactness: .exact,
      infer: { c in
        let given = try Axes.read(c, input: 1, attribute: "split", from: c.has("split") ? .max : 0)
        for i in 0..<c.outputCount {
          guard let x = c.shape(0) else {
            c.set(i, c.elementType(0), nil)
            continue
          }
          let axis = try Checked.axis(c.int("axis"), rank: x.count)
          var shape = x
          shape[axis] = .unknown
          if let given {
            if let length = x[axis].value {
              shape[axis] = .known(try sizes(given.list, c, parts: c.outputCount, length: length)[i])
            } else if let list = given.list, i < list.count {
              shape[axis] = .known(list[i])
            }
          }
          c.set(i, c.elementType(0), shape)
        }
        if c.rank(0) == 1, c.outputTypes.allSatisfy({ $0?.shape?.known != nil }), let data = try c.shapeData([0])?.first {
          var at = 0
          for i in 0..<c.outputCount {
            let n = c.outputTypes[i]?.shape?.known?.first ?? 0
            guard at + n <= data.count else { return }
            try c.setShapeData(i, c.elementType(0), [n], Array(data[at..<at + n]))
            at += n
          }
        }
      },
      kernel: { c in
        let attribute = c.has("split") ? try c.ints("split") : nil
        return { r in
          let x = try r.input(0)
          let axis = try Checked.axis(c.int("axis"), rank: x.rank)
          let given = try Axes.read(r, attribute, input: 1)
          let strides = Broadcast.strides(of: x.shape)
          var at = 0
          for (i, n) in try sizes(given, c, parts: c.outputCount, length: x.shape[axis]).enumerated() {
            var shape = x.shape
            shape[axis] = n
            if r.hasOutput(i) {
              try Movement.run(r, [x], output: i, shape) { from, to, size in
                try StridedCopy.apply(
                  to, Broadcast.strides(of: shape), from[0] + at &* strides[axis] &* size, strides, shape: shape,
                  elementSize: size, pool: r.pool)
              }
            }
            at += n
          }
        }
      })
  }
}
