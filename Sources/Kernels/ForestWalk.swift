import CKernels
import Tensors

/// Decision trees whose nodes all make the same kind of test, ready for the kernel.
public struct ForestWalk: @unchecked Sendable {
  public enum Test: Sendable { case lessOrEqual, less, greaterOrEqual, greater }
  /// Children below 0 are leaves: ~number.
  public struct Node: Sendable {
    let feature, whenTrue, whenFalse: Int
    let missingTracksTrue: Bool
    let value: Double
    public init(feature: Int, value: Double, missingTracksTrue: Bool, whenTrue: Int, whenFalse: Int) {
      self.feature = feature
      self.value = value
      self.missingTracksTrue = missingTracksTrue
      self.whenTrue = whenTrue
      self.whenFalse = whenFalse
    }
  }

  private let nodes: [swk_tree_node]
  private let roots: [Int32]
  private let firstLeaf: Int32
  private let test: swk_tree_test
  public var treeCount: Int { roots.count }

  /// - Parameters:
  ///   - roots: a node each, or ~leaf. Children and roots must be there, and the trees without cycles.
  /// - Returns: nil for more than 2^31 nodes.
  public init?(_ test: Test, nodes: some Collection<Node>, leafCount: Int, roots: [Int]) {
    guard nodes.count + leafCount <= Int(Int32.max), nodes.allSatisfy({ $0.feature <= Int(Int32.max) }) else { return nil }
    let count = nodes.count
    func place(_ child: Int) -> Int32 { Int32(child >= 0 ? child : count + ~child) }
    let leaves = (0..<leafCount).map { i in
      swk_tree_node(
        value: 0, feature: 0, when_true: Int32(count + i), when_false: Int32(count + i), missing_tracks_true: 0)
    }
    self.nodes =
      nodes.map {
        swk_tree_node(
          value: $0.value, feature: Int32($0.feature), when_true: place($0.whenTrue), when_false: place($0.whenFalse),
          missing_tracks_true: $0.missingTracksTrue ? 1 : 0)
      } + leaves
    self.roots = roots.map(place)
    firstLeaf = Int32(count)
    self.test =
      switch test {
      case .lessOrEqual: SWK_TREE_LEQ
      case .less: SWK_TREE_LT
      case .greaterOrEqual: SWK_TREE_GEQ
      case .greater: SWK_TREE_GT
      }
  }

  /// Calls `body` with the leaves of each row, tree by tree. `x`: [rows, columns], with a column for every feature.
  public func run(
    _ x: UnsafePointer<Double>, rows: Range<Int>, columns: Int, _ body: (_ row: Int, UnsafeBufferPointer<Int32>) -> Void
  ) {
    let step = max(1, min(rows.count, 4096 / max(roots.count, 1)))
    withUnsafeTemporaryAllocation(of: Int32.self, capacity: step * roots.count) { leaves in
      guard let base = leaves.baseAddress else { return }
      for start in stride(from: rows.lowerBound, to: rows.upperBound, by: step) {
        let count = min(step, rows.upperBound - start)
        swk_forest_leaves(nodes, firstLeaf, test, roots, roots.count, x + start * columns, count, columns, base)
        for i in 0..<count * roots.count { leaves[i] -= firstLeaf }
        for r in 0..<count { body(start + r, UnsafeBufferPointer(start: base + r * roots.count, count: roots.count)) }
      }
    }
  }
}
