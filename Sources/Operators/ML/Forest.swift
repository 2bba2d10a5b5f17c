import Kernels
import Tensors

/// Decision trees as flat arrays, whatever operator they come from. Checked to be free of cycles.
final class Forest: @unchecked Sendable {
  enum Mode: UInt8 {
    case lessOrEqual = 0, less, greaterOrEqual, greater, equal, notEqual, member

    init(name: String) throws {
      switch name {
      case "BRANCH_LEQ": self = .lessOrEqual
      case "BRANCH_LT": self = .less
      case "BRANCH_GTE": self = .greaterOrEqual
      case "BRANCH_GT": self = .greater
      case "BRANCH_EQ": self = .equal
      case "BRANCH_NEQ": self = .notEqual
      case "BRANCH_MEMBER": self = .member
      default: throw SwiftletError(.invalidModel, "tree node mode '\(name)' is not known")
      }
    }
  }
  /// A test; children below 0 are leaves: ~index.
  struct Node {
    var feature: Int
    var mode: Mode
    var missingTracksTrue: Bool
    var value: Double
    var whenTrue: Int
    var whenFalse: Int
    /// For `.member`: which set.
    var set = -1
  }
  struct Weight {
    var target: Int
    var value: Double
  }
  enum Aggregate { case sum, average, min, max }

  let nodes: [Node]
  /// A node, or ~leaf for trees of one leaf.
  let roots: [Int]
  /// Ranges of `weights`, per leaf.
  let leaves: [Range<Int>]
  let weights: [Weight]
  let sets: [Set<Double>]
  let targets: Int
  let featureCount: Int
  /// Where all nodes ask alike, which is the rule.
  private let walk: ForestWalk?

  init(nodes: [Node], roots: [Int], leaves: [Range<Int>], weights: [Weight], sets: [Set<Double>] = [], targets: Int) throws {
    for n in nodes {
      for c in [n.whenTrue, n.whenFalse] where c >= nodes.count || (c < 0 && ~c >= leaves.count) {
        throw SwiftletError(.invalidModel, "a tree node refers to a node that isn't there")
      }
      if n.feature < 0 { throw SwiftletError(.invalidModel, "negative feature number in a tree") }
    }
    for r in roots where r >= nodes.count || (r < 0 && ~r >= leaves.count) {
      throw SwiftletError(.invalidModel, "a tree's root isn't there")
    }
    for w in weights where w.target < 0 || w.target >= targets {
      throw SwiftletError(.invalidModel, "a leaf's target \(w.target) is out of range for \(targets)")
    }
    try Self.checkAcyclic(nodes, roots)
    self.nodes = nodes
    self.roots = roots
    self.leaves = leaves
    self.weights = weights
    self.sets = sets
    self.targets = targets
    featureCount = (nodes.map(\.feature).max() ?? -1) + 1
    walk = Self.walk(nodes, leafCount: leaves.count, roots)
  }

  private static func walk(_ nodes: [Node], leafCount: Int, _ roots: [Int]) -> ForestWalk? {
    let mode = nodes.first?.mode ?? .lessOrEqual
    guard nodes.allSatisfy({ $0.mode == mode }) else { return nil }
    let test: ForestWalk.Test
    switch mode {
    case .lessOrEqual: test = .lessOrEqual
    case .less: test = .less
    case .greaterOrEqual: test = .greaterOrEqual
    case .greater: test = .greater
    default: return nil
    }
    return ForestWalk(
      test,
      nodes: nodes.map {
        .init(
          feature: $0.feature, value: $0.value, missingTracksTrue: $0.missingTracksTrue, whenTrue: $0.whenTrue,
          whenFalse: $0.whenFalse)
      }, leafCount: leafCount, roots: roots)
  }

  private static func checkAcyclic(_ nodes: [Node], _ roots: [Int]) throws {
    // 0: not seen, 1: on the path, 2: done.
    var state = [UInt8](repeating: 0, count: nodes.count)
    for root in roots where root >= 0 {
      var stack = [(root, 0)]
      while let (n, step) = stack.last {
        if step == 2 {
          state[n] = 2
          stack.removeLast()
          continue
        }
        if step == 0 { state[n] = 1 }
        stack[stack.count - 1].1 += 1
        let child = step == 0 ? nodes[n].whenTrue : nodes[n].whenFalse
        guard child >= 0 else { continue }
        if state[child] == 1 { throw SwiftletError(.invalidModel, "a tree has a cycle") }
        if state[child] == 0 { stack.append((child, 0)) }
      }
    }
  }

  private func leaf(_ root: Int, _ x: UnsafePointer<Double>) -> Int {
    var at = root
    while at >= 0 {
      let n = nodes[at]
      let v = x[n.feature]
      let isTrue: Bool =
        switch n.mode {
        case .lessOrEqual: v <= n.value
        case .less: v < n.value
        case .greaterOrEqual: v >= n.value
        case .greater: v > n.value
        case .equal: v == n.value
        case .notEqual: v != n.value
        case .member: sets.indices.contains(n.set) && sets[n.set].contains(v)
        }
      at = isTrue || (n.missingTracksTrue && v.isNaN) ? n.whenTrue : n.whenFalse
    }
    return ~at
  }

  /// Scores [rows, targets].
  func run(_ x: FeatureMatrix, _ aggregate: Aggregate, pool: ThreadPool) throws -> [Double] {
    guard x.columns >= featureCount else {
      throw SwiftletError(.shape, "the trees test \(featureCount) features, the input has \(x.columns)")
    }
    let count = try Checked.multiply(x.rows, targets)
    var scores = [Double](repeating: 0, count: count)
    if count == 0 || x.columns == 0 { return scores }
    scores.withUnsafeMutableBufferPointer { out in
      x.values.withUnsafeBufferPointer { values in
        guard let y = out.baseAddress, let input = values.baseAddress else { return }
        pool.parallel(over: x.rows, grain: 64) { range in
          if let walk = self.walk {
            walk.run(input, rows: range, columns: x.columns) { row, leaves in
              self.add(leaves.lazy.map { Int($0) }, to: y + row * self.targets, aggregate)
            }
          } else {
            for row in range {
              let from = input + row * x.columns
              self.add(self.roots.lazy.map { self.leaf($0, from) }, to: y + row * self.targets, aggregate)
            }
          }
        }
      }
    }
    return scores
  }

  /// Adds up what the trees' leaves say.
  @inline(__always)
  private func add(_ reached: some Sequence<Int>, to y: UnsafeMutablePointer<Double>, _ aggregate: Aggregate) {
    if aggregate == .min || aggregate == .max {
      var seen = [Bool](repeating: false, count: targets)
      for leaf in reached {
        for w in weights[leaves[leaf]] {
          y[w.target] = !seen[w.target] ? w.value : aggregate == .min ? min(y[w.target], w.value) : max(y[w.target], w.value)
          seen[w.target] = true
        }
      }
      return
    }
    weights.withUnsafeBufferPointer { weights in
      leaves.withUnsafeBufferPointer { leaves in
        for leaf in reached { for i in leaves[leaf] { y[weights[i].target] += weights[i].value } }
      }
    }
    if aggregate == .average, !roots.isEmpty { for t in 0..<targets { y[t] /= Double(roots.count) } }
  }
}
