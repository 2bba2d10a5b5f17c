import Kernels
import Tensors

/// GatherBlockQuantized (com.microsoft): Gather of a table that is quantised in blocks along an axis; only what is
/// taken is made float.
enum GatherBlockQuantized {
  static let definitions = [
    OperatorDefinition(
      "GatherBlockQuantized", domain: "com.microsoft", since: [1],
      inputs: [
        .required("data", "T1"), .required("indices", "I"), .required("scales", "T2"), .optional("zero_points", "T1"),
      ],
      outputs: [.required("output", "T2")],
      types: [
        "T1": [.float8s, TypeSet(.int4, .uint4, .uint8, .float4e2m1)], "T2": TypeSet(.float, .float16, .bfloat16),
        "I": .indices,
      ],
      attributes: [.int("bits", 4), .int("block_size", 128), .int("gather_axis", 0), .int("quantize_axis", 1)],
      takesHalf: true,
      infer: { c in
        guard let x = c.shape(0), let indices = c.shape(1), let type = c.elementType(0) else {
          return c.set(0, c.elementType(2), nil)
        }
        let shape = try logical(x, bits: bits(c, type), type)
        let axis = try Checked.axis(c.int("gather_axis"), rank: x.count)
        c.set(0, c.elementType(2), shape[..<axis] + indices + shape[(axis + 1)...])
      },
      kernel: { c in
        let gather = try c.int("gather_axis"), along = try c.int("quantize_axis"), block = try c.int("block_size")
        try checkModel(block == 0 || block >= 16 && block & (block - 1) == 0, "block_size is \(block)")
        return { r in
          let x = try r.input(0), at = try r.input(1)
          let bits = try bits(c, x.type)
          let table = try Table(
            x, try r.input(2), try r.optionalInput(3), bits: bits, block: block,
            gather: Checked.axis(gather, rank: x.rank),
            along: Checked.axis(along, rank: x.rank))
          try table.gather(at.ints(), r)
        }
      })
  ]

  /// How many bits an element has; of uint8 the attribute tells.
  private static func bits(_ c: some NodeReading, _ type: ElementType) throws -> Int {
    guard type == .uint8 else { return type.bits }
    let bits = try c.int("bits")
    try checkModel([2, 4, 8].contains(bits), "data of \(bits) bits")
    return bits
  }

  /// The shape in elements: several of them stand in a uint8 of the last dimension.
  private static func logical(_ s: SymbolicShape, bits: Int, _ type: ElementType) throws -> SymbolicShape {
    guard type == .uint8, bits < 8, let last = s.last else { return s }
    return s.dropLast() + [try last.map { try Checked.multiply($0, 8 / bits) }]
  }

  private struct Table {
    let x: Tensor
    let scales: Tensor
    let zeros: Tensor?
    let bits: Int
    let axis: Int
    let along: Int
    let block: Int
    let shape: [Int]
    /// Of the scales, each 0 where one serves the whole axis.
    let strides: [Int]

    init(_ x: Tensor, _ scales: Tensor, _ zeros: Tensor?, bits: Int, block: Int, gather: Int, along: Int) throws {
      (self.x, self.scales, self.zeros, self.bits, axis, self.along) = (x, scales, zeros, bits, gather, along)
      shape = try logical(SymbolicShape(x.shape), bits: bits, x.type).known ?? []
      let isFloat = x.type.isFloat
      try checkModel(block > 0 || isFloat, "block_size is 0")
      try checkModel(
        gather != along || !isFloat && x.type != .uint8, "gather_axis and quantize_axis are both \(gather)")
      try checkModel(zeros == nil || !isFloat, "zero points of \(x.type.name)")
      self.block = block == 0 ? max(1, shape[along]) : block
      let blocks = shape[along] / self.block + (shape[along] % self.block == 0 ? 0 : 1)
      let size = shape, own = Broadcast.strides(of: scales.shape)
      try checkShape(
        scales.rank == size.count
          && size.indices.allSatisfy {
            $0 == along ? scales.shape[$0] == blocks
              : scales.shape[$0] == size[$0] || isFloat && scales.shape[$0] == 1
          },
        "scales of \(scales.shape) for a table of \(size)")
      strides = size.indices.map { $0 != along && scales.shape[$0] == 1 ? 0 : own[$0] }
      if let zeros {
        var due = scales.shape
        if x.type == .uint8, bits < 8, let last = due.last { due[due.count - 1] = (last * bits + 7) / 8 }
        try checkShape(zeros.shape == due, "zero points of \(zeros.shape), not \(due)")
      }
    }

    /// Writes the output: for each index all elements beyond the axis, those that an index out of range names being 0.
    func gather(_ indices: [Int], _ r: RunContext) throws {
      let y = try r.output(0)
      let inner = try Checked.count(Array(shape[(axis + 1)...])), outer = try Checked.count(Array(shape[..<axis]))
      guard y.count > 0, let size = y.type.size else { return }
      let failure = FirstError(), limit = shape[axis]
      r.pool.parallel(over: outer * indices.count, grain: max(1, 8192 / max(1, inner))) { range in
        failure.catching {
          let values = UnsafeMutablePointer<Float>.allocate(capacity: 3 * inner)
          defer { values.deallocate() }
          for row in range {
            let given = indices[row % indices.count], index = given < 0 ? given + limit : given
            let out = y.data + row * inner * size
            guard index >= 0, index < limit else {
              out.initializeMemory(as: UInt8.self, repeating: 0, count: inner * size)
              continue
            }
            let start = (row / indices.count * limit + index) * inner
            if hasRowsOfBlocks {
              try widenBlocks(from: start, inner, to: values, values + inner, values + 2 * inner)
            } else {
              try widen(from: start, inner, to: values)
            }
            try Cast.apply(.float, values, to: y.type, out, inner)
          }
        }
      }
      try failure.rethrow()
    }

    /// Whether what is taken is rows of whole blocks of unsigned elements, each with a scale of its own.
    private var hasRowsOfBlocks: Bool {
      (x.type == .uint8 || x.type == .uint4) && along == shape.count - 1 && axis < along && shape[along] % block == 0
    }

    /// Such rows, all at once; `scale` and `zero` have room for those of their blocks.
    private func widenBlocks(
      from start: Int, _ count: Int, to out: UnsafeMutablePointer<Float>, _ scale: UnsafeMutablePointer<Float>,
      _ zero: UnsafeMutablePointer<Float>
    ) throws {
      let blocks = count / block, first = start / block
      try read(scales, scales.type.bits, from: first, blocks, to: scale)
      for b in 0..<blocks {
        zero[b] = x.type == .uint8 ? Float(1 << (bits - 1)) : 0
        if let zeros { try read(zeros, bits, from: zeroIndex(first + b), 1, to: zero + b) }
      }
      try BlockWeights.widen(
        UnsafePointer(x.data.assumingMemoryBound(to: UInt8.self)) + start * bits / 8, bits: bits, block: block,
        blocks: blocks, scales: scale, zeros: zero, to: out)
    }

    /// Elements with scales wherever they are, one by one.
    private func widen(from start: Int, _ count: Int, to out: UnsafeMutablePointer<Float>) throws {
      try read(x, bits, from: start, count, to: out)
      for i in 0..<count {
        let at = scaleIndex(start + i)
        var scale: Float = 0, zero: Float = x.type == .uint8 ? Float(1 << (bits - 1)) : 0
        try read(scales, scales.type.bits, from: at, 1, to: &scale)
        if let zeros { try read(zeros, bits, from: zeroIndex(at), 1, to: &zero) }
        out[i] = (out[i] - zero) * scale
      }
    }

    /// The scale of an element of the table.
    private func scaleIndex(_ element: Int) -> Int {
      var rest = element, at = 0
      for d in shape.indices.reversed() {
        let i = rest % shape[d]
        rest /= shape[d]
        at += (d == along ? i / block : i) * strides[d]
      }
      return at
    }

    /// Zero points of a row are filled up to whole bytes where they are packed into uint8.
    private func zeroIndex(_ scale: Int) -> Int {
      guard let zeros, x.type == .uint8, bits < 8, let last = scales.shape.last, let packed = zeros.shape.last else {
        return scale
      }
      return scale / last * packed * (8 / bits) + scale % last
    }

    /// Elements from any place on as float.
    private func read(
      _ t: Tensor, _ bits: Int, from start: Int, _ count: Int, to out: UnsafeMutablePointer<Float>
    ) throws {
      if bits >= 8 || t.type == .float4e2m1 && start % 2 == 0 {
        return try Cast.apply(t.type, t.data + start * bits / 8, to: .float, out, count)
      }
      guard t.type != .float4e2m1 else {
        var pair: (Float, Float) = (0, 0)
        for i in 0..<count {
          try withUnsafeMutablePointer(to: &pair) {
            try Cast.apply(t.type, t.data + (start + i) / 2, to: .float, $0, 2)
          }
          out[i] = (start + i) % 2 == 0 ? pair.0 : pair.1
        }
        return
      }
      let bytes = t.data.assumingMemoryBound(to: UInt8.self), parts = 8 / bits, mask = UInt8(1 << bits - 1)
      for i in 0..<count {
        let at = start + i, q = bytes[at / parts] >> (at % parts * bits) & mask
        out[i] = t.type == .int4 && q > 7 ? Float(q) - 16 : Float(q)
      }
    }
  }
}
