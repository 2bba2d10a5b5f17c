import CKernels
import Tensors

/// Where weights aren't zero, and the order of their rows in which groups of rows have most places in common.
struct SparseLayout {
  let rows: Int
  let k: Int
  let nonzeros: Int
  /// The share of the weights that groups of 1, 4 and 8 rows keep.
  let stored: [Double]
  /// Share of the weights that aren't 0.
  var kept: Double { stored[0] }
  var rowBlocks: Int { (rows + SparseWeights.blockRows - 1) / SparseWeights.blockRows }

  /// For groups of 1, 4 and 8: each row's place in its row block, in the order in which rows are grouped.
  private let orders: [[UInt16]]

  init(_ source: SparseSource, pool: ThreadPool?) throws {
    rows = source.rows
    k = source.k
    let words = (k + 63) / 64, blockRows = SparseWeights.blockRows
    let bits = try AlignedMemory(bytes: try Checked.multiply(8, try Checked.multiply(rows, words)))
    let start = bits.start.bindMemory(to: UInt64.self, capacity: rows * words)
    func read(_ row: Int) {
      var c = source.c
      swk_sparse_bits(&c, row, source.k, start + row &* words)
    }
    if let pool { pool.parallel(rows) { row, _ in read(row) } } else { (0..<rows).forEach(read) }
    var orders = SparseChoice.groups.map { _ in (0..<source.rows).map { UInt16($0 % blockRows) } }
    var places = SparseChoice.groups.map { _ in 0 }
    for (i, group) in SparseChoice.groups.enumerated() {
      for first in stride(from: 0, to: rows, by: blockRows) {
        let block = RowBits(start: start + first * words, words: words, rows: min(blockRows, rows - first))
        var count = block.places(group: group, order: Array(0..<block.rows))
        if group > 1, let better = block.similar(group: group) {
          let found = block.places(group: group, order: better)
          // A reorder costs nothing at a run, but it isn't made for a percent.
          if Double(found) < 0.9 * Double(count) {
            count = found
            for (slot, row) in better.enumerated() { orders[i][first + slot] = UInt16(row) }
          }
        }
        places[i] += count
      }
    }
    nonzeros = places[0]
    let all = Double(max(1, rows * k))
    stored = zip(SparseChoice.groups, places).map { Double($0 * $1) / all }
    self.orders = orders
    withExtendedLifetime(bits) {}
  }

  func withOrder<R>(of block: Int, group: Int, _ body: (UnsafePointer<UInt16>) -> R) -> R {
    let i = SparseChoice.groups.firstIndex(of: group) ?? 0
    return orders[i].withUnsafeBufferPointer { all in
      guard let start = all.baseAddress else {
        var none: UInt16 = 0
        return body(&none)
      }
      return body(start + block * SparseWeights.blockRows)
    }
  }
}

/// The bits of a block of rows: set where a row isn't 0.
private struct RowBits {
  let start: UnsafePointer<UInt64>
  let words: Int
  let rows: Int

  /// Places that groups of rows in this order take.
  func places(group: Int, order: [Int]) -> Int {
    var count = 0
    for first in Swift.stride(from: 0, to: rows, by: group) {
      let members = order[first..<min(first + group, rows)]
      for word in 0..<words {
        var all: UInt64 = 0
        for row in members { all |= start[row &* words &+ word] }
        count &+= all.nonzeroBitCount
      }
    }
    return count
  }

  /// Rows in an order that has similar ones together, by greedy search; nil if no two rows have much in common.
  func similar(group: Int) -> [Int]? {
    guard rows > group, rows * rows * words <= 1 << 23 else { return nil }
    let counts = (0..<rows).map { row in (0..<words).reduce(0) { $0 + start[row &* words &+ $1].nonzeroBitCount } }
    guard looksAlike(counts) else { return nil }
    var left = Array(0..<rows), order: [Int] = []
    var union = [UInt64](repeating: 0, count: words)
    while let seed = left.first {
      left.removeFirst()
      order.append(seed)
      for word in 0..<words { union[word] = start[seed &* words &+ word] }
      for _ in 1..<group where !left.isEmpty {
        var best = 0, cost = Int.max
        for (i, row) in left.enumerated() {
          var added = 0
          for word in 0..<words { added &+= (start[row &* words &+ word] & ~union[word]).nonzeroBitCount }
          if added < cost { (best, cost) = (i, added) }
        }
        let row = left.remove(at: best)
        order.append(row)
        for word in 0..<words { union[word] |= start[row &* words &+ word] }
      }
    }
    return order
  }

  /// Has some of the first rows a neighbour that shares far more places with it than chance would have it?
  private func looksAlike(_ counts: [Int]) -> Bool {
    for row in 0..<min(rows, 8) where counts[row] > 0 {
      for other in 0..<rows where other != row {
        var common = 0
        for word in 0..<words {
          common &+= (start[row &* words &+ word] & start[other &* words &+ word]).nonzeroBitCount
        }
        if common &* 2 > counts[row], common &* words &* 64 > 2 &* counts[row] &* counts[other] { return true }
      }
    }
    return false
  }
}
