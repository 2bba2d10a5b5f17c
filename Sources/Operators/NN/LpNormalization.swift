import Kernels
import Tensors

/// LpNormalization (division by the p-norm along an axis) and MeanVarianceNormalization.
enum LpNormalization {
  static let definitions = [
    OperatorDefinition(
      "LpNormalization", since: [1, 22], inputs: [.required("input", "T")], outputs: [.required("output", "T")],
      types: ["T": .floats], attributes: [.int("axis", -1), .int("p", 2)],
      infer: { c in
        if let rank = c.rank(0) { _ = try Checked.axis(try c.int("axis"), rank: rank) }
        c.set(0, like: 0)
      },
      kernel: { c in
        let axis = try c.int("axis"), p = try c.int("p")
        guard p == 1 || p == 2 else { throw SwiftletError(.invalidModel, "p is \(p)") }
        return { r in
          let x = try r.input(0), y = try r.output(0), a = try Checked.axis(axis, rank: x.rank)
          try Normalization.lp(x.type, x.data, x.shape, axis: a, p: p, to: y.data, pool: r.pool)
        }
      }),
    OperatorDefinition(
      "MeanVarianceNormalization", since: [9, 13], inputs: [.required("X", "T")], outputs: [.required("Y", "T")],
      types: ["T": .floats], attributes: [.ints("axes", [0, 2, 3])], infer: { $0.set(0, like: 0) },
      kernel: { c in
        let axes = try c.ints("axes")
        return { r in
          let x = try r.input(0), y = try r.output(0)
          let axes = try ShapeRule.axes(axes, rank: x.rank)
          guard x.count > 0 else { return }
          var shape = x.shape
          for a in axes { shape[a] = 1 }
          let mean = try r.scratchTensor(x.type, shape), deviation = try r.scratchTensor(x.type, shape)
          let squares = try r.scratchTensor(x.type, x.shape), n = try Checked.count(shape)
          try Reduction.apply(.mean, x.type, x.data, x.shape, axes: axes, to: mean.data, pool: r.pool)
          try Binary.apply(.subtract, x.type, x.data, x.shape, mean.data, shape, to: y.data, x.shape, pool: r.pool)
          try Unary.apply(.square, x.type, y.data, to: squares.data, x.count, pool: r.pool)
          try Reduction.apply(.mean, x.type, squares.data, x.shape, axes: axes, to: deviation.data, pool: r.pool)
          try Unary.apply(.sqrt, x.type, deviation.data, to: deviation.data, n)
          try Unary.apply(.scale, x.type, deviation.data, to: deviation.data, n, UnaryParameters(alpha: 1, beta: 1e-9))
          try Binary.apply(.divide, x.type, y.data, x.shape, deviation.data, shape, to: y.data, x.shape, pool: r.pool)
        }
      }),
  ]
}
