import Kernels
import Tensors

/// GridSample: the input at places that a grid gives, in coordinates from -1 to 1, the innermost dimension's first. Any
/// number of spatial dimensions.
enum GridSample {
  static let definitions = [
    definition("", [16], mode: "bilinear", ["bilinear", "nearest", "bicubic"]),
    definition("", [20, 22], mode: "linear", ["linear", "nearest", "cubic"]),
    definition("com.microsoft", [1], mode: "bilinear", ["bilinear", "nearest", "bicubic"]),
  ]

  private static func definition(_ domain: String, _ since: [Int], mode: String, _ modes: [String]) -> OperatorDefinition {
    OperatorDefinition(
      "GridSample", domain: domain, since: since, inputs: [.required("X", "T1"), .required("grid", "T2")],
      outputs: [.required("Y", "T1")], types: ["T1": [.numeric, .bool, .complex], "T2": .floats],
      attributes: [.string("mode", mode), .string("padding_mode", "zeros"), .int("align_corners", 0)], infer: infer,
      kernel: { c in
        let form = try Form(c, modes)
        return { try run($0, form) }
      })
  }

  @Sendable private static func infer(_ c: InferenceContext) throws {
    let x = try c.shape(0, ranks: 3...), grid = try c.shape(1, ranks: 3...)
    guard let grid else { return c.set(0, c.elementType(0), x.map { $0[..<2] + $0.dropFirst(2).map { _ in .unknown } }) }
    if let x {
      try checkShape(x.count == grid.count, "X has the shape \(x), grid \(grid)")
      _ = try c.same(x[0], grid[0], "the batch of X and grid")
    }
    if let n = grid[grid.count - 1].value { try checkShape(n == grid.count - 2, "grid has the shape \(grid)") }
    c.set(0, c.elementType(0), [grid[0], x?[1] ?? .unknown] + grid[1..<grid.count - 1])
  }

  private struct Form: Sendable {
    enum Mode { case linear, nearest, cubic }
    enum Padding { case zeros, border, reflection }
    let mode: Mode
    let padding: Padding
    let alignCorners: Bool
    let isDouble: Bool

    init(_ c: KernelContext, _ modes: [String]) throws {
      isDouble = c.elementType(1) == .double
      let name = try c.string("mode")
      guard let i = modes.firstIndex(of: name) else { throw SwiftletError(.invalidModel, "mode is '\(name)'") }
      mode = [.linear, .nearest, .cubic][i]
      switch try c.string("padding_mode") {
      case "zeros": padding = .zeros
      case "border": padding = .border
      case "reflection": padding = .reflection
      case let other: throw SwiftletError(.invalidModel, "padding_mode is '\(other)'")
      }
      alignCorners = try c.bool("align_corners")
    }

    /// The position of a coordinate along an axis of n elements, as exact as the grid.
    func position(_ g: Double, _ n: Int) -> Double {
      var x = alignCorners ? (g + 1) / 2 * Double(n - 1) : ((g + 1) * Double(n) - 1) / 2
      if !isDouble { x = Double(Float(x)) }
      if mode == .nearest { x = x.rounded(.toNearestOrEven) }
      let low = alignCorners ? 0 : -0.5, high = Double(n) - (alignCorners ? 1 : 0.5)
      if x < low || x > high {
        if padding == .border { x = min(max(x, 0), Double(n - 1)) }
        if padding == .reflection { x = reflect(x, n) }
      }
      // Beyond everything: nothing is near.
      return x.isFinite ? min(max(x, -1e9), 1e9) : -1e9
    }

    func reflect(_ x: Double, _ n: Int) -> Double {
      let low = alignCorners ? 0 : -0.5, high = Double(n) - (alignCorners ? 1 : 0.5), range = high - low
      guard range > 0, x.isFinite else { return 0 }
      let distance = x < low ? low - x : x > high ? x - high : 0
      if distance == 0 { return x }
      let turns = (distance / range).rounded(.towardZero), rest = distance - turns * range
      let isEven = turns.truncatingRemainder(dividingBy: 2) == 0
      return (x < low) == isEven ? low + rest : high - rest
    }

    /// The element that index i means, or nil for a zero.
    func index(_ i: Int, _ n: Int) -> Int? {
      if i >= 0, i < n { return i }
      switch padding {
      case .zeros: return nil
      case .border: return min(max(i, 0), n - 1)
      case .reflection: return min(max(Int(reflect(Double(i), n)), 0), n - 1)
      }
    }

    func weights(_ t: Double) -> [Double] {
      switch mode {
      case .nearest: return [1]
      case .linear: return [1 - t, t]
      case .cubic:
        let a = -0.75
        func outer(_ d: Double) -> Double { ((a * d - 5 * a) * d + 8 * a) * d - 4 * a }
        func inner(_ d: Double) -> Double { ((a + 2) * d - (a + 3)) * d * d + 1 }
        return [outer(t + 1), inner(t), inner(1 - t), outer(2 - t)]
      }
    }
  }

  private static func run(_ r: RunContext, _ form: Form) throws {
    let x = try r.input(0), grid = try r.input(1), y = try r.output(0)
    guard y.count > 0 else { return }
    let sizes = Array(x.shape[2...]), rank = sizes.count
    try checkShape(sizes.allSatisfy { $0 > 0 } && grid.shape.last == rank, "X has the shape \(x.shape), grid \(grid.shape)")
    let points = y.shape[2...].reduce(1, *)
    let coordinates = try r.scratchTensor(.double, grid.shape)
    try Cast.apply(grid.type, grid.data, to: .double, coordinates.data, grid.count, pool: r.pool)
    let isNative = x.type == .float || x.type == .double || x.type.isComplex
    let work: ElementType = isNative ? x.type : .double
    let from = work == x.type ? x : try r.scratchTensor(work, x.shape)
    let to = work == x.type ? y : try r.scratchTensor(work, y.shape)
    if work != x.type { try Cast.apply(x.type, x.data, to: work, from.data, x.count, pool: r.pool) }
    let g = coordinates.pointer(Double.self)
    func sampled<S: KernelScalar>(_: S.Type) throws {
      try sample(
        from.data.assumingMemoryBound(to: S.self), g, to.data.assumingMemoryBound(to: S.self), x.shape, sizes, points,
        parts: x.type.isComplex ? 2 : 1, form, r)
    }
    if work == .float || work == .complex64 { try sampled(Float.self) } else { try sampled(Double.self) }
    if work != x.type { try Cast.apply(work, to.data, to: y.type, y.data, y.count, pool: r.pool) }
  }

  private static func sample<S: KernelScalar>(
    _ x: UnsafePointer<S>, _ g: UnsafePointer<Double>, _ y: UnsafeMutablePointer<S>, _ shape: [Int], _ sizes: [Int],
    _ points: Int, parts: Int, _ form: Form, _ r: RunContext
  ) throws {
    let rank = sizes.count, channels = shape[1], plane = sizes.reduce(1, *)
    let strides = Broadcast.strides(of: sizes)
    try Rows.parallel(shape[0] * points, channels * 16, r.pool) { range in
      // The input elements that make up a point, with their weights.
      var offsets: [Int] = [], weights: [S] = []
      for p in range {
        offsets = [0]
        weights = [1]
        for d in 0..<rank {
          let position = form.position(g[p * rank + rank - 1 - d], sizes[d])
          let base = position.rounded(.down), w = form.weights(position - base)
          let first = Int(base) - (w.count == 4 ? 1 : 0)
          var nextOffsets: [Int] = [], nextWeights: [S] = []
          for (k, weight) in w.enumerated() where weight != 0 {
            guard let i = form.index(first + k, sizes[d]) else { continue }
            for (o, v) in zip(offsets, weights) {
              nextOffsets.append(o + i * strides[d])
              nextWeights.append(v * S(weight))
            }
          }
          (offsets, weights) = (nextOffsets, nextWeights)
        }
        let image = p / points, place = p % points
        for c in 0..<channels * parts {
          let channel = image * channels + c / parts, part = c % parts
          let from = x + channel * plane * parts + part
          var sum: S = 0
          for k in 0..<offsets.count { sum += weights[k] * from[offsets[k] * parts] }
          y[(channel * points + place) * parts + part] = sum
        }
      }
    }
  }
}
