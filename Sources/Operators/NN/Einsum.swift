import Kernels
import Tensors

/// Einsum: any legal equation. Operands are contracted from left to right, each step as one batched matrix product.
enum Einsum {
  static let definitions = [
    OperatorDefinition(
      "Einsum", since: [12, 28], inputs: [.variadic("Inputs", "T")], outputs: [.required("Output", "T")],
      types: ["T": .numeric], attributes: [.required(.string, "equation")], exactness: .accumulating, infer: infer,
      kernel: { c in
        let equation = try c.string("equation")
        return { try run($0, equation) }
      })
  ]

  /// The equation with a number for each label; the dimensions of an ellipsis have labels of their own.
  private struct Equation {
    var inputs: [[Int]]
    var output: [Int]

    init(_ text: String, ranks: [Int]) throws {
      let compact = Array(text.unicodeScalars.filter { $0 != " " })
      var left = compact, right: [Unicode.Scalar]?
      if let i = compact.firstIndex(of: "-") {
        guard i + 1 < compact.count, compact[i + 1] == ">" else { throw Self.bad(text) }
        left = Array(compact[..<i])
        right = Array(compact[(i + 2)...])
      }
      let terms = left.split(separator: ",", omittingEmptySubsequences: false).map(Array.init)
      guard terms.count == ranks.count else {
        throw SwiftletError(.invalidModel, "the equation '\(text)' has \(terms.count) terms for \(ranks.count) inputs")
      }
      // Labels: letters by their code, dimensions of the ellipsis from -1 downwards, the last one being -1.
      var counts: [Int: Int] = [:]
      var ellipsis = 0
      func labels(_ term: [Unicode.Scalar], dots: (Int) throws -> Int) throws -> [Int] {
        var result: [Int] = [], i = 0, seen = false
        while i < term.count {
          if term[i] == "." {
            guard !seen, i + 2 < term.count, term[i + 1] == ".", term[i + 2] == "." else { throw Self.bad(text) }
            seen = true
            result += try (0..<dots(term.count - 3)).reversed().map { -1 - $0 }
            i += 3
          } else {
            guard ("a"..."z").contains(term[i]) || ("A"..."Z").contains(term[i]) else { throw Self.bad(text) }
            result.append(Int(term[i].value))
            i += 1
          }
        }
        return result
      }
      inputs = []
      for (term, rank) in zip(terms, ranks) {
        let l = try labels(term) { letters in
          guard rank >= letters else { throw SwiftletError(.shape, "the equation '\(text)' doesn't fit an input of rank \(rank)") }
          ellipsis = max(ellipsis, rank - letters)
          return rank - letters
        }
        guard l.count == rank else { throw SwiftletError(.shape, "the equation '\(text)' doesn't fit an input of rank \(rank)") }
        for x in l { counts[x, default: 0] += 1 }
        inputs.append(l)
      }
      if let right {
        output = try labels(right) { _ in ellipsis }
        guard Set(output).count == output.count, output.allSatisfy({ $0 < 0 || counts[$0] != nil }) else { throw Self.bad(text) }
      } else {
        output = (0..<ellipsis).reversed().map { -1 - $0 } + counts.keys.filter { $0 > 0 && counts[$0] == 1 }.sorted()
      }
    }

    private static func bad(_ text: String) -> SwiftletError {
      SwiftletError(.invalidModel, "the equation '\(text)' is not well formed")
    }
  }

  @Sendable private static func infer(_ c: InferenceContext) throws {
    let shapes = (0..<c.inputCount).map { c.shape($0) }
    guard !shapes.contains(where: { $0 == nil }) else { return c.set(0, c.elementType(0), nil) }
    let known = shapes.compactMap { $0 }
    let equation = try Equation(c.string("equation"), ranks: known.map(\.count))
    var sizes: [Int: Dimension] = [:]
    for (labels, shape) in zip(equation.inputs, known) {
      for (l, d) in zip(labels, shape) {
        switch (sizes[l], d) {
        case (nil, _): sizes[l] = d
        case (.known(1)?, _): sizes[l] = d
        case (let s?, .known(let n)) where n != 1:
          guard s.merged(d) != nil else { throw SwiftletError(.shape, "a label stands for dimensions of \(s) and \(n)") }
          sizes[l] = d
        default: break
        }
      }
    }
    c.set(0, c.elementType(0), equation.output.map { sizes[$0] ?? .known(1) })
  }

  /// A tensor whose dimensions have labels, no two the same.
  private struct Labelled {
    var data: UnsafeMutableRawPointer
    var labels: [Int]
    var sizes: [Int]
    var strides: [Int]
    /// Keeps the memory.
    var owner: Tensor

    func stride(_ label: Int) -> Int { labels.firstIndex(of: label).map { strides[$0] } ?? 0 }
  }

  private static func run(_ r: RunContext, _ text: String) throws {
    let inputs = try r.variadic(), y = try r.output(0)
    let equation = try Equation(text, ranks: inputs.map(\.rank))
    var sizes: [Int: Int] = [:]
    for (labels, t) in zip(equation.inputs, inputs) {
      for (l, n) in zip(labels, t.shape) where sizes[l] ?? 1 == 1 { sizes[l] = n }
    }
    var operands = try zip(equation.inputs, inputs).map { labels, t -> Labelled in
      let strides = Broadcast.strides(of: t.shape)
      var o = Labelled(data: t.data, labels: [], sizes: [], strides: [], owner: t)
      for (d, l) in labels.enumerated() {
        try checkShape(t.shape[d] == 1 || t.shape[d] == sizes[l], "a label stands for dimensions of \(t.shape[d]) and \(sizes[l] ?? 0)")
        let step = t.shape[d] == 1 ? 0 : strides[d]
        if let i = o.labels.firstIndex(of: l) {
          o.strides[i] += step  // a diagonal
        } else {
          o.labels.append(l)
          o.sizes.append(sizes[l] ?? 1)
          o.strides.append(step)
        }
      }
      return o
    }
    if y.count == 0 { return }
    var result = operands.removeFirst()
    if operands.isEmpty { result = try reduce(result, keeping: Set(equation.output), r) }
    while !operands.isEmpty {
      let next = operands.removeFirst()
      let needed = Set(equation.output).union(operands.flatMap(\.labels))
      result = try contract(result, next, needed, r)
    }
    let missing = equation.output.filter { !result.labels.contains($0) }
    result.labels += missing
    result.sizes += missing.map { sizes[$0] ?? 1 }
    result.strides += missing.map { _ in 0 }
    try StridedCopy.apply(
      y.data, Broadcast.strides(of: y.shape), result.data, equation.output.map(result.stride), shape: y.shape,
      elementSize: y.type.bits / 8, pool: r.pool)
  }

  /// The dimensions in the given order, contiguous.
  private static func arranged(_ x: Labelled, _ order: [Int], _ sizes: (Int) -> Int, _ r: RunContext) throws -> Labelled {
    let shape = order.map(sizes), strides = order.map(x.stride), contiguous = Broadcast.strides(of: shape)
    var result = Labelled(data: x.data, labels: order, sizes: shape, strides: contiguous, owner: x.owner)
    if zip(shape, zip(strides, contiguous)).allSatisfy({ $0 == 1 || $1.0 == $1.1 }) { return result }
    result.owner = try r.scratchTensor(x.owner.type, shape)
    result.data = result.owner.data
    if result.owner.count > 0 {
      try StridedCopy.apply(
        result.data, contiguous, x.data, strides, shape: shape, elementSize: x.owner.type.bits / 8, pool: r.pool)
    }
    return result
  }

  /// Sums over all labels that aren't kept: a product with ones.
  private static func reduce(_ x: Labelled, keeping: Set<Int>, _ r: RunContext) throws -> Labelled {
    guard x.labels.contains(where: { !keeping.contains($0) }) else { return x }
    let one = try r.scratchTensor(x.owner.type, [1])
    try fillOne(one)
    return try contract(x, Labelled(data: one.data, labels: [], sizes: [], strides: [], owner: one), keeping, r)
  }

  private static func fillOne(_ t: Tensor) throws {
    var one: Float = 1
    try Cast.apply(.float, &one, to: t.type, t.data, 1)
  }

  private static func contract(_ x: Labelled, _ y: Labelled, _ needed: Set<Int>, _ r: RunContext) throws -> Labelled {
    var size: [Int: Int] = [:]
    for o in [x, y] { for (l, n) in zip(o.labels, o.sizes) { size[l] = n } }
    let shared = x.labels.filter(y.labels.contains)
    let batch = shared.filter(needed.contains)
    // What only one side has and nobody needs is summed along with the rest; the other side repeats.
    let summed = shared.filter { !needed.contains($0) } + (x.labels + y.labels).filter { !shared.contains($0) && !needed.contains($0) }
    let rows = x.labels.filter { !shared.contains($0) && needed.contains($0) }
    let columns = y.labels.filter { !shared.contains($0) && needed.contains($0) }
    let sizeOf = { size[$0] ?? 1 }
    func product(_ labels: [Int]) throws -> Int { try Checked.count(labels.map(sizeOf)) }
    let (b, m, k, n) = (try product(batch), try product(rows), try product(summed), try product(columns))
    let left = try arranged(x, batch + rows + summed, sizeOf, r)
    let right = try arranged(y, batch + summed + columns, sizeOf, r)
    let labels = batch + rows + columns, shape = labels.map(sizeOf)
    let out = try r.scratchTensor(x.owner.type, shape)
    let operands = try Operands([b, m, k], [b, k, n])
    switch out.type {
    case .float:
      try operands.multiply(left.data.assumingMemoryBound(to: Float.self), right.data.assumingMemoryBound(to: Float.self), nil, out.pointer(Float.self), Epilogue(), r)
    case .double:
      try operands.multiply(left.data.assumingMemoryBound(to: Double.self), right.data.assumingMemoryBound(to: Double.self), nil, out.pointer(Double.self), Epilogue(), r)
    default:
      try IntegerProduct.multiply(left.data, right.data, out, operands, r)
    }
    return Labelled(data: out.data, labels: labels, sizes: shape, strides: Broadcast.strides(of: shape), owner: out)
  }
}
