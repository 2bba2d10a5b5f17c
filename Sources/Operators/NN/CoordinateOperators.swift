import Graphs
import Kernels
import Tensors

/// Products and convolutions whose weights stand in a `sparse_initializer`: they are written out to be packed, and not
/// kept.
public enum CoordinateOperators {
  /// Inputs that tell a weight: values and indices.
  public static let parts = weights.parts.count

  static let definitions = weights.definitions("Coordinate")

  private static let weights = PartedWeights(
    parts: [.required("values", "T"), .required("indices", "I")], types: ["T": TypeSet(.float), "I": .int64],
    matrix: { _, r, shape, form in
      try withWeight(r, shape) { try Operands.pack($0, form, for: r.input(0), r.pool) }
    },
    convolution: { _, r, shape, geometry, scale in
      try withWeight(r, shape) { try Conv.pack($0, scale: scale, geometry, r) }
    })

  /// The weight, for `pack` alone.
  private static func withWeight<R>(_ r: RunContext, _ shape: [Int], _ pack: (Tensor) throws -> R) throws -> R {
    let values = try r.input(1), indices = try r.input(2)
    defer {
      values.forget()
      indices.forget()
    }
    return try pack(SparseTensor(values: values, indices: indices, shape: shape).dense())
  }
}
