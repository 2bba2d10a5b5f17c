import Tensors

/// LinearClassifier and LinearRegressor: scores = X · coefficientsᵀ + intercepts.
enum Linear {
  static let definitions = [
    OperatorDefinition(
      "LinearClassifier", domain: "ai.onnx.ml", since: [1], inputs: [.required("X", "T1")],
      outputs: [.required("Y", "T2"), .required("Z", "Z")], types: ["T1": .features, "T2": [.string, .int64]],
      attributes: [
        .ints("classlabels_ints"), .strings("classlabels_strings"), .required(.floats, "coefficients"),
        .floats("intercepts"), .int("multi_class", 0), .string("post_transform", "NONE"),
      ],
      exactness: .accumulating,
      infer: { c in
        let labels = try ClassLabels(c, ints: "classlabels_ints", strings: "classlabels_strings")
        let rows = FeatureMatrix.rows(c.shape(0))
        c.set(0, labels?.elementType ?? .int64, [rows])
        let scores = c.shape(0)?.last?.value.flatMap { n in
          n > 0 ? (try? c.floats("coefficients")).map { $0.count / n } : nil
        }
        c.set(1, .float, [rows, scores.map { .known($0 == 1 && labels?.count == 2 ? 2 : $0) } ?? .unknown])
      },
      kernel: { c in
        let labels = try ClassLabels(c, ints: "classlabels_ints", strings: "classlabels_strings")
        let coefficients = try c.floats("coefficients").map(Double.init)
        let intercepts = try (c.optionalFloats("intercepts") ?? []).map(Double.init)
        let transform = try PostTransform(attribute: c.string("post_transform"))
        return { r in
          let x = try FeatureMatrix(r.input(0))
          var (scores, width) = try product(x, coefficients, intercepts)
          if width == 1, labels?.count == 2 {
            scores = scores.flatMap { [-$0, $0] }
            width = 2
          }
          transform.apply(&scores, width: width)
          try r.setFloats(1, scores, [x.rows, width])
          try r.setOutput(0, classes(scores, x.rows, width, labels, threshold: transform == .none ? 0 : 0.5))
        }
      }),
    OperatorDefinition(
      "LinearRegressor", domain: "ai.onnx.ml", since: [1], inputs: [.required("X", "T")],
      outputs: [.required("Y", "Y")], types: ["T": .features],
      attributes: [
        .floats("coefficients"), .floats("intercepts"), .string("post_transform", "NONE"), .int("targets", 1),
      ],
      exactness: .accumulating,
      infer: { c in c.set(0, .float, [FeatureMatrix.rows(c.shape(0)), .known(try c.int("targets"))]) },
      kernel: { c in
        let coefficients = try (c.optionalFloats("coefficients") ?? []).map(Double.init)
        let intercepts = try (c.optionalFloats("intercepts") ?? []).map(Double.init)
        let transform = try PostTransform(attribute: c.string("post_transform"))
        let targets = try c.int("targets")
        return { r in
          let x = try FeatureMatrix(r.input(0))
          var (scores, width) = try product(x, coefficients, intercepts)
          guard width == targets else {
            throw SwiftletError(.invalidModel, "\(coefficients.count) coefficients for \(targets) targets of \(x.columns) features")
          }
          transform.apply(&scores, width: width)
          try r.setFloats(0, scores, [x.rows, width])
        }
      }),
  ]

  private static func product(
    _ x: FeatureMatrix, _ coefficients: [Double], _ intercepts: [Double]
  ) throws -> ([Double], Int) {
    guard x.columns > 0, coefficients.count % x.columns == 0 else {
      throw SwiftletError(.shape, "\(coefficients.count) coefficients don't fit \(x.columns) features")
    }
    let width = coefficients.count / x.columns
    guard intercepts.isEmpty || intercepts.count == width || intercepts.count == 1 else {
      throw SwiftletError(.invalidModel, "\(intercepts.count) intercepts for \(width) scores")
    }
    var scores: [Double] = []
    scores.reserveCapacity(x.rows * width)
    for r in 0..<x.rows {
      for w in 0..<width {
        var s = intercepts.isEmpty ? 0 : intercepts[intercepts.count == 1 ? 0 : w]
        for i in 0..<x.columns { s += x.values[r * x.columns + i] * coefficients[w * x.columns + i] }
        scores.append(s)
      }
    }
    return (scores, width)
  }

  /// The winning label of each row; with one score, whether it passes the threshold.
  private static func classes(
    _ scores: [Double], _ rows: Int, _ width: Int, _ labels: ClassLabels?, threshold: Double
  ) throws -> Tensor {
    if width > 1 {
      let best = (0..<rows).map { largestIndex(scores[$0 * width..<($0 + 1) * width]) }
      guard let labels else { return try Tensor(best.map(Int64.init)) }
      guard labels.count >= width else { throw SwiftletError(.invalidModel, "\(labels.count) labels for \(width) classes") }
      return try labels.tensor(best)
    }
    switch labels {
    case .strings(let s): return try Tensor(strings: scores.map { $0 >= threshold ? s[0] : "" }, [rows])
    case .ints(let v): return try Tensor(scores.map { $0 >= threshold ? Int64(v[0]) : 0 })
    case nil: return try Tensor(scores.map { $0 >= threshold ? Int64(1) : 0 })
    }
  }
}
