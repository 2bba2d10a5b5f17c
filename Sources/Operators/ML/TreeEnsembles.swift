import Tensors

/// TreeEnsembleClassifier, TreeEnsembleRegressor and TreeEnsemble.
enum TreeEnsembles {
  static let definitions = [classifier, regressor, ensemble]
  private static let domain = "ai.onnx.ml"

  private static let nodeAttributes: [AttributeSpec] = [
    .floats("base_values"), .optional(.tensor, "base_values_as_tensor"), .ints("nodes_falsenodeids"),
    .ints("nodes_featureids"), .floats("nodes_hitrates"), .optional(.tensor, "nodes_hitrates_as_tensor"),
    .ints("nodes_missing_value_tracks_true"), .strings("nodes_modes"), .ints("nodes_nodeids"), .ints("nodes_treeids"),
    .ints("nodes_truenodeids"), .floats("nodes_values"), .optional(.tensor, "nodes_values_as_tensor"),
    .string("post_transform", "NONE"),
  ]
  private static func leafAttributes(_ prefix: String) -> [AttributeSpec] {
    [
      .ints("\(prefix)_ids"), .ints("\(prefix)_nodeids"), .ints("\(prefix)_treeids"), .floats("\(prefix)_weights"),
      .optional(.tensor, "\(prefix)_weights_as_tensor"),
    ]
  }

  private static func numbers(_ c: some NodeReading, _ name: String) throws -> [Double] {
    if let t = try c.optionalTensor("\(name)_as_tensor") { return try t.doubles() }
    return try (c.optionalFloats(name) ?? []).map(Double.init)
  }

  private struct Name: Hashable {
    let tree: Int
    let node: Int
  }

  /// The forest of versions 1 and 3, whose nodes are named by tree and node number.
  private static func forest(_ c: some NodeReading, leaves prefix: String, targets: Int) throws -> Forest {
    func ints(_ name: String) throws -> [Int] { try c.optionalInts(name) ?? [] }
    let trees = try ints("nodes_treeids")
    let ids = try ints("nodes_nodeids")
    let features = try ints("nodes_featureids")
    let whenTrue = try ints("nodes_truenodeids")
    let whenFalse = try ints("nodes_falsenodeids")
    let modes = try c.optionalStrings("nodes_modes") ?? []
    let values = try numbers(c, "nodes_values")
    let missing = try ints("nodes_missing_value_tracks_true")
    let n = ids.count
    guard [trees.count, features.count, whenTrue.count, whenFalse.count, modes.count, values.count].allSatisfy({ $0 == n }),
      missing.isEmpty || missing.count == n
    else { throw SwiftletError(.invalidModel, "the lists of tree nodes differ in length") }

    // Leaves first, as they come; then their weights.
    var place: [Name: Int] = [:]
    var leafCount = 0
    var nodeCount = 0
    for i in 0..<n {
      let name = Name(tree: trees[i], node: ids[i])
      if place[name] != nil { throw SwiftletError(.invalidModel, "tree \(name.tree) has two nodes \(name.node)") }
      if modes[i] == "LEAF" {
        place[name] = ~leafCount
        leafCount += 1
      } else {
        place[name] = nodeCount
        nodeCount += 1
      }
    }
    var nodes: [Forest.Node] = []
    var roots: [Int] = []
    var lastTree: Int?
    for i in 0..<n {
      // The first node of a tree is its root.
      if trees[i] != lastTree {
        lastTree = trees[i]
        if let p = place[Name(tree: trees[i], node: ids[i])] { roots.append(p) }
      }
      if modes[i] == "LEAF" { continue }
      guard let t = place[Name(tree: trees[i], node: whenTrue[i])], let f = place[Name(tree: trees[i], node: whenFalse[i])] else {
        throw SwiftletError(.invalidModel, "node \(ids[i]) of tree \(trees[i]) refers to a node that isn't there")
      }
      nodes.append(
        Forest.Node(
          feature: features[i], mode: try Forest.Mode(name: modes[i]), missingTracksTrue: !missing.isEmpty && missing[i] != 0,
          value: values[i], whenTrue: t, whenFalse: f))
    }
    let weightTrees = try ints("\(prefix)_treeids")
    let weightNodes = try ints("\(prefix)_nodeids")
    let weightTargets = try ints("\(prefix)_ids")
    let weightValues = try numbers(c, "\(prefix)_weights")
    guard [weightNodes.count, weightTargets.count, weightValues.count].allSatisfy({ $0 == weightTrees.count }) else {
      throw SwiftletError(.invalidModel, "the lists of \(prefix) weights differ in length")
    }
    var byLeaf = [[Forest.Weight]](repeating: [], count: leafCount)
    for i in weightTrees.indices {
      guard let p = place[Name(tree: weightTrees[i], node: weightNodes[i])], p < 0 else { continue }
      byLeaf[~p].append(Forest.Weight(target: weightTargets[i], value: weightValues[i]))
    }
    var weights: [Forest.Weight] = []
    var leaves: [Range<Int>] = []
    for list in byLeaf {
      leaves.append(weights.count..<weights.count + list.count)
      weights += list
    }
    return try Forest(nodes: nodes, roots: roots, leaves: leaves, weights: weights, targets: targets)
  }

  private static let classifier = OperatorDefinition(
    "TreeEnsembleClassifier", domain: domain, since: [1, 3, 5], inputs: [.required("X", "T1")],
    outputs: [.required("Y", "T2"), .required("Z", "Z")], types: ["T1": .features],
    attributes: nodeAttributes + leafAttributes("class") + [.ints("classlabels_int64s"), .strings("classlabels_strings")],
    exactness: .accumulating,
    infer: { c in
      let labels = try ClassLabels(c, ints: "classlabels_int64s", strings: "classlabels_strings")
      let rows = FeatureMatrix.rows(c.shape(0))
      c.set(0, labels?.elementType ?? .int64, [rows])
      c.set(1, .float, [rows, labels.map { .known($0.count == 1 ? 2 : $0.count) } ?? .unknown])
    },
    kernel: { c in
      guard let labels = try ClassLabels(c, ints: "classlabels_int64s", strings: "classlabels_strings") else {
        throw SwiftletError(.invalidModel, "TreeEnsembleClassifier needs class labels")
      }
      let transform = try PostTransform(attribute: c.string("post_transform"))
      let forest = try forest(c, leaves: "class", targets: max(labels.count, 1))
      let base = try numbers(c, "base_values")
      guard base.isEmpty || base.count == labels.count || base.count == 1 else {
        throw SwiftletError(.invalidModel, "\(base.count) base values for \(labels.count) classes")
      }
      // One score for two classes: the positive one's.
      let scored = Set(forest.weights.map(\.target))
      let isBinary = labels.count <= 2 && scored.count == 1
      let positive = isBinary ? scored.first ?? 0 : 0
      let allPositive = forest.weights.allSatisfy { $0.value >= 0 }
      return { r in
        let x = try FeatureMatrix(r.input(0))
        let held = try r.hold(Checked.multiply(x.rows, forest.targets), of: Double.self)
        defer { withExtendedLifetime(held) {} }
        var scores = try forest.run(x, .sum, pool: r.pool)
        let width = forest.targets
        var classes: [Int] = []
        if isBinary {
          let shift = base.isEmpty ? 0 : base[base.count - 1]
          let single = (0..<x.rows).map { scores[$0 * width + positive] + shift }
          scores = []
          for s in single {
            classes.append(s > (allPositive ? 0.5 : 0) ? 1 : 0)
            var pair = transform == .probit || allPositive ? [1 - s, s] : [-s, s]
            if transform == .probit { pair = pair.map(PostTransform.probit) }
            if transform == .logistic { pair = [-s, s].map(PostTransform.logistic) }
            scores += pair
          }
          try r.setFloats(1, scores, [x.rows, 2])
        } else {
          for row in 0..<x.rows {
            let range = row * width..<(row + 1) * width
            if !base.isEmpty { for i in range { scores[i] += base[base.count == 1 ? 0 : i - range.lowerBound] } }
            classes.append(largestIndex(scores[range]))
          }
          transform.apply(&scores, width: width)
          try r.setFloats(1, scores, [x.rows, width])
        }
        if labels.count == 1 {
          // A single label names the positive class; the other is 0 or "".
          if case .strings(let s) = labels {
            return try r.setOutput(0, Tensor(strings: classes.map { $0 == 1 ? s[0] : "" }, [x.rows]))
          }
          guard case .ints(let v) = labels else { return }
          return try r.setOutput(0, Tensor(classes.map { $0 == 1 ? Int64(v[0]) : 0 }))
        }
        try r.setOutput(0, labels.tensor(classes))
      }
    })

  private static let regressor = OperatorDefinition(
    "TreeEnsembleRegressor", domain: domain, since: [1, 3, 5], inputs: [.required("X", "T")],
    outputs: [.required("Y", "Y")], types: ["T": .features],
    attributes: nodeAttributes + leafAttributes("target") + [.string("aggregate_function", "SUM"), .int("n_targets")],
    exactness: .accumulating,
    infer: { c in
      c.set(0, .float, [FeatureMatrix.rows(c.shape(0)), try c.optionalInt("n_targets").map { .known($0) } ?? .unknown])
    },
    kernel: { c in
      let targets = try c.int("n_targets")
      guard targets > 0 else { throw SwiftletError(.invalidModel, "n_targets must be positive") }
      let transform = try PostTransform(attribute: c.string("post_transform"))
      let forest = try forest(c, leaves: "target", targets: targets)
      let base = try numbers(c, "base_values")
      guard base.isEmpty || base.count == targets || base.count == 1 else {
        throw SwiftletError(.invalidModel, "\(base.count) base values for \(targets) targets")
      }
      let aggregate: Forest.Aggregate
      switch try c.string("aggregate_function") {
      case "SUM": aggregate = .sum
      case "AVERAGE": aggregate = .average
      case "MIN": aggregate = .min
      case "MAX": aggregate = .max
      case let name: throw SwiftletError(.invalidModel, "aggregate_function '\(name)' is not known")
      }
      return { r in
        let x = try FeatureMatrix(r.input(0))
        let held = try r.hold(Checked.multiply(x.rows, forest.targets), of: Double.self)
        defer { withExtendedLifetime(held) {} }
        var scores = try forest.run(x, aggregate, pool: r.pool)
        if !base.isEmpty { for i in scores.indices { scores[i] += base[base.count == 1 ? 0 : i % targets] } }
        transform.apply(&scores, width: targets)
        try r.setFloats(0, scores, [x.rows, targets])
      }
    })

  /// Version 5: nodes and leaves in lists of their own, referred to by position.
  private static let ensemble = OperatorDefinition(
    "TreeEnsemble", domain: domain, since: [5], inputs: [.required("X", "T")], outputs: [.required("Y", "T")],
    types: ["T": TypeSet(.float, .double, .float16)],
    attributes: [
      .int("aggregate_function", 1), .required(.ints, "leaf_targetids"), .required(.tensor, "leaf_weights"),
      .optional(.tensor, "membership_values"), .int("n_targets"), .required(.ints, "nodes_falseleafs"),
      .required(.ints, "nodes_falsenodeids"), .required(.ints, "nodes_featureids"), .optional(.tensor, "nodes_hitrates"),
      .ints("nodes_missing_value_tracks_true"), .required(.tensor, "nodes_modes"), .required(.tensor, "nodes_splits"),
      .required(.ints, "nodes_trueleafs"), .required(.ints, "nodes_truenodeids"), .int("post_transform", 0),
      .required(.ints, "tree_roots"),
    ],
    exactness: .accumulating,
    infer: { c in
      c.set(
        0, c.elementType(0), [FeatureMatrix.rows(c.shape(0)), try c.optionalInt("n_targets").map { .known($0) } ?? .unknown])
    },
    kernel: { c in
      let targets = try c.int("n_targets")
      guard targets > 0 else { throw SwiftletError(.invalidModel, "n_targets must be positive") }
      let forest = try flatForest(c, targets: targets)
      let transform = try PostTransform(number: c.int("post_transform"))
      let aggregates: [Forest.Aggregate] = [.average, .sum, .min, .max]
      let a = try c.int("aggregate_function")
      guard aggregates.indices.contains(a) else { throw SwiftletError(.invalidModel, "aggregate_function \(a) is not known") }
      return { r in
        let t = try r.input(0)
        let x = try FeatureMatrix(t)
        var scores = try forest.run(x, aggregates[a], pool: r.pool)
        transform.apply(&scores, width: targets)
        if t.type == .double { return try r.setOutput(0, Tensor(scores, [x.rows, targets])) }
        try r.setFloats(0, scores, [x.rows, targets])
      }
    })

  private static func flatForest(_ c: some NodeReading, targets: Int) throws -> Forest {
    let features = try c.ints("nodes_featureids")
    let modes = try c.tensor("nodes_modes").ints()
    let splits = try c.tensor("nodes_splits").doubles()
    let whenTrue = try c.ints("nodes_truenodeids")
    let whenFalse = try c.ints("nodes_falsenodeids")
    let trueLeaf = try c.ints("nodes_trueleafs")
    let falseLeaf = try c.ints("nodes_falseleafs")
    let missing = try c.optionalInts("nodes_missing_value_tracks_true") ?? []
    let n = features.count
    guard [modes.count, splits.count, whenTrue.count, whenFalse.count, trueLeaf.count, falseLeaf.count].allSatisfy({ $0 == n }),
      missing.isEmpty || missing.count == n
    else { throw SwiftletError(.invalidModel, "the lists of tree nodes differ in length") }
    let leafTargets = try c.ints("leaf_targetids")
    let leafWeights = try c.tensor("leaf_weights").doubles()
    guard leafTargets.count == leafWeights.count else {
      throw SwiftletError(.invalidModel, "leaf_targetids and leaf_weights differ in length")
    }
    // Sets of values, each ended by NaN, in the order of the nodes that test membership.
    let members = try c.optionalTensor("membership_values")?.doubles() ?? []
    let sets = split(members)
    var nextSet = 0
    var nodes: [Forest.Node] = []
    for i in 0..<n {
      guard let raw = UInt8(exactly: modes[i]), let mode = Forest.Mode(rawValue: raw) else {
        throw SwiftletError(.invalidModel, "tree node mode \(modes[i]) is not known")
      }
      func child(_ id: Int, _ isLeaf: Int) throws -> Int {
        guard id >= 0 else { throw SwiftletError(.invalidModel, "negative node number in a tree") }
        return isLeaf != 0 ? ~id : id
      }
      var node = Forest.Node(
        feature: features[i], mode: mode, missingTracksTrue: !missing.isEmpty && missing[i] != 0, value: splits[i],
        whenTrue: try child(whenTrue[i], trueLeaf[i]), whenFalse: try child(whenFalse[i], falseLeaf[i]))
      if mode == .member {
        node.set = nextSet
        nextSet += 1
      }
      nodes.append(node)
    }
    guard nextSet <= sets.count else { throw SwiftletError(.invalidModel, "membership_values has \(sets.count) sets, \(nextSet) are due") }
    let weights = zip(leafTargets, leafWeights).map { Forest.Weight(target: $0, value: $1) }
    // A tree of one leaf is written as a node whose children are the same leaf.
    return try Forest(
      nodes: nodes, roots: try c.ints("tree_roots"), leaves: weights.indices.map { $0..<$0 + 1 }, weights: weights,
      sets: sets, targets: targets)
  }

  private static func split(_ members: [Double]) -> [Set<Double>] {
    var sets: [Set<Double>] = []
    var current = Set<Double>()
    for v in members {
      if v.isNaN {
        sets.append(current)
        current = []
      } else {
        current.insert(v)
      }
    }
    if !current.isEmpty { sets.append(current) }
    return sets
  }
}
