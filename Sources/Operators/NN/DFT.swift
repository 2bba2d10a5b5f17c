import Kernels
import Tensors

/// DFT (the axis is an attribute up to version 19) and STFT. Complex numbers are pairs along the last dimension.
enum DFT {
  static let definitions = [
    OperatorDefinition(
      "DFT", since: [17], inputs: [.required("input", "T1"), .optional("dft_length", "T2")],
      outputs: [.required("output", "T1")], types: ["T1": .floats, "T2": .indices],
      attributes: [.int("axis", 1), .int("inverse", 0), .int("onesided", 0)], infer: infer, kernel: { c in { try run($0, c) } }),
    OperatorDefinition(
      "DFT", since: [20], inputs: [.required("input", "T1"), .optional("dft_length", "T2"), .optional("axis", "I")],
      outputs: [.required("output", "T1")], types: ["T1": .floats, "T2": .indices, "I": .int64],
      attributes: [.int("inverse", 0), .int("onesided", 0)], infer: infer, kernel: { c in { try run($0, c) } }),
    OperatorDefinition(
      "STFT", since: [17],
      inputs: [.required("signal", "T1"), .required("frame_step", "T2"), .optional("window", "T1"), .optional("frame_length", "T2")],
      outputs: [.required("output", "T1")], types: ["T1": .floats, "T2": .indices], attributes: [.int("onesided", 1)],
      infer: inferSTFT, kernel: { c in { try runSTFT($0, oneSided: try c.bool("onesided")) } }),
  ]

  /// Lengths beyond this are refused: nobody means them.
  private static let limit = 1 << 28
  /// Transforms of float are computed in double and rounded once, as NumPy does, but for the inverse: that one it
  /// computes in float, and so what stands in expected results for zero is float's rounding noise.
  private static func computed(_ type: ElementType, isComplexInverse: Bool) -> ElementType {
    isComplexInverse && type == .float ? .float : .double
  }

  private struct Form {
    var axis: Int
    var length: Int?
    var inverse: Bool
    var oneSided: Bool

    init(_ c: some NodeReading, rank: Int, axis given: Int?, length: Int?, available: Int?) throws {
      axis = try Checked.axis(given ?? c.optionalInt("axis") ?? -2, rank: rank)
      try checkShape(rank >= 2 && axis != rank - 1, "a transform along the last dimension, which is that of complex numbers")
      inverse = try c.bool("inverse")
      oneSided = try c.bool("onesided")
      self.length = try length ?? available.map { inverse && oneSided ? try Checked.multiply(2, $0 - 1) : $0 }
      if let n = self.length {
        guard n > 0, n <= DFT.limit else { throw SwiftletError(.runtime, "a transform of length \(n)") }
      }
    }
  }

  @Sendable private static func infer(_ c: InferenceContext) throws {
    guard let x = try c.shape(0, ranks: 2...) else { return c.set(0, c.elementType(0), nil) }
    if c.hasInput(2), c.constant(2) == nil {
      return c.set(0, c.elementType(0), SymbolicShape(repeating: .unknown, count: x.count))
    }
    let axis = try Checked.axis(try c.constant(2)?.int() ?? c.optionalInt("axis") ?? -2, rank: x.count)
    let given = try c.constant(1)?.int()
    let form = try Form(c, rank: x.count, axis: axis, length: given, available: c.hasInput(1) ? nil : x[axis].value)
    var shape = x
    let isReal = form.inverse && form.oneSided
    shape[axis] = form.length.map { .known(form.oneSided && !form.inverse ? $0 / 2 + 1 : $0) } ?? .unknown
    if form.length == nil, !form.oneSided, !c.hasInput(1) { shape[axis] = x[axis] }
    shape[x.count - 1] = .known(isReal ? 1 : 2)
    c.set(0, c.elementType(0), shape)
  }

  private static func run(_ r: RunContext, _ c: KernelContext) throws {
    let x = try r.input(0), y = try r.output(0)
    let axis = try Checked.axis(try r.optionalInput(2)?.int() ?? c.optionalInt("axis") ?? -2, rank: x.rank)
    let form = try Form(c, rank: x.rank, axis: axis, length: try r.optionalInput(1)?.int(), available: x.shape[axis])
    guard let length = form.length, y.count > 0 else { return }
    switch (x.type, computed(x.type, isComplexInverse: form.inverse && !form.oneSided)) {
    case (.float, .float): try transform(x, y, form, length, Float.self, Float.self, r)
    case (.float, _): try transform(x, y, form, length, Float.self, Double.self, r)
    default: try transform(x, y, form, length, Double.self, Double.self, r)
    }
  }

  /// Elements are of the type S, computed in the type W.
  private static func transform<S: KernelScalar, W: KernelScalar>(
    _ x: Tensor, _ y: Tensor, _ form: Form, _ length: Int, _: S.Type, _: W.Type, _ r: RunContext
  ) throws {
    let parts = x.shape[x.rank - 1]
    try checkShape(parts == 1 || parts == 2, "the last dimension must be 1 or 2, not \(parts)")
    let axis = form.axis, inner = x.shape[(axis + 1)..<(x.rank - 1)].reduce(1, *), outer = x.shape[..<axis].reduce(1, *)
    let available = x.shape[axis], produced = y.shape[axis], outParts = y.shape[y.rank - 1]
    let isRealInverse = form.inverse && form.oneSided
    let given = min(available, isRealInverse ? length / 2 + 1 : length)
    let from = x.pointer(S.self), to = y.pointer(S.self)
    let scale = form.inverse ? 1 / W(length) : 1
    try lines(outer * inner, length, W.self, r) { k, line, fourier in
      let o = k / inner, i = k % inner
      for j in 0..<given {
        let p = from + ((o * available + j) * inner + i) * parts
        (line[2 * j], line[2 * j + 1]) = (W(p[0]), parts == 2 ? W(p[1]) : 0)
      }
      for j in given..<length { (line[2 * j], line[2 * j + 1]) = (0, 0) }
      if isRealInverse {
        // The other half is the conjugate of what is given.
        for j in length / 2 + 1..<max(length, length / 2 + 1) {
          (line[2 * j], line[2 * j + 1]) = (line[2 * (length - j)], -line[2 * (length - j) + 1])
        }
        line[1] = 0
        if length % 2 == 0 { line[length + 1] = 0 }
      }
      fourier(form.inverse)
      for j in 0..<produced {
        let p = to + ((o * produced + j) * inner + i) * outParts
        p[0] = S(line[2 * j] * scale)
        if outParts == 2 { p[1] = S(line[2 * j + 1] * scale) }
      }
    }
  }

  /// Calls `body` for each of `count` lines with memory for `length` complex numbers of the type W, and what transforms
  /// these.
  private static func lines<W: KernelScalar>(
    _ count: Int, _ length: Int, _: W.Type, _ r: RunContext,
    _ body: (_ k: Int, _ line: UnsafeMutablePointer<W>, _ transform: (_ inverse: Bool) -> Void) throws -> Void
  ) throws {
    let allocator = r.environment.allocator
    let fourier = try FourierTransform(length, W.elementType, from: allocator)
    let size = 2 * MemoryLayout<W>.stride * length
    try Rows.parallel(count, length * 8, r.pool) { range in
      let memory = try allocator.allocate(size), scratch = try allocator.allocate(fourier.scratchByteCount)
      let line = memory.base.bindMemory(to: W.self, capacity: 2 * length)
      for k in range {
        try r.checkCancelled()
        try body(k, line) { fourier.run(line, inverse: $0, scratch: scratch.base) }
      }
      withExtendedLifetime((memory, scratch)) {}
    }
  }

  // MARK: STFT

  private struct Frames {
    let length: Int
    let step: Int
    let count: Int

    init(signal: Int, step: Int, window: Int?, length given: Int?) throws {
      guard let length = given ?? window else { throw SwiftletError(.invalidModel, "neither window nor frame_length is given") }
      guard length > 0, length <= DFT.limit, step > 0 else {
        throw SwiftletError(.runtime, "frames of length \(length) with a step of \(step)")
      }
      try checkShape(window ?? length == length, "a window of \(window ?? 0) elements for frames of \(length)")
      try checkShape(signal >= length, "a signal of \(signal) elements is shorter than a frame (\(length))")
      self.length = length
      self.step = step
      count = (signal - length) / step + 1
    }
  }

  @Sendable private static func inferSTFT(_ c: InferenceContext) throws {
    let x = try c.shape(0, ranks: 2...)
    try checkShape(x.map { $0.count <= 3 } ?? true, "a signal is [batch, length] or [batch, length, parts], not \(x ?? [])")
    var shape: SymbolicShape = [x?[0] ?? .unknown, .unknown, .unknown, .known(2)]
    let window = c.shape(2)?.first?.value
    let length = c.hasInput(3) ? try c.constant(3)?.int() : window ?? (c.hasInput(2) ? nil : x?[1].value)
    if let length {
      shape[2] = .known(try c.bool("onesided") ? length / 2 + 1 : length)
      if let step = try c.constant(1)?.int(), let n = x?[1].value {
        shape[1] = .known(try Frames(signal: n, step: step, window: window, length: length).count)
      }
    }
    c.set(0, c.elementType(0), shape)
  }

  private static func runSTFT(_ r: RunContext, oneSided: Bool) throws {
    let x = try r.input(0), window = try r.optionalInput(2), y = try r.output(0)
    let frames = try Frames(
      signal: x.shape[1], step: r.input(1).int(), window: window?.count,
      length: r.optionalInput(3)?.int() ?? (window == nil ? x.shape[1] : nil))
    let parts = x.rank == 3 ? x.shape[2] : 1, bins = y.shape[2]
    try checkShape(parts == 1 || parts == 2, "the signal has the shape \(x.shape)")
    let weights = try window?.doubles()
    func run<S: KernelScalar>(_: S.Type) throws {
      try lines(x.shape[0] * frames.count, frames.length, Double.self, r) { k, line, fourier in
        let from = x.pointer(S.self) + (k / frames.count * x.shape[1] + k % frames.count * frames.step) * parts
        for j in 0..<frames.length {
          let weight = weights?[j] ?? 1
          line[2 * j] = Double(from[j * parts]) * weight
          line[2 * j + 1] = parts == 2 ? Double(from[j * 2 + 1]) * weight : 0
        }
        fourier(false)
        let to = y.pointer(S.self) + k * bins * 2
        for j in 0..<2 * bins { to[j] = S(line[j]) }
      }
    }
    try dispatch(x.type, float: { try run(Float.self) }, double: { try run(Double.self) })
  }
}
