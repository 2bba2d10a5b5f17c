import Kernels
import Tensors

/// Resize and Upsample: separable interpolation, one axis after the other.
enum Resize {
  private static let elements: TypeSet = [.numeric, .bool, .string, .complex]

  static let definitions = [
    definition("Upsample", [1], [], [.required(.float, "height_scale"), .required(.float, "width_scale")], removed: 10),
    definition("Upsample", [7], [], [.required(.floats, "scales")], removed: 10),
    definition("Upsample", [9], [.required("scales", "F")], [], removed: 10),
    definition("Resize", [10], [.required("scales", "F")], []),
    definition("Resize", [11, 13], [.optional("roi", "T2"), .optional("scales", "F"), .optional("sizes", "I")], newer),
    definition(
      "Resize", [18, 19], [.optional("roi", "T2"), .optional("scales", "F"), .optional("sizes", "I")],
      newer + [.int("antialias", 0), .ints("axes"), .string("keep_aspect_ratio_policy", "stretch")]),
  ]
  private static let newer: [AttributeSpec] = [
    .string("coordinate_transformation_mode", "half_pixel"), .float("cubic_coeff_a", -0.75), .int("exclude_outside", 0),
    .float("extrapolation_value", 0), .string("nearest_mode", "round_prefer_floor"),
  ]

  private static func definition(
    _ name: String, _ since: [Int], _ inputs: [Parameter], _ attributes: [AttributeSpec], removed: Int? = nil
  ) -> OperatorDefinition {
    OperatorDefinition(
      name, since: since, removed: removed, inputs: [.required("X", "T1")] + inputs, outputs: [.required("Y", "T1")],
      types: ["T1": elements, "T2": TypeSet(.float16, .float, .double), "F": TypeSet(.float), "I": .int64],
      attributes: attributes + [.string("mode", "nearest")], takesHalf: true, infer: infer, kernel: kernel)
  }

  // MARK: Sizes

  /// Scale and output size of each axis.
  private struct Target {
    var scales: [Double]
    var sizes: [Int]
  }

  private static func axes(_ c: some NodeReading, rank: Int) throws -> [Int] {
    guard let axes = try c.optionalInts("axes") else { return Array(0..<rank) }
    let r = try axes.map { try Checked.axis($0, rank: rank) }
    try checkModel(Set(r).count == r.count, "an axis is named twice in \(axes)")
    return r
  }

  /// The scales, from wherever the version has them; nil when not given or not known.
  private static func scales(_ c: some NodeReading, input: (Int) throws -> [Double]?) throws -> [Double]? {
    if c.node.opType == "Upsample", c.version < 7 {
      return [1, 1, Double(try c.float("height_scale")), Double(try c.float("width_scale"))]
    }
    if c.node.opType == "Upsample", c.version < 9 { return try c.floats("scales").map(Double.init) }
    let s = try input(c.version < 11 ? 1 : 2)
    return s?.isEmpty ?? true ? nil : s
  }

  @Sendable private static func infer(_ c: InferenceContext) throws {
    if let type = c.elementType(0), type == .string || type.isComplex, try c.string("mode") != "nearest" {
      throw SwiftletError(.unsupported, "\(type.name) other than to the nearest element")
    }
    guard let x = c.shape(0) else { return c.set(0, c.elementType(0), nil) }
    let axes = try axes(c, rank: x.count)
    var shape = x
    if let scales = try scales(c, input: { try c.constant($0)?.doubles() }) {
      try checkShape(scales.count == axes.count, "\(scales.count) scales for \(axes.count) axes")
      for (a, s) in zip(axes, scales) { shape[a] = s == 1 ? x[a] : try x[a].map { try scaled($0, s) } }
    } else if c.version >= 11, let sizes = try c.dimensions(3), !sizes.isEmpty {
      try checkShape(sizes.count == axes.count, "\(sizes.count) sizes for \(axes.count) axes")
      for (a, s) in zip(axes, sizes) { shape[a] = s }
      if try c.optionalString("keep_aspect_ratio_policy") ?? "stretch" != "stretch" {
        if let known = sizes.known, let input = x.known {
          shape = SymbolicShape(try target(sizes: known, input, axes, c).sizes)
        } else {
          for a in axes { shape[a] = .unknown }
        }
      }
    } else {
      for a in axes { shape[a] = .unknown }
    }
    for d in shape { if let n = d.value { try checkShape(n >= 0, "an output size of \(n)") } }
    c.set(0, c.elementType(0), shape)
  }

  private static func scaled(_ n: Int, _ scale: Double) throws -> Int {
    guard scale > 0 else { throw SwiftletError(.runtime, "a scale of \(scale)") }
    return try Checked.int(Double((Float(n) * Float(scale)).rounded(.down)), "an output size")
  }

  private static func target(sizes: [Int], _ x: [Int], _ axes: [Int], _ c: some NodeReading) throws -> Target {
    try checkShape(sizes.count == axes.count, "\(sizes.count) sizes for \(axes.count) axes")
    var t = Target(scales: x.map { _ in 1 }, sizes: x)
    for (a, s) in zip(axes, sizes) {
      try checkShape(s >= 0, "an output size of \(s)")
      t.sizes[a] = s
      t.scales[a] = x[a] == 0 ? 1 : Double(s) / Double(x[a])
    }
    let all = axes.map { t.scales[$0] }
    let scale: Double?
    switch try c.optionalString("keep_aspect_ratio_policy") ?? "stretch" {
    case "stretch": return t
    case "not_larger": scale = all.min()
    case "not_smaller": scale = all.max()
    case let other: throw SwiftletError(.invalidModel, "keep_aspect_ratio_policy is '\(other)'")
    }
    for a in axes {
      t.scales[a] = scale ?? 1
      t.sizes[a] = try Checked.int((t.scales[a] * Double(x[a]) + 0.5).rounded(.down))
    }
    return t
  }

  // MARK: Run

  @Sendable private static func kernel(_ c: KernelContext) throws -> Kernel {
    let form = try ResizeForm(c)
    return { r in
      let x = try r.input(0), y = try r.output(0)
      let axes = try axes(c, rank: x.rank)
      var target: Target
      if let scales = try scales(c, input: { try r.optionalInput($0)?.doubles() }) {
        target = Target(scales: x.shape.map { _ in 1 }, sizes: y.shape)
        for (a, s) in zip(axes, scales) { target.scales[a] = s }
      } else if let sizes = try r.optionalInput(3)?.ints() {
        target = try Self.target(sizes: sizes, x.shape, axes, c)
      } else {
        throw SwiftletError(.invalidModel, "neither scales nor sizes are given")
      }
      var roi: [(Double, Double)] = x.shape.map { _ in (0, 1) }
      if form.transformation == .tfCropAndResize {
        guard let given = try r.optionalInput(1)?.doubles(), given.count == 2 * axes.count else {
          throw SwiftletError(.runtime, "roi must have \(2 * axes.count) elements")
        }
        for (i, a) in axes.enumerated() { roi[a] = (given[i], given[axes.count + i]) }
      }
      guard y.count > 0 else { return }
      try checkShape(x.count > 0, "nothing to resize in \(x.shape)")
      func stays(_ a: Int) -> Bool { target.sizes[a] == x.shape[a] && target.scales[a] == 1 && roi[a] == (0, 1) }
      let tables = try (0..<x.rank).reduce(0) {
        try stays($1) ? $0 : Checked.add($0, form.mapBytes(output: target.sizes[$1], scale: target.scales[$1]))
      }
      let held = try r.hold(tables, of: UInt8.self)
      defer { withExtendedLifetime(held) {} }
      let maps = try (0..<x.rank).map { a in
        try stays(a) ? nil : form.map(input: x.shape[a], output: target.sizes[a], scale: target.scales[a], roi: roi[a])
      }
      if form.mode == .nearest { return try nearest(x, y, maps, form, r) }
      switch x.type {
      case .float: try interpolate(x, y, maps, form, Float.self, r)
      case .double: try interpolate(x, y, maps, form, Double.self, r)
      default: try converted(x, y, maps, form, r)
      }
    }
  }

  /// Types that are interpolated as floats: integers are rounded and saturate.
  private static func converted(
    _ x: Tensor, _ y: Tensor, _ maps: [ResizeForm.AxisMap?], _ form: ResizeForm, _ r: RunContext
  ) throws {
    let wide: ElementType = x.type.bits > 16 ? .double : .float
    let from = try r.scratchTensor(wide, x.shape), to = try r.scratchTensor(wide, y.shape)
    try Cast.apply(x.type, x.data, to: wide, from.data, x.count, pool: r.pool)
    if wide == .float { try interpolate(from, to, maps, form, Float.self, r) } else { try interpolate(from, to, maps, form, Double.self, r) }
    if y.type.isInteger {
      try Unary.apply(.round, wide, to.data, to: to.data, to.count, pool: r.pool)
      let low = y.type.isSignedInteger ? -Double(1 << (min(y.type.bits, 63) - 1)) : 0
      let high = y.type.isSignedInteger ? -low - 1 : y.type.bits == 64 ? 0x1p64 - 2048 : Double(1 << y.type.bits) - 1
      if wide == .float {
        let p = to.pointer(Float.self)
        for i in 0..<to.count { p[i] = min(max(p[i], Float(low)), Float(high)) }
      } else {
        let p = to.pointer(Double.self)
        for i in 0..<to.count { p[i] = min(max(p[i], low), high) }
      }
    }
    try Cast.apply(wide, to.data, to: y.type, y.data, y.count, pool: r.pool)
  }

  private static func nearest(
    _ x: Tensor, _ y: Tensor, _ maps: [ResizeForm.AxisMap?], _ form: ResizeForm, _ r: RunContext
  ) throws {
    let indices = maps.enumerated().map { a, m in m?.indices ?? Array(0..<x.shape[a]) }
    let strides = Broadcast.strides(of: x.shape)
    let n = y.shape.last ?? 1
    let last = indices.last ?? [0]
    if x.type == .string {
      var strings: [String] = []
      for i in 0..<y.count {
        var rest = i, place = 0
        for a in (0..<y.rank).reversed() {
          place += indices[a][rest % y.shape[a]] * strides[a]
          rest /= y.shape[a]
        }
        strings.append(x.strings[place])
      }
      return try r.setOutput(0, Tensor(strings: strings, y.shape))
    }
    let size = x.type.bits / 8
    var outside: (UInt64, UInt64) = (0, 0)
    if form.transformation == .tfCropAndResize, !x.type.isComplex {
      var value = form.extrapolation
      try Cast.apply(.double, &value, to: x.type, &outside, 1)
    }
    func run<T: BitwiseCopyable>(_: T.Type) throws {
      let fill = withUnsafeBytes(of: &outside) { $0.loadUnaligned(as: T.self) }
      let from = x.data.assumingMemoryBound(to: T.self), to = y.data.assumingMemoryBound(to: T.self)
      let outer = Array(y.shape.dropLast())
      try Rows.parallel(y.count / max(n, 1), n, r.pool) { rows in
        for row in rows {
          var rest = row, place = 0, isOutside = false
          for a in outer.indices.reversed() {
            let i = indices[a][rest % outer[a]]
            rest /= outer[a]
            if i < 0 { isOutside = true } else { place += i * strides[a] }
          }
          let out = to + row * n, source = from + place
          last.withUnsafeBufferPointer { last in
            for j in 0..<n { out[j] = isOutside || last[j] < 0 ? fill : source[last[j]] }
          }
        }
      }
    }
    switch size {
    case 1: try run(UInt8.self)
    case 2: try run(UInt16.self)
    case 4: try run(UInt32.self)
    case 8: try run(UInt64.self)
    default: try run(SIMD2<UInt64>.self)
    }
  }

  private static func interpolate<S: KernelScalar>(
    _ x: Tensor, _ y: Tensor, _ maps: [ResizeForm.AxisMap?], _ form: ResizeForm, _: S.Type, _ r: RunContext
  ) throws {
    var current = x, shape = x.shape
    // The innermost axis last shrinks, first grows: fewer elements on the way.
    let work = maps.indices.filter { maps[$0] != nil }.sorted {
      (y.shape[$0] * x.shape[$1], $1) < (y.shape[$1] * x.shape[$0], $0)
    }
    for (k, axis) in work.enumerated() {
      guard let map = maps[axis] else { continue }
      var next = shape
      next[axis] = y.shape[axis]
      let out = k == work.count - 1 ? y : try r.scratchTensor(S.elementType, next)
      try pass(current.pointer(S.self), out.pointer(S.self), shape, axis, map, form, r.pool)
      (current, shape) = (out, next)
    }
    if work.isEmpty { y.data.copyMemory(from: x.data, byteCount: x.byteCount) }
  }

  private static func pass<S: KernelScalar>(
    _ x: UnsafePointer<S>, _ y: UnsafeMutablePointer<S>, _ shape: [Int], _ axis: Int, _ map: ResizeForm.AxisMap,
    _ form: ResizeForm, _ pool: ThreadPool
  ) throws {
    let inner = shape[(axis + 1)...].reduce(1, *), outer = shape[..<axis].reduce(1, *)
    let n = map.indices.count / map.taps, taps = map.taps, length = shape[axis]
    let weights = map.weights.map { S($0) }, fill = S(form.extrapolation)
    if inner == 1 {
      return try Rows.parallel(outer, n * taps, pool) { rows in
        map.indices.withUnsafeBufferPointer { indices in
          weights.withUnsafeBufferPointer { weights in
            for row in rows {
              let from = x + row &* length, to = y + row &* n
              for j in 0..<n {
                var sum: S = 0
                if indices[j &* taps] < 0 {
                  sum = fill
                } else {
                  for k in j &* taps..<(j &+ 1) &* taps { sum += weights[k] * from[indices[k]] }
                }
                to[j] = sum
              }
            }
          }
        }
      }
    }
    try Rows.parallel(outer * n, inner * taps, pool) { rows in
      for row in rows {
        let from = x + row / n &* length &* inner, j = row % n, to = y + row &* inner
        if map.indices[j * taps] < 0 {
          to.update(repeating: fill, count: inner)
          continue
        }
        let first = from + map.indices[j * taps] * inner, w = weights[j * taps]
        if taps == 2 {
          let second = from + map.indices[j * 2 + 1] * inner, v = weights[j * 2 + 1]
          for i in 0..<inner { to[i] = w * first[i] + v * second[i] }
          continue
        }
        for i in 0..<inner { to[i] = w * first[i] }
        for k in 1..<max(taps, 1) {
          let source = from + map.indices[j * taps + k] * inner, w = weights[j * taps + k]
          if w == 0 { continue }
          for i in 0..<inner { to[i] += w * source[i] }
        }
      }
    }
  }
}
