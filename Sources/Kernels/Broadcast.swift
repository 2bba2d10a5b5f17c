import Tensors

/// numpy's broadcasting.
public enum Broadcast {
  /// The shape that all of `shapes` broadcast to. Throws when they don't.
  public static func shape(_ shapes: [[Int]]) throws -> [Int] {
    var result = [Int](repeating: 1, count: shapes.map(\.count).max() ?? 0)
    for shape in shapes {
      for (i, d) in shape.enumerated() {
        let k = result.count - shape.count + i
        if result[k] == 1 { result[k] = d }
        guard d == 1 || d == result[k] else {
          throw SwiftletError(
            .shape, "shapes that don't broadcast: " + shapes.map { "\($0)" }.joined(separator: ", "))
        }
      }
    }
    return result
  }

  /// Strides in elements with which a tensor of `shape` is read as `outShape`: 0 along broadcast axes.
  public static func strides(of shape: [Int], as outShape: [Int]) throws -> [Int] {
    var strides = [Int](repeating: 0, count: outShape.count)
    guard shape.count <= outShape.count else { throw SwiftletError(.shape, "\(shape) doesn't broadcast to \(outShape)") }
    var stride = 1
    for i in (0..<shape.count).reversed() {
      let k = outShape.count - shape.count + i
      if shape[i] != 1 {
        guard shape[i] == outShape[k] else { throw SwiftletError(.shape, "\(shape) doesn't broadcast to \(outShape)") }
        strides[k] = stride
        stride &*= shape[i]
      }
    }
    return strides
  }

  /// Strides in elements of a contiguous tensor.
  public static func strides(of shape: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: shape.count)
    var stride = 1
    for i in (0..<shape.count).reversed() {
      strides[i] = stride
      stride &*= shape[i]
    }
    return strides
  }
}

/// Nested loops over several operands, with as few loops as their strides allow. The innermost loop is `n`, the one
/// around it together with all others `rows`.
struct Nest {
  /// Outermost first; at least two.
  private(set) var shape: [Int]
  /// Of each operand, one stride for each loop.
  private(set) var strides: [[Int]]
  let rows: Int

  var n: Int { shape[shape.count - 1] }
  /// Iterations of the loop around the innermost.
  var inner: Int { shape[shape.count - 2] }
  func step(_ operand: Int) -> Int { strides[operand][shape.count - 1] }
  func row(_ operand: Int) -> Int { strides[operand][shape.count - 2] }

  init(_ shape: [Int], _ strides: [[Int]]) {
    var dims: [Int] = []
    var steps = [[Int]](repeating: [], count: strides.count)
    for i in shape.indices where shape[i] != 1 {
      let last = dims.count - 1
      if last >= 0, strides.indices.allSatisfy({ steps[$0][last] == strides[$0][i] &* shape[i] }) {
        dims[last] &*= shape[i]
        for k in strides.indices { steps[k][last] = strides[k][i] }
      } else {
        dims.append(shape[i])
        for k in strides.indices { steps[k].append(strides[k][i]) }
      }
    }
    while dims.count < 2 {
      dims.insert(1, at: 0)
      for k in strides.indices { steps[k].insert(0, at: 0) }
    }
    self.shape = dims
    self.strides = steps
    self.rows = dims.dropLast().reduce(1, &*)
  }

  /// Calls `body` for rows [start, end), as many at a time as lie evenly: with each operand's offset of the first one,
  /// its number, and how many.
  func forEachRun(
    _ start: Int, _ end: Int, _ body: (_ offsets: UnsafePointer<Int>, _ row: Int, _ count: Int) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: Int.self, capacity: strides.count) { offsets in
      guard let base = offsets.baseAddress else { return }
      var row = start
      while row < end {
        var rest = row / inner
        let first = row % inner
        for k in strides.indices { offsets[k] = first &* strides[k][shape.count - 2] }
        for i in (0..<shape.count - 2).reversed() {
          let index = rest % shape[i]
          rest /= shape[i]
          for k in strides.indices { offsets[k] &+= index &* strides[k][i] }
        }
        let count = min(inner - first, end - row)
        body(base, row, count)
        row += count
      }
    }
  }
}
