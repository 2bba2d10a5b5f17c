import Kernels
import Tensors

/// Col2Im: adds up blocks [N, C * block, L] into images [N, C, image...].
enum Col2Im {
  static let definitions = [
    OperatorDefinition(
      "Col2Im", since: [18], inputs: [.required("input", "T"), .required("image_shape", "I"), .required("block_shape", "I")],
      outputs: [.required("output", "T")], types: ["T": [.numeric, .complex, .bool], "I": .int64],
      attributes: [.ints("dilations"), .ints("pads"), .ints("strides")], exactness: .accumulating, infer: infer,
      kernel: { c in
        let window = try Window(c)
        return { try run($0, window) }
      })
  ]

  @Sendable private static func infer(_ c: InferenceContext) throws {
    let x = try c.shape(0, rank: 3)
    guard let image = try c.dimensions(1) else { return c.set(0, c.elementType(0), nil) }
    var channels = Dimension.unknown
    if let block = try c.constantInts(2), let rows = x?[1].value {
      let size = try Checked.count(block)
      try checkShape(size > 0 && rows % size == 0, "\(rows) rows don't divide into blocks of \(block)")
      channels = .known(rows / size)
    }
    for d in image { if let n = d.value { try checkShape(n >= 0, "an image size of \(n)") } }
    c.set(0, c.elementType(0), [x?[0] ?? .unknown, channels] + image)
  }

  private static func run(_ r: RunContext, _ window: Window) throws {
    let x = try r.input(0), block = try r.input(2).ints(), y = try r.output(0)
    let image = Array(y.shape[2...]), rank = image.count
    try window.check(rank: rank)
    try checkShape(block.count == rank && block.allSatisfy { $0 > 0 }, "block_shape is \(block)")
    let counts = try (0..<rank).map { try window.resolve($0, input: image[$0], kernel: block[$0]) }
    let places = try Checked.count(counts.map(\.output)), taps = try Checked.count(block)
    try checkShape(x.shape[2] == places, "\(x.shape[2]) blocks are given, \(places) are due")
    let strides = Broadcast.strides(of: image), plane = image.reduce(1, *)
    // For each axis: the index in the image of tap and place, or -1.
    func position(_ d: Int, _ tap: Int, _ place: Int) -> Int {
      let i = place * window.stride(d) + tap * window.dilation(d) - counts[d].begin
      return i >= 0 && i < image[d] ? i : -1
    }
    let held = try r.hold(Checked.multiply(taps, places), of: Int.self)
    defer { withExtendedLifetime(held) {} }
    var targets = [Int](repeating: -1, count: taps * places)
    for t in 0..<taps {
      for p in 0..<places {
        var (restT, restP, at) = (t, p, 0)
        for d in (0..<rank).reversed() {
          let i = position(d, restT % block[d], restP % counts[d].output)
          restT /= block[d]
          restP /= counts[d].output
          at = i < 0 || at < 0 ? -1 : at + i * strides[d]
        }
        targets[t * places + p] = at
      }
    }
    let parts = x.type.isComplex ? 2 : 1
    func add<T: AdditiveArithmetic & BitwiseCopyable>(_: T.Type, _ plus: @escaping (T, T) -> T) throws {
      try Rows.parallel(x.shape[0] * y.shape[1], taps * places, r.pool) { range in
        for k in range {
          let out = y.data.assumingMemoryBound(to: T.self) + k * plane * parts
          let from = x.data.assumingMemoryBound(to: T.self) + k * taps * places * parts
          out.update(repeating: .zero, count: plane * parts)
          targets.withUnsafeBufferPointer { targets in
            for i in 0..<taps * places where targets[i] >= 0 {
              for p in 0..<parts {
                let at = targets[i] * parts + p
                out[at] = plus(out[at], from[i * parts + p])
              }
            }
          }
        }
      }
    }
    switch x.type {
    case .float, .complex64: try add(Float.self, +)
    case .double, .complex128: try add(Double.self, +)
    case .bool: try add(UInt8.self) { $0 | $1 }
    case .int8, .uint8: try add(UInt8.self, &+)
    case .int16, .uint16: try add(UInt16.self, &+)
    case .int32, .uint32: try add(UInt32.self, &+)
    case .int64, .uint64: try add(UInt64.self, &+)
    default: throw SwiftletError(.type, "Col2Im of \(x.type.name)")
    }
  }
}
