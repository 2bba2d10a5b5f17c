import Tensors

/// A set of byte positions, kept as ranges that don't touch.
struct ByteRanges {
  private(set) var ranges: [Range<Int>] = []
  private(set) var count = 0

  /// The index of the first range that ends at or behind `position`.
  private func index(of position: Int) -> Int {
    var low = 0
    var high = ranges.count
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < position { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Adds a range and returns the parts of it that weren't there.
  mutating func insert(_ new: Range<Int>) -> [Range<Int>] {
    guard !new.isEmpty else { return [] }
    let first = index(of: new.lowerBound)
    var last = first
    var at = new.lowerBound
    var fresh: [Range<Int>] = []
    while last < ranges.count, ranges[last].lowerBound <= new.upperBound {
      if at < ranges[last].lowerBound { fresh.append(at..<ranges[last].lowerBound) }
      at = max(at, ranges[last].upperBound)
      last += 1
    }
    if at < new.upperBound { fresh.append(at..<new.upperBound) }
    let lower = last > first ? min(new.lowerBound, ranges[first].lowerBound) : new.lowerBound
    ranges.replaceSubrange(first..<last, with: [lower..<max(at, new.upperBound)])
    count += fresh.reduce(0) { $0 + $1.count }
    return fresh
  }

  /// Takes a range out.
  mutating func remove(_ gone: Range<Int>) {
    let first = index(of: gone.lowerBound)
    var last = first
    var kept: [Range<Int>] = []
    while last < ranges.count, ranges[last].lowerBound < gone.upperBound {
      let r = ranges[last]
      if r.lowerBound < gone.lowerBound { kept.append(r.lowerBound..<min(r.upperBound, gone.lowerBound)) }
      if gone.upperBound < r.upperBound { kept.append(max(r.lowerBound, gone.upperBound)..<r.upperBound) }
      last += 1
    }
    count -= ranges[first..<last].reduce(0) { $0 + $1.count } - kept.reduce(0) { $0 + $1.count }
    ranges.replaceSubrange(first..<last, with: kept)
  }

  /// The parts of a range that aren't there.
  func missing(in range: Range<Int>) -> [Range<Int>] {
    var copy = self
    return copy.insert(range)
  }
}
