import Graphs
import Kernels
import Tensors

/// What If, Loop, Scan and SequenceMap share.
enum Subgraphs {
  /// Types of a subgraph's outputs. A subgraph that may never run may also not fit: then nothing is said.
  static func infer(_ c: InferenceContext, _ graph: Graph, _ inputs: [ValueType?]) -> [ValueType?] {
    (try? c.infer(graph, inputs: inputs)) ?? graph.outputs.map { graph[$0].type.map(withoutShape) }
  }

  static func withoutShape(_ t: ValueType) -> ValueType {
    if case .tensor(let e, _) = t { .tensor(e, nil) } else { t }
  }

  /// What holds of a value that may be of either type.
  static func either(_ a: ValueType?, _ b: ValueType?) -> ValueType? {
    guard let a, let b else { return nil }
    switch (a, b) {
    case (.tensor(let e, let s), .tensor(let f, let t)):
      guard e == f else { return nil }
      guard let s, let t, s.count == t.count else { return .tensor(e, nil) }
      return .tensor(e, zip(s, t).map { $0 == $1 ? $0 : .unknown })
    case (.sequence(let s), .sequence(let t)): return either(s, t).map { .sequence($0) }
    case (.optional(let s), .optional(let t)): return either(s, t).map { .optional($0) }
    default: return a == b ? a : nil
    }
  }

  /// Types of the values that a loop carries, at any iteration: what their first types and the body's outputs share.
  /// - Parameter body: types of the carried values after an iteration, given those before.
  static func carried(_ first: [ValueType?], _ body: ([ValueType?]) -> [ValueType?]) -> [ValueType?] {
    var types = first
    for _ in 0..<4 {
      let after = zip(types, body(types)).map { either($0, $1) }
      if after == types { return types }
      types = after
    }
    return types.map { $0.map(withoutShape) }
  }

  /// A condition: one boolean.
  static func condition(_ v: Value) throws -> Bool {
    guard case .tensor(let t) = v, t.type == .bool, t.count == 1 else {
      throw SwiftletError(.type, "a condition must be one bool, not \(v.type)")
    }
    return t.data.load(as: UInt8.self) != 0
  }

  /// Tensors of one shape as slices along a new axis.
  /// - Parameter declared: the slices' type, needed when there are none; dimensions that it doesn't tell count as 0.
  static func stack(_ r: RunContext, _ slices: [Value], axis: Int, declared: ValueType?) throws -> Value {
    let tensors = try slices.map { v in
      guard case .tensor(let t) = v else { throw SwiftletError(.type, "a scan output must be a tensor, not \(v.type)") }
      return t
    }
    guard let first = tensors.first else {
      guard case .tensor(let e, let shape)? = declared else {
        throw SwiftletError(.invalidModel, "the type of a scan output without iterations is not known")
      }
      var result = (shape ?? []).map { $0.value ?? 0 }
      result.insert(0, at: try Checked.axis(axis, rank: result.count + 1))
      return .tensor(try r.temporary(e, result))
    }
    for t in tensors where t.shape != first.shape || t.type != first.type {
      throw SwiftletError(.shape, "a scan output is \(first.type.name)\(first.shape), then \(t.type.name)\(t.shape)")
    }
    let axis = try Checked.axis(axis, rank: first.rank + 1)
    var shape = first.shape
    shape.insert(tensors.count, at: axis)
    let strides = Broadcast.strides(of: shape)
    let rest = strides.indices.filter { $0 != axis }.map { strides[$0] }
    return .tensor(
      try Movement.moved(r, tensors, shape) { from, to, size in
        for (i, p) in from.enumerated() {
          try StridedCopy.apply(
            to + i &* strides[axis] &* size, rest, p, Broadcast.strides(of: first.shape), shape: first.shape,
            elementSize: size, pool: r.pool)
        }
      })
  }

  /// Slice `i` along `axis` (in range), without that axis.
  static func slice(_ r: RunContext, _ x: Tensor, axis: Int, _ i: Int) throws -> Tensor {
    var shape = x.shape
    let length = shape.remove(at: axis)
    guard i >= 0, i < length else { throw SwiftletError(.internal, "slice \(i) of \(length)") }
    if axis == 0, x.type.size != nil || x.type == .string {
      return try x.view(from: i &* Checked.count(shape), shape: shape)
    }
    var strides = Broadcast.strides(of: x.shape)
    let step = strides.remove(at: axis)
    return try Movement.moved(r, [x], shape) { from, to, size in
      try StridedCopy.apply(
        to, Broadcast.strides(of: shape), from[0] + i &* step &* size, strides, shape: shape, elementSize: size,
        pool: r.pool)
    }
  }
}
