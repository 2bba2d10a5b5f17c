import Kernels
import Tensors

/// Reading at indices: Gather (slices along an axis), GatherElements (single elements), GatherND (slices at coordinates).
enum GatherOperators {
  static let definitions = [gather, gatherElements, gatherND]

  private static let gather = OperatorDefinition(
    "Gather", since: [1, 11, 13], inputs: [.required("data", "T"), .required("indices", "I")],
    outputs: [.required("output", "T")], types: ["T": .tensors, "I": .indices], attributes: [.int("axis", 0)],
    takesHalf: true, exactness: .exact,
    infer: { c in
      guard let x = c.shape(0), let indices = c.shape(1) else { return c.set(0, c.elementType(0), nil) }
      let axis = try Checked.axis(c.int("axis"), rank: x.count)
      c.set(0, c.elementType(0), x[..<axis] + indices + x[(axis + 1)...])
      // Shape computations: single dimensions of a vector of them.
      if x.count == 1, let at = c.constant(1), at.rank <= 1, at.count <= 64, let data = try c.shapeData([0])?.first {
        let picked = try at.ints().map { i in
          guard i >= -data.count, i < data.count else {
            throw SwiftletError(.runtime, "index \(i) is out of range for an axis of \(data.count)")
          }
          return data[i < 0 ? i + data.count : i]
        }
        try c.setShapeData(0, c.elementType(0), at.shape, picked)
      }
    },
    kernel: { c in
      let axis = try c.int("axis")
      return { r in
        let x = try r.input(0)
        let at = try r.input(1)
        let axis = try Checked.axis(axis, rank: x.rank)
        let indices = try Gather.checkedIndices(at.data, at.type, at.count, limit: x.shape[axis])
        try Movement.run(r, [x], x.shape[..<axis] + at.shape + x.shape[(axis + 1)...]) { from, to, size in
          try Gather.apply(from[0], x.shape, axis: axis, indices: indices, to: to, elementSize: size, pool: r.pool)
        }
      }
    })

  private static let gatherElements = OperatorDefinition(
    "GatherElements", since: [11, 13], inputs: [.required("data", "T"), .required("indices", "I")],
    outputs: [.required("output", "T")], types: ["T": .tensors, "I": .indices], attributes: [.int("axis", 0)],
    takesHalf: true, exactness: .exact,
    infer: { c in c.set(0, c.elementType(0), c.shape(1)) },
    kernel: { c in
      let axis = try c.int("axis")
      return { r in
        let x = try r.input(0)
        let at = try r.input(1)
        let axis = try Checked.axis(axis, rank: x.rank)
        try Movement.run(r, [x], at.shape) { from, to, size in
          try Gather.elements(
            from[0], x.shape, axis: axis, indices: at.data, at.type, at.shape, to: to, elementSize: size)
        }
      }
    })

  private static let gatherND = OperatorDefinition(
    "GatherND", since: [11, 12, 13], inputs: [.required("data", "T"), .required("indices", "I")],
    outputs: [.required("output", "T")], types: ["T": .tensors, "I": .indices], attributes: [.int("batch_dims", 0)],
    takesHalf: true, exactness: .exact,
    infer: { c in
      guard let x = c.shape(0), let indices = c.shape(1), let depth = indices.last?.value else {
        return c.set(0, c.elementType(0), nil)
      }
      let batch = try Coordinates.batch(c.int("batch_dims"), x.count, indices.count, depth)
      c.set(0, c.elementType(0), indices.dropLast() + x[(batch + depth)...])
    },
    kernel: { c in
      let batch = try c.int("batch_dims")
      return { r in
        let x = try r.input(0)
        let at = try r.input(1)
        let coordinates = try Coordinates(at, into: x.shape, batch: batch)
        let rows = [coordinates.rowCount, coordinates.rowLength]
        try Movement.run(r, [x], Array(at.shape.dropLast() + x.shape[(batch + coordinates.depth)...])) { from, to, size in
          try Gather.apply(from[0], rows, axis: 0, indices: coordinates.rows, to: to, elementSize: size, pool: r.pool)
        }
      }
    })
}

/// Indices of GatherND and ScatterND: coordinates in the last axis, which name rows of the data.
struct Coordinates {
  /// Coordinates to a row.
  let depth: Int
  /// Rows of the data, and elements of a row.
  let rowCount: Int
  let rowLength: Int
  /// The row that each coordinate tuple names.
  let rows: [Int64]

  static func batch(_ batch: Int, _ dataRank: Int, _ indicesRank: Int, _ depth: Int) throws -> Int {
    guard batch >= 0, batch < max(1, indicesRank), depth >= 0, depth <= dataRank - batch else {
      throw SwiftletError(
        .runtime, "tuples of \(depth) indices, batch_dims \(batch), data of rank \(dataRank), indices of rank \(indicesRank)")
    }
    return batch
  }

  init(_ indices: Tensor, into shape: [Int], batch: Int = 0) throws {
    guard let depth = indices.shape.last else { throw SwiftletError(.shape, "indices must not be a scalar") }
    self.depth = depth
    let batch = try Self.batch(batch, shape.count, indices.rank, depth)
    guard shape[..<batch] == indices.shape[..<batch] else {
      throw SwiftletError(.shape, "batch dimensions differ: \(shape) and \(indices.shape)")
    }
    rowCount = try Checked.count(Array(shape[..<(batch + depth)]))
    rowLength = try Checked.count(Array(shape[(batch + depth)...]))
    let tuples = try Checked.count(indices.shape.dropLast())
    let batches = try Checked.count(Array(shape[..<batch]))
    let perBatch = batches == 0 ? 0 : tuples / batches
    let rowsPerBatch = batches == 0 ? 0 : rowCount / batches
    let at = try indices.ints()
    rows = try (0..<tuples).map { t in
      var row = 0
      for d in 0..<depth {
        let length = shape[batch + d]
        let i = at[t * depth + d]
        guard i >= -length, i < length else {
          throw SwiftletError(.runtime, "index \(i) is out of range for an axis of \(length)")
        }
        row = row &* length &+ (i < 0 ? i + length : i)
      }
      return Int64(row &+ (perBatch == 0 ? 0 : t / perBatch) &* rowsPerBatch)
    }
  }
}
