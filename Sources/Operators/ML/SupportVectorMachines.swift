import Glibc
import Tensors

/// SVMClassifier and SVMRegressor, after libsvm (Chang and Lin, "LIBSVM: a library for support vector machines", 2011).
enum SupportVectorMachines {
  static let definitions = [classifier, regressor]
  private static let domain = "ai.onnx.ml"

  private struct Kernel {
    let type: String
    let gamma: Double
    let coef0: Double
    let degree: Double

    init(_ c: some NodeReading) throws {
      type = try c.string("kernel_type")
      guard ["LINEAR", "POLY", "RBF", "SIGMOID"].contains(type) else {
        throw SwiftletError(.invalidModel, "kernel_type '\(type)' is not known")
      }
      let p = try (c.optionalFloats("kernel_params") ?? []).map(Double.init)
      gamma = p.isEmpty ? 0 : p[0]
      coef0 = p.count > 1 ? p[1] : 0
      degree = p.count > 2 ? p[2] : 0
    }
    func callAsFunction(_ a: ArraySlice<Double>, _ b: ArraySlice<Double>) -> Double {
      if type == "RBF" { return exp(-gamma * zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }) }
      let dot = zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
      switch type {
      case "POLY": return pow(gamma * dot + coef0, degree)
      case "SIGMOID": return tanh(gamma * dot + coef0)
      default: return dot
      }
    }
  }

  private static func doubles(_ c: some NodeReading, _ name: String) throws -> [Double] {
    try (c.optionalFloats(name) ?? []).map(Double.init)
  }

  private static let regressor = OperatorDefinition(
    "SVMRegressor", domain: domain, since: [1], inputs: [.required("X", "T")], outputs: [.required("Y", "Y")],
    types: ["T": .features],
    attributes: [
      .floats("coefficients"), .floats("kernel_params"), .string("kernel_type", "LINEAR"), .int("n_supports", 0),
      .int("one_class", 0), .string("post_transform", "NONE"), .floats("rho"), .floats("support_vectors"),
    ],
    exactness: .accumulating,
    infer: { c in c.set(0, .float, [FeatureMatrix.rows(c.shape(0)), .known(1)]) },
    kernel: { c in
      let kernel = try Kernel(c)
      let coefficients = try doubles(c, "coefficients")
      let vectors = try doubles(c, "support_vectors")
      let supports = try c.int("n_supports")
      let rho = try doubles(c, "rho").first ?? 0
      let isOneClass = try c.bool("one_class")
      let transform = try PostTransform(attribute: c.string("post_transform"))
      guard supports >= 0, supports == 0 || (coefficients.count >= supports && vectors.count % supports == 0) else {
        throw SwiftletError(.invalidModel, "\(vectors.count) numbers for \(supports) support vectors")
      }
      return { r in
        let x = try FeatureMatrix(r.input(0))
        guard supports == 0 ? coefficients.count == x.columns : vectors.count / supports == x.columns else {
          throw SwiftletError(.shape, "the support vectors don't have \(x.columns) features")
        }
        var scores = (0..<x.rows).map { row -> Double in
          let features = x.values[row * x.columns..<(row + 1) * x.columns]
          if supports == 0 { return kernel(features, coefficients[...]) + rho }
          return (0..<supports).reduce(rho) {
            $0 + coefficients[$1] * kernel(features, vectors[$1 * x.columns..<($1 + 1) * x.columns])
          }
        }
        if isOneClass { scores = scores.map { $0 > 0 ? 1 : -1 } }
        transform.apply(&scores, width: 1)
        try r.setFloats(0, scores, [x.rows, 1])
      }
    })

  private static let classifier = OperatorDefinition(
    "SVMClassifier", domain: domain, since: [1], inputs: [.required("X", "T1")],
    outputs: [.required("Y", "T2"), .required("Z", "Z")], types: ["T1": .features],
    attributes: [
      .ints("classlabels_ints"), .strings("classlabels_strings"), .floats("coefficients"), .floats("kernel_params"),
      .string("kernel_type", "LINEAR"), .string("post_transform", "NONE"), .floats("prob_a"), .floats("prob_b"),
      .floats("rho"), .floats("support_vectors"), .ints("vectors_per_class"),
    ],
    exactness: .accumulating,
    infer: { c in
      let labels = try ClassLabels(c, ints: "classlabels_ints", strings: "classlabels_strings")
      let rows = FeatureMatrix.rows(c.shape(0))
      c.set(0, labels?.elementType ?? .int64, [rows])
      c.set(1, .float, [rows, .known(try Machine(c, labels?.count ?? 1).width)])
    },
    kernel: { c in
      let labels = try ClassLabels(c, ints: "classlabels_ints", strings: "classlabels_strings")
      let machine = try Machine(c, labels?.count ?? 1)
      return { r in
        let x = try FeatureMatrix(r.input(0))
        var classes: [Int] = []
        var scores: [Double] = []
        for row in 0..<x.rows {
          let (best, s) = try machine.run(x.values[row * x.columns..<(row + 1) * x.columns])
          classes.append(best)
          scores += s
        }
        try r.setFloats(1, scores, [x.rows, machine.width])
        guard let labels else { return try r.setOutput(0, Tensor(classes.map(Int64.init))) }
        // A single label names the positive class.
        if labels.count == 1, case .ints = labels { return try r.setOutput(0, Tensor(classes.map(Int64.init))) }
        try r.setOutput(0, labels.tensor(classes.map { min($0, labels.count - 1) }))
      }
    })

  /// One classifier: linear scores, or pairwise votes of support vectors (with Platt's probabilities if given).
  private struct Machine {
    let kernel: Kernel
    let coefficients: [Double]
    let vectors: [Double]
    let vectorsPerClass: [Int]
    let starts: [Int]
    let vectorCount: Int
    let rho: [Double]
    let a: [Double]
    let b: [Double]
    let classCount: Int
    let transform: PostTransform

    var isLinear: Bool { vectorCount == 0 }
    var hasProbabilities: Bool { !a.isEmpty && !isLinear }
    private var pairs: Int { classCount * (classCount - 1) / 2 }
    private var rawWidth: Int { isLinear || hasProbabilities ? classCount : pairs }
    /// One pairwise score is written as two.
    var width: Int { rawWidth == 1 && rho.count == 1 && classCount == 2 && transform != .probit ? 2 : rawWidth }

    init(_ c: some NodeReading, _ classCount: Int) throws {
      kernel = try Kernel(c)
      coefficients = try doubles(c, "coefficients")
      vectors = try doubles(c, "support_vectors")
      vectorsPerClass = try c.optionalInts("vectors_per_class") ?? []
      rho = try doubles(c, "rho")
      a = try doubles(c, "prob_a")
      b = try doubles(c, "prob_b")
      transform = try PostTransform(attribute: c.string("post_transform"))
      self.classCount = max(classCount, 1)
      var count = 0
      var starts: [Int] = []
      for n in vectorsPerClass {
        guard n >= 0, n <= vectors.count else { throw SwiftletError(.invalidModel, "vectors_per_class \(vectorsPerClass)") }
        starts.append(count)
        count += n
      }
      self.starts = starts
      vectorCount = count
      let pairs = self.classCount * (self.classCount - 1) / 2
      let isRight =
        count == 0
        ? !rho.isEmpty && coefficients.count % self.classCount == 0
        : vectorsPerClass.count == self.classCount && vectors.count % count == 0
          && coefficients.count >= (self.classCount - 1) * count && rho.count >= pairs
          && (a.isEmpty || (a.count >= pairs && b.count >= pairs))
      guard isRight else { throw SwiftletError(.invalidModel, "the lists of the support vector machine don't fit each other") }
    }

    func run(_ x: ArraySlice<Double>) throws -> (Int, [Double]) {
      let features = isLinear ? coefficients.count / classCount : vectors.count / vectorCount
      guard features == x.count else { throw SwiftletError(.shape, "\(features) features are due, not \(x.count)") }
      if isLinear {
        let s = (0..<classCount).map { kernel(x, coefficients[$0 * features..<($0 + 1) * features]) + rho[0] }
        return classCount == 1 ? (s[0] > 0 ? 1 : 0, finished(s)) : (largestIndex(s[...]), finished(s))
      }
      let k = (0..<vectorCount).map { kernel(x, vectors[$0 * features..<($0 + 1) * features]) }
      var votes = [Double](repeating: 0, count: classCount)
      var scores: [Double] = []
      for i in 0..<classCount {
        for j in i + 1..<max(classCount, i + 1) {
          var s = rho[scores.count]
          for v in starts[i]..<starts[i] + vectorsPerClass[i] { s += coefficients[(j - 1) * vectorCount + v] * k[v] }
          for v in starts[j]..<starts[j] + vectorsPerClass[j] { s += coefficients[i * vectorCount + v] * k[v] }
          scores.append(s)
          votes[s > 0 ? i : j] += 1
        }
      }
      if hasProbabilities { scores = probabilities(scores) }
      return (largestIndex(votes[...]), finished(scores))
    }

    private func finished(_ scores: [Double]) -> [Double] {
      var s = scores
      if s.count == 1, width == 2 {
        // What both references make of one score: softmax takes it for a probability.
        if transform == .softmax || transform == .softmaxZero { return [1 - s[0], s[0]] }
        s = [-s[0], s[0]]
      }
      transform.apply(&s, width: s.count)
      return s
    }

    /// Pairwise coupling (Wu, Lin and Weng, "Probability estimates for multi-class classification", 2004, method 2).
    private func probabilities(_ scores: [Double]) -> [Double] {
      let n = classCount
      var r = [Double](repeating: 0, count: n * n)
      var index = 0
      for i in 0..<n {
        for j in i + 1..<max(n, i + 1) {
          let p = min(max(1 - PostTransform.logistic(scores[index] * a[index] + b[index]), 1e-7), 1 - 1e-7)
          r[i * n + j] = p
          r[j * n + i] = 1 - p
          index += 1
        }
      }
      var q = [Double](repeating: 0, count: n * n)
      var p = [Double](repeating: 1 / Double(n), count: n)
      for t in 0..<n {
        for j in 0..<n where j != t {
          q[t * n + t] += r[j * n + t] * r[j * n + t]
          q[t * n + j] = -r[j * n + t] * r[t * n + j]
        }
      }
      for _ in 0..<max(100, n) {
        var qp = (0..<n).map { t in (0..<n).reduce(0) { $0 + q[t * n + $1] * p[$1] } }
        var pqp = zip(p, qp).reduce(0) { $0 + $1.0 * $1.1 }
        if qp.allSatisfy({ abs($0 - pqp) < 0.005 / Double(n) }) { break }
        for t in 0..<n {
          let d = (-qp[t] + pqp) / q[t * n + t]
          p[t] += d
          pqp = (pqp + d * (d * q[t * n + t] + 2 * qp[t])) / (1 + d) / (1 + d)
          for j in 0..<n {
            qp[j] = (qp[j] + d * q[t * n + j]) / (1 + d)
            p[j] /= 1 + d
          }
        }
      }
      return p
    }
  }
}
