import Kernels
import Tensors

/// ReverseSequence: of each sequence of a batch, the first elements in reverse order, as many as its length says.
enum ReverseSequenceOperator {
  static let definitions = [
    OperatorDefinition(
      "ReverseSequence", since: [10, 28], inputs: [.required("input", "T"), .required("sequence_lens", "I")],
      outputs: [.required("Y", "T")], types: ["T": .tensors, "I": .int64],
      attributes: [.int("batch_axis", 1), .int("time_axis", 0)], takesHalf: true, exactness: .exact,
      infer: { $0.set(0, like: 0) },
      kernel: { c in
        let batchAxis = try c.int("batch_axis")
        let timeAxis = try c.int("time_axis")
        return { r in
          let x = try r.input(0)
          guard x.rank >= 2 else { throw SwiftletError(.shape, "two axes are due, not \(x.shape)") }
          let batch = try Checked.axis(batchAxis, rank: x.rank)
          let time = try Checked.axis(timeAxis, rank: x.rank)
          guard batch != time else { throw SwiftletError(.invalidModel, "batch_axis and time_axis are both \(batch)") }
          let lengths = try r.input(1).ints()
          guard lengths.count == x.shape[batch], lengths.allSatisfy({ (0...x.shape[time]).contains($0) }) else {
            throw SwiftletError(.runtime, "lengths \(lengths) for the shape \(x.shape)")
          }
          let strides = Broadcast.strides(of: x.shape)
          var reversed = strides
          reversed[time] = -strides[time]
          try Movement.run(r, [x], x.shape) { from, to, size in
            to.copyMemory(from: from[0], byteCount: x.count * size)
            if x.count == 0 { return }
            for (b, length) in lengths.enumerated() where length > 1 {
              var part = x.shape
              part[batch] = 1
              part[time] = length
              let base = b * strides[batch]
              try StridedCopy.apply(
                to + base * size, strides, from[0] + (base + (length - 1) * strides[time]) * size, reversed, shape: part,
                elementSize: size, pool: r.pool)
            }
          }
        }
      })
  ]
}
