import Kernels
import Tensors

/// TensorScatter: writes rows into a cache along an axis, for each sequence from its own index on; `circular` wraps
/// around.
enum TensorScatter {
  static let definitions = [
    OperatorDefinition(
      "TensorScatter", since: [24],
      inputs: [.required("past_cache", "T"), .required("update", "T"), .optional("write_indices", "I")],
      outputs: [.required("present_cache", "T")], types: ["T": .tensors, "I": .int64],
      attributes: [.int("axis", -2), .string("mode", "linear")], takesHalf: true, exactness: .exact,
      infer: { $0.set(0, like: 0) },
      kernel: { c in
        let axis = try c.int("axis"), mode = try c.string("mode")
        guard ["linear", "circular"].contains(mode) else { throw SwiftletError(.invalidModel, "mode is '\(mode)'") }
        return { try run($0, axis, isCircular: mode == "circular") }
      })
  ]

  private static func run(_ r: RunContext, _ axis: Int, isCircular: Bool) throws {
    let cache = try r.input(0), update = try r.input(1)
    let axis = try Checked.axis(axis, rank: cache.rank)
    var expected = cache.shape
    try checkShape(update.rank == cache.rank && axis > 0, "a cache of \(cache.shape), an update of \(update.shape)")
    expected[axis] = update.shape[axis]
    try checkShape(update.shape == expected && update.shape[axis] <= cache.shape[axis], "a cache of \(cache.shape), an update of \(update.shape)")
    let length = cache.shape[axis], count = update.shape[axis], batch = cache.shape[0]
    let indices = try r.optionalInput(2)?.ints() ?? Array(repeating: 0, count: batch)
    try checkShape(indices.count == batch, "write_indices must have \(batch) elements")
    for i in indices where i < 0 || (isCircular ? i >= max(length, 1) : i > length - count) {
      throw SwiftletError(.runtime, "write index \(i) is out of range for \(length) rows")
    }
    let outer = cache.shape[1..<axis].reduce(1, *), inner = cache.shape[(axis + 1)...].reduce(1, *)
    try Movement.run(r, [cache, update], cache.shape) { source, to, size in
      let bytes = inner * size
      to.copyMemory(from: source[0], byteCount: cache.count * size)
      for o in 0..<batch * outer {
        for j in 0..<count {
          let row = (indices[o / outer] + j) % length
          (to + (o * length + row) * bytes).copyMemory(from: source[1] + (o * count + j) * bytes, byteCount: bytes)
        }
      }
    }
  }
}
