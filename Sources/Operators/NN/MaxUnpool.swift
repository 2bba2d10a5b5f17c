import Kernels
import Tensors

/// MaxUnpool: puts pooled values back at the indices that MaxPool gave; zeros elsewhere.
enum MaxUnpool {
  static let definitions = [
    OperatorDefinition(
      "MaxUnpool", since: [9, 11, 22],
      inputs: [.required("X", "T1"), .required("I", "T2"), .optional("output_shape", "T2")],
      outputs: [.required("output", "T1")], types: ["T1": .floats, "T2": .int64],
      attributes: [.required(.ints, "kernel_shape"), .ints("pads"), .ints("strides")], exactness: .exact, infer: infer,
      kernel: { c in
        let window = try Window(c)
        return { try run($0, window) }
      })
  ]

  /// The sizes of the pooled image if nothing more is known: those of the smallest one.
  private static func smallest(_ x: [Int], _ window: Window) throws -> [Int] {
    let rank = x.count - 2
    guard rank > 0, let kernel = window.kernel else { throw SwiftletError(.invalidModel, "kernel_shape is missing") }
    try window.check(rank: rank)
    return try Array(x[..<2]) + (0..<rank).map { d in
      let full = try Checked.add(Checked.multiply(x[d + 2] - 1, window.stride(d)), kernel[d])
      let size = try Checked.subtract(full, Checked.add(window.pads?[d] ?? 0, window.pads?[d + rank] ?? 0))
      try checkShape(size >= 0, "the pads leave nothing of dimension \(d)")
      return size
    }
  }

  @Sendable private static func infer(_ c: InferenceContext) throws {
    var shape: SymbolicShape? = c.shape(0).map { SymbolicShape(repeating: .unknown, count: $0.count) }
    if c.hasInput(2) {
      if let given = try c.dimensions(2) { shape = given }
    } else if let x = c.knownShape(0) {
      shape = SymbolicShape(try smallest(x, Window(c)))
    }
    c.set(0, c.elementType(0), shape)
  }

  private static func run(_ r: RunContext, _ window: Window) throws {
    let x = try r.input(0), indices = try r.input(1), y = try r.output(0)
    try checkShape(x.shape == indices.shape, "X has the shape \(x.shape), I \(indices.shape)")
    // The indices count within the smallest image; a larger output shape keeps rows and planes apart.
    let small = try smallest(x.shape, window)
    try checkShape(
      small.count == y.rank && zip(small, y.shape).allSatisfy { $0 <= $1 }, "output_shape \(y.shape) is smaller than \(small)")
    let at = indices.pointer(Int64.self), limit = try Checked.count(small)
    let same = small == y.shape
    let strides = Broadcast.strides(of: y.shape)
    y.data.initializeMemory(as: UInt8.self, repeating: 0, count: y.byteCount)
    func scatter<T: BitwiseCopyable>(_: T.Type) throws {
      let from = x.pointer(T.self), to = y.pointer(T.self)
      for i in 0..<x.count {
        guard var rest = Int(exactly: at[i]), rest >= 0, rest < limit else {
          throw SwiftletError(.runtime, "index \(at[i]) is out of range for \(limit) elements")
        }
        if !same {
          var place = 0
          for d in small.indices.reversed() {
            place += rest % small[d] * strides[d]
            rest /= small[d]
          }
          rest = place
        }
        to[rest] = from[i]
      }
    }
    if x.type == .double { try scatter(Double.self) } else { try scatter(Float.self) }
  }
}
