import Kernels
import Testing

@Suite struct ForestWalkTests {
  /// Complete trees of a depth: node i of a tree has the children 2i + 1 and 2i + 2.
  @Test(arguments: [ForestWalk.Test.lessOrEqual, .less, .greaterOrEqual, .greater])
  func everyRowReachesItsLeaf(test: ForestWalk.Test) throws {
    var generator = Generator(seed: 5)
    let columns = 7
    for (trees, depth, rows) in [(1, 0, 3), (1, 4, 1), (5, 3, 9), (60, 6, 33)] {
      let inner = 1 << depth - 1, leafCount = trees << depth
      var nodes: [ForestWalk.Node] = [], tests: [(feature: Int, value: Double, missing: Bool)] = []
      for t in 0..<trees {
        for i in 0..<inner {
          func child(_ c: Int) -> Int { c < inner ? t * inner + c : ~(t << depth + c - inner) }
          let feature = Int(generator.floats(1, in: 0...6.9)[0]), value = Double(Int(generator.floats(1, in: -3...3)[0]))
          tests.append((feature, value, i % 3 == 0))
          nodes.append(
            .init(
              feature: feature, value: value, missingTracksTrue: i % 3 == 0, whenTrue: child(2 * i + 1),
              whenFalse: child(2 * i + 2)))
        }
      }
      let roots = (0..<trees).map { depth == 0 ? ~$0 : $0 * inner }
      let walk = try #require(ForestWalk(test, nodes: nodes, leafCount: leafCount, roots: roots))
      let x = generator.floats(rows * columns, in: -3...3).enumerated().map { $0 % 11 == 3 ? Double.nan : Double(Int($1)) }
      func holds(_ v: Double, _ t: (feature: Int, value: Double, missing: Bool)) -> Bool {
        if v.isNaN { return t.missing }
        return switch test {
        case .lessOrEqual: v <= t.value
        case .less: v < t.value
        case .greaterOrEqual: v >= t.value
        case .greater: v > t.value
        }
      }
      var seen = 0
      walk.run(x, rows: 0..<rows, columns: columns) { row, leaves in
        for t in 0..<trees {
          var i = 0
          while i < inner {
            let node = tests[t * inner + i]
            i = 2 * i + (holds(x[row * columns + node.feature], node) ? 1 : 2)
          }
          if Int(leaves[t]) == t << depth + i - inner { seen += 1 }
        }
      }
      #expect(seen == rows * trees)
    }
  }
}
