import Kernels
import Tensors

/// What RNN, GRU and LSTM share: attributes, shapes, the product of all inputs at once, and the loop over the steps.
struct Recurrent: Sendable {
  let directions: Int
  /// Whether the first (or only) direction runs backwards.
  let isReverse: Bool
  /// 1: the batch is the first dimension of X, Y and the states.
  let batchFirst: Bool
  let clip: Double?
  /// For each direction the functions of the cell.
  let activations: [[RecurrentActivation]]
  /// Gates in W and R.
  let gates: Int
  /// Where W and R are integers, turned round ([directions, inputs, gates * hidden]): their scales' first input.
  let quantization: Int?

  static let attributes: [AttributeSpec] = [
    .floats("activation_alpha"), .floats("activation_beta"), .strings("activations"), .float("clip"),
    .string("direction", "forward"), .int("hidden_size"), .int("layout", 0), .int("output_sequence"),
  ]
  static let inputs: [Parameter] = [
    .required("X", "T"), .required("W", "T"), .required("R", "T"), .optional("B", "T"), .optional("sequence_lens", "T1"),
    .optional("initial_h", "T"),
  ]
  static let types: KeyValuePairs<String, TypeSet> = ["T": .floats, "T1": TypeSet(.int32)]

  init(_ c: some NodeReading, gates: Int, defaults: [String], quantization: Int? = nil) throws {
    self.gates = gates
    self.quantization = quantization
    let direction = try c.string("direction")
    switch direction {
    case "forward", "foward", "": (directions, isReverse) = (1, false)
    case "reverse": (directions, isReverse) = (1, true)
    case "bidirectional": (directions, isReverse) = (2, false)
    default: throw SwiftletError(.invalidModel, "direction is '\(direction)'")
    }
    batchFirst = try c.optionalInt("layout") ?? 0 != 0
    clip = try c.optionalFloat("clip").flatMap { $0 > 0 ? Double($0) : nil }
    var names = try c.optionalStrings("activations") ?? []
    if names.isEmpty { names = Array(repeating: defaults, count: directions).flatMap { $0 } }
    // One set for both directions is what some exporters write.
    if names.count == defaults.count, directions == 2 { names += names }
    try checkModel(
      names.count >= defaults.count * directions, "\(names.count) activations; \(defaults.count) are due for each direction")
    var alphas = (try c.optionalFloats("activation_alpha") ?? [])[...]
    var betas = (try c.optionalFloats("activation_beta") ?? [])[...]
    let all = try names.prefix(defaults.count * directions).map { try RecurrentActivation($0, &alphas, &betas) }
    activations = (0..<directions).map { Array(all[$0 * defaults.count..<($0 + 1) * defaults.count]) }
  }

  /// A shape of W or R as [directions, gates * hidden, inputs].
  private func order<D>(_ s: [D]) -> [D] { quantization == nil || s.count != 3 ? s : [s[0], s[2], s[1]] }

  /// The size of the state.
  func hidden(_ r: RunContext) throws -> Int { try order(r.input(2).shape).last ?? 0 }

  /// Sets the types of Y, Y_h and (for LSTM) Y_c.
  func infer(_ c: InferenceContext) throws {
    let x = try c.shape(0, rank: 3), w = try c.shape(1, rank: 3).map(order), r = try c.shape(2, rank: 3).map(order)
    var hidden = r?[2] ?? .unknown
    if let size = try c.optionalInt("hidden_size") { hidden = try c.same(hidden, .known(size), "hidden_size and R") }
    if let h = hidden.value {
      let rows = try Checked.multiply(h, gates)
      for s in [w, r] {
        guard let s else { continue }
        _ = try c.same(s[0], .known(directions), "the directions of W and R")
        _ = try c.same(s[1], .known(rows), "the rows of W and R")
      }
    }
    if let x, let w { _ = try c.same(x[2], w[2], "the input size of X and W") }
    let steps = x?[batchFirst ? 1 : 0] ?? .unknown, batch = x?[batchFirst ? 0 : 1] ?? .unknown
    let d = Dimension.known(directions)
    c.set(0, c.elementType(0), batchFirst ? [batch, steps, d, hidden] : [steps, d, batch, hidden])
    for i in 1...2 { c.set(i, c.elementType(0), batchFirst ? [batch, d, hidden] : [d, batch, hidden]) }
  }

  /// W and R of one direction, packed; R in parts that are needed one after the other.
  struct Weights {
    let input: RecurrentFactor
    let recurrent: [RecurrentFactor]
  }

  private func pack(_ r: RunContext, parts: [Range<Int>]) throws -> [Weights] {
    let w = try r.input(1), u = try r.input(2), ws = order(w.shape), us = order(u.shape)
    try checkShape(
      ws.count == 3 && us.count == 3 && ws[0] == directions && us[0] == directions && us[1] == gates * us[2]
        && ws[1] == us[1], "W has the shape \(w.shape), R \(u.shape)")
    let (hidden, inputs) = (us[2], ws[2])
    defer {
      w.forget()
      u.forget()
    }
    func matrix(_ i: Int, _ t: Tensor, _ direction: Int, rows: Range<Int>, _ k: Int) throws -> RecurrentFactor {
      let first = direction * us[1]
      if let quantization {
        let scales = try r.input(quantization + 2 * i), zeros = try r.input(quantization + 2 * i + 1)
        return try RecurrentFactor(
          t, at: first * k + rows.lowerBound, k: k, columns: rows, rowStride: us[1], scales, zeros, direction: direction, of: directions, r.pool)
      }
      return RecurrentFactor(
        try PackedMatrix(
          .b, rows: k, columns: rows.count, data: t.data + (first + rows.lowerBound) * k * t.type.bits / 8,
          source: t.type.packedSource(), rowStride: 1, columnStride: k, pool: r.pool))
    }
    return try (0..<directions).map { d in
      Weights(
        input: try matrix(0, w, d, rows: 0..<gates * hidden, inputs),
        recurrent: try parts.map { try matrix(1, u, d, rows: $0.lowerBound * hidden..<$0.upperBound * hidden, hidden) })
    }
  }

  /// The sizes of one run.
  struct Sizes {
    let steps: Int
    let batch: Int
    let inputs: Int
    let hidden: Int
  }

  /// One direction of a run: what a cell's step works with. Rows are sequences.
  struct Lane<S: KernelScalar> {
    let direction: Int
    let sizes: Sizes
    let weights: Weights
    /// Wb and Rb of this direction, gates * hidden each, or nil.
    let bias: (input: UnsafePointer<S>, recurrent: UnsafePointer<S>)?
    /// [batch][hidden]: the state before the step, and after it.
    let h: UnsafeMutablePointer<S>
    let nextH: UnsafeMutablePointer<S>
    /// The cell state of an LSTM.
    let c: UnsafeMutablePointer<S>
    let nextC: UnsafeMutablePointer<S>
    /// [batch][gates * hidden]
    let gates: UnsafeMutablePointer<S>
    let gateCount: Int
    let activations: [RecurrentActivation]
    let clip: Double?

    /// gates[part of a row] = a * R' + addend, with rows of the addend `rowStride` apart.
    func product(
      _ a: UnsafePointer<S>, part: Int, to out: UnsafeMutablePointer<S>, addend: UnsafePointer<S>?, rowStride: Int,
      bias: UnsafePointer<S>? = nil, _ r: RunContext
    ) throws {
      try weights.recurrent[part].product(
        a, m: sizes.batch, to: out, rowStride: gateCount * sizes.hidden,
        Epilogue(columnBias: bias, residual: addend.map { .init($0, rowStride: rowStride) }), r)
    }

    /// Clips, and applies function `f` in place.
    func activate(_ f: Int, _ x: UnsafeMutablePointer<S>, _ count: Int) throws {
      if let clip {
        let bound = S(clip)
        for i in 0..<count { x[i] = min(max(x[i], -bound), bound) }
      }
      try activations[f].apply(S.elementType, x, count)
    }
  }

  /// Runs all directions. `step` computes nextH (and nextC) from h (and c) and the inputs' part of the gates, whose rows
  /// are as far apart as it is told.
  func run<S: KernelScalar>(
    _ r: RunContext, _: S.Type, _ packed: Lazily<[Weights]>?, parts: [Range<Int>], foldsRecurrentBias: Range<Int>,
    _ step: (Lane<S>, UnsafePointer<S>, _ rowStride: Int) throws -> Void
  ) throws {
    let weights = try packed?.get { try pack(r, parts: parts) } ?? pack(r, parts: parts)
    let x = try r.widenedInput(0)
    try checkShape(x.rank == 3, "X has the shape \(x.shape)")
    let hidden = try hidden(r), inputs = x.shape[2]
    let sizes = Sizes(steps: x.shape[batchFirst ? 1 : 0], batch: x.shape[batchFirst ? 0 : 1], inputs: inputs, hidden: hidden)
    let w = try r.input(1)
    try checkShape(order(w.shape)[2] == inputs, "X has the shape \(x.shape), W \(w.shape)")
    let width = gates * hidden
    let bias = try r.widenedOptional(3)
    try checkShape(bias.map { $0.count == directions * 2 * width } ?? true, "B has the shape \(bias?.shape ?? [])")
    let lengths = try r.optionalInput(4)?.ints()
    try checkShape(lengths.map { $0.count == sizes.batch } ?? true, "sequence_lens must have \(sizes.batch) elements")
    for n in lengths ?? [] where n < 0 || n > sizes.steps {
      throw SwiftletError(.runtime, "a sequence of length \(n) among \(sizes.steps) steps")
    }
    let initial = try [5, 6].map { $0 < r.inputCount && ($0 == 5 || gates == 4) ? try r.widenedOptional($0) : nil }
    let stateCount = try Checked.count([directions, sizes.batch, hidden])
    for t in initial { try checkShape(t.map { $0.count == stateCount } ?? true, "an initial state has the shape \(t?.shape ?? [])") }
    let outputs = try (0..<3).map { r.hasOutput($0) ? try r.output($0) : nil }
    let ys = try outputs.map { try $0.map { $0.type.isHalf ? try r.scratchTensor(.float, $0.shape) : $0 } }
    // Steps behind the end of a sequence are zero.
    if let lengths, lengths.contains(where: { $0 < sizes.steps }), let y = ys[0] {
      y.data.initializeMemory(as: UInt8.self, repeating: 0, count: y.byteCount)
    }
    for direction in 0..<directions {
      func buffer(_ n: Int) throws -> UnsafeMutablePointer<S> { try r.scratch(max(n, 1), of: S.self) }
      let states = sizes.batch * hidden
      let lane = Lane<S>(
        direction: direction, sizes: sizes, weights: weights[direction],
        bias: bias.map { (UnsafePointer($0.pointer(S.self) + direction * 2 * width), UnsafePointer($0.pointer(S.self) + (direction * 2 + 1) * width)) },
        h: try buffer(states), nextH: try buffer(states), c: try buffer(states), nextC: try buffer(states),
        gates: try buffer(sizes.batch * width), gateCount: gates, activations: activations[direction], clip: clip)
      for (state, t) in zip([lane.h, lane.c], initial) {
        for b in 0..<sizes.batch {
          let row = state + b * hidden
          if let t {
            row.update(from: t.pointer(S.self) + (batchFirst ? b * directions + direction : direction * sizes.batch + b) * hidden, count: hidden)
          } else {
            row.update(repeating: 0, count: hidden)
          }
        }
      }
      let projected = try project(x.pointer(S.self), lane, foldsRecurrentBias, r)
      try loop(lane, projected, lengths, ys[0], r, step)
      for (state, y) in zip([lane.h, lane.c], ys[1...]) {
        guard let y else { continue }
        for b in 0..<sizes.batch {
          let row = batchFirst ? b * directions + direction : direction * sizes.batch + b
          (y.pointer(S.self) + row * hidden).update(from: state + b * hidden, count: hidden)
        }
      }
    }
    for (y, out) in zip(ys, outputs) {
      guard let y, let out, out.type.isHalf else { continue }
      try Cast.apply(.float, y.data, to: out.type, out.data, out.count, pool: r.pool)
    }
  }

  /// X W' + Wb (+ Rb for the gates in `folds`), for all steps at once, in X's order of rows.
  private func project<S: KernelScalar>(
    _ x: UnsafePointer<S>, _ lane: Lane<S>, _ folds: Range<Int>, _ r: RunContext
  ) throws -> UnsafePointer<S> {
    let s = lane.sizes, width = gates * s.hidden, rows = try Checked.multiply(s.steps, s.batch)
    let sum = try r.scratch(max(width, 1), of: S.self)
    for j in 0..<width {
      let gate = j / max(s.hidden, 1)
      sum[j] = lane.bias.map { $0.input[j] + (folds.contains(gate) ? $0.recurrent[j] : 0) } ?? 0
    }
    let out = try r.scratch(max(Checked.multiply(rows, width), 1), of: S.self)
    try lane.weights.input.product(x, m: rows, to: out, rowStride: width, Epilogue(columnBias: sum), r)
    return UnsafePointer(out)
  }

  private func loop<S: KernelScalar>(
    _ lane: Lane<S>, _ projected: UnsafePointer<S>, _ lengths: [Int]?, _ y: Tensor?, _ r: RunContext,
    _ step: (Lane<S>, UnsafePointer<S>, _ rowStride: Int) throws -> Void
  ) throws {
    let s = lane.sizes, width = gates * s.hidden, hidden = s.hidden
    let backwards = isReverse || lane.direction == 1
    let isUniform = lengths?.allSatisfy { $0 == s.steps } ?? true
    let gathered = isUniform ? lane.gates : try r.scratch(max(s.batch * width, 1), of: S.self)
    func row(_ t: Int, _ b: Int) -> Int { batchFirst ? b * s.steps + t : t * s.batch + b }
    let out = y?.pointer(S.self)
    for i in 0..<s.steps {
      try r.checkCancelled()
      if isUniform {
        let t = backwards ? s.steps - 1 - i : i
        try step(lane, projected + row(t, 0) * width, batchFirst ? s.steps * width : width)
      } else {
        for b in 0..<s.batch {
          let n = lengths?[b] ?? s.steps, t = i < n ? (backwards ? n - 1 - i : i) : 0
          (gathered + b * width).update(from: projected + row(t, b) * width, count: width)
        }
        try step(lane, UnsafePointer(gathered), width)
      }
      for b in 0..<s.batch {
        let n = lengths?[b] ?? s.steps
        guard i < n else { continue }
        let t = backwards ? n - 1 - i : i
        (lane.h + b * hidden).update(from: lane.nextH + b * hidden, count: hidden)
        if gates == 4 { (lane.c + b * hidden).update(from: lane.nextC + b * hidden, count: hidden) }
        let place = batchFirst ? (b * s.steps + t) * directions + lane.direction : (t * directions + lane.direction) * s.batch + b
        if let out { (out + place * hidden).update(from: lane.h + b * hidden, count: hidden) }
      }
    }
  }
}

/// A function of a recurrent cell with its parameters.
struct RecurrentActivation: Sendable {
  private let steps: [(UnaryOperator, Double, Double)]

  /// Takes alpha and beta from the lists if the function has them.
  init(_ name: String, _ alphas: inout ArraySlice<Float>, _ betas: inout ArraySlice<Float>) throws {
    func alpha(_ d: Double) -> Double { alphas.popFirst().map(Double.init) ?? d }
    func beta(_ d: Double) -> Double { betas.popFirst().map(Double.init) ?? d }
    switch name.lowercased() {
    case "sigmoid": steps = [(.sigmoid, 0, 0)]
    case "tanh": steps = [(.tanh, 0, 0)]
    case "relu": steps = [(.relu, 0, 0)]
    case "softsign": steps = [(.softsign, 0, 0)]
    case "softplus": steps = [(.softplus, 0, 0)]
    case "leakyrelu": steps = [(.leakyRelu, alpha(0.01), 0)]
    case "thresholdedrelu": steps = [(.thresholdedRelu, alpha(1), 0)]
    case "elu": steps = [(.elu, alpha(1), 0)]
    case "hardsigmoid": steps = [(.hardSigmoid, alpha(0.2), beta(0.5))]
    case "affine": steps = [(.scale, alpha(1), beta(0))]
    case "scaledtanh":
      let (a, b) = (alpha(1), beta(1))
      steps = [(.scale, b, 0), (.tanh, 0, 0), (.scale, a, 0)]
    default: throw SwiftletError(.unsupported, "the activation '\(name)'")
    }
  }

  func apply(_ type: ElementType, _ x: UnsafeMutableRawPointer, _ count: Int) throws {
    for (op, alpha, beta) in steps { try Unary.apply(op, type, x, to: x, count, UnaryParameters(alpha: alpha, beta: beta)) }
  }
}
