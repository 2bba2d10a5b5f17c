import CKernels
import Kernels
import Tensors
import Testing

private func permutations(_ n: Int) -> [[Int]] {
  if n == 0 { return [[]] }
  return permutations(n - 1).flatMap { p in (0..<n).map { i in Array(p[..<i]) + [n - 1] + Array(p[i...]) } }
}

private func transposed<T>(_ x: [T], _ shape: [Int], _ perm: [Int]) -> [T] {
  let strides = Broadcast.strides(of: shape), outShape = perm.map { shape[$0] }
  return (0..<x.count).map { i in
    var rest = i, at = 0
    for k in outShape.indices.reversed() {
      at += rest % outShape[k] * strides[perm[k]]
      rest /= outShape[k]
    }
    return x[at]
  }
}

private func forEachSize(_ body: (any (FixedWidthInteger & BitwiseCopyable).Type) throws -> Void) rethrows {
  try body(UInt8.self)
  try body(UInt16.self)
  try body(UInt32.self)
  try body(UInt64.self)
  try body(UInt128.self)
}

@Suite struct MovementTests {
  @Test(arguments: levels) func transposesOfEveryPermutation(level: swk_level) throws {
    let shapes = [
      [5], [3, 4], [16, 16], [17, 33], [3, 70], [70, 3], [1100, 70], [2, 3, 4], [2, 19, 21], [2, 3, 4, 5], [1, 9, 1, 11],
      [4, 8, 8, 2],
    ]
    func check<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) throws {
      for shape in shapes {
        let x = (0..<product(shape)).map { T(truncatingIfNeeded: $0 &* 37) }
        for perm in permutations(shape.count) {
          let got: [T] = try output(x.count, of: 0) {
            try StridedCopy.transpose(x, shape, perm: perm, to: $0, elementSize: MemoryLayout<T>.size, level: level)
          }
          #expect(got == transposed(x, shape, perm), "\(T.self) \(shape) \(perm)")
        }
      }
    }
    try forEachSize { try check($0) }
  }

  @Test(arguments: levels) func slicesWithAnySteps(level: swk_level) throws {
    let shape = [6, 7, 20], x = (0..<840).map { Int32($0) }
    for step in [1, 2, 3, -1, -2] {
      // Every axis from its far end, backwards when the step is negative.
      let starts = shape.map { step > 0 ? 0 : $0 - 1 }
      let outShape = shape.map { ($0 + Swift.abs(step) - 1) / Swift.abs(step) }
      let strides = Broadcast.strides(of: shape)
      let start = zip(starts, strides).map { $0 * $1 }.reduce(0, +)
      let got: [Int32] = try output(product(outShape), of: -1) { out in
        try x.withUnsafeBytes { p in
          guard let base = p.baseAddress else { return }
          try StridedCopy.apply(
            out, Broadcast.strides(of: outShape), base + start * 4, strides.map { $0 * step }, shape: outShape,
            elementSize: 4, level: level)
        }
      }
      for i in got.indices {
        let (a, b, c) = (i / outShape[2] / outShape[1], i / outShape[2] % outShape[1], i % outShape[2])
        #expect(got[i] == x[start + step * (a * strides[0] + b * strides[1] + c)])
      }
    }
  }

  @Test func expandTileAndConcat() throws {
    let x: [UInt16] = [1, 2, 3]
    let expanded: [UInt16] = try output(12, of: 0) {
      try StridedCopy.broadcast(x, [3, 1], to: $0, [2, 3, 2], elementSize: 2)
    }
    #expect(expanded == [1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3])
    let tiled: [UInt16] = try output(9, of: 0) {
      try StridedCopy.apply($0, [3, 1], x, [0, 1], shape: [3, 3], elementSize: 2)
    }
    #expect(tiled == [1, 2, 3, 1, 2, 3, 1, 2, 3])
    let columns: [UInt16] = try output(6, of: 0) {
      try StridedCopy.apply($0, [2, 1], x, [1, 1], shape: [3, 1], elementSize: 2)
      try StridedCopy.apply($0 + 2, [2, 1], x, [1, 1], shape: [3, 1], elementSize: 2)
    }
    #expect(columns == [1, 1, 2, 2, 3, 3])
    let filled: [UInt64] = try output(5, of: 0) { try StridedCopy.fill($0, with: [7 as UInt64], 5, elementSize: 8) }
    #expect(filled == [7, 7, 7, 7, 7])
  }

  @Test func largeTransposesAreSplitAmongThreads() throws {
    let pool = try ThreadPool(width: 2)
    for (shape, perm) in [([500, 700], [1, 0]), ([3, 400, 300], [1, 2, 0]), ([300, 400, 3], [2, 0, 1]), ([12, 30, 30, 32], [0, 3, 1, 2])] {
      let x = (0..<product(shape)).map { Int32($0) }
      let got: [Int32] = try output(x.count, of: 0) {
        try StridedCopy.transpose(x, shape, perm: perm, to: $0, elementSize: 4, pool: pool)
      }
      #expect(got == transposed(x, shape, perm))
    }
  }

  @Test func gatherRowsAndElements() throws {
    let x = (0..<24).map { Float($0) }
    let indices = try Gather.checkedIndices([2, -1, 0] as [Int64], .int64, 3, limit: 3)
    #expect(indices == [2, 2, 0])
    let rows: [Float] = try output(24, of: 0) {
      try Gather.apply(x, [2, 3, 4], axis: 1, indices: indices, to: $0, elementSize: 4)
    }
    for i in rows.indices {
      let row = Int(indices[i / 4 % 3])
      #expect(rows[i] == x[i / 12 * 12 + row * 4 + i % 4])
    }
    let last: [Float] = try output(6, of: 0) {
      try Gather.apply(x, [6, 4], axis: 1, indices: [3], to: $0, elementSize: 4)
    }
    #expect(last == [3, 7, 11, 15, 19, 23])
    #expect(throws: SwiftletError.self) { try Gather.checkedIndices([3] as [Int32], .int32, 1, limit: 3) }

    let data: [Int32] = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    let picked: [Int32] = try output(6, of: 0) {
      try Gather.elements(data, [3, 3], axis: 0, indices: [1, 2, 0, 2, 0, 0] as [Int64], .int64, [2, 3], to: $0,
        elementSize: 4)
    }
    #expect(picked == [4, 8, 3, 7, 2, 3])
    let along: [Int32] = try output(4, of: 0) {
      try Gather.elements(data, [3, 3], axis: 1, indices: [0, 0, -2, 0] as [Int32], .int32, [2, 2], to: $0,
        elementSize: 4)
    }
    #expect(along == [1, 1, 5, 4])
    var scattered = data
    try scattered.withUnsafeMutableBytes { p in
      guard let base = p.baseAddress else { return }
      try Scatter.elements(
        base, [3, 3], axis: 0, indices: [2, 0, 1] as [Int64], .int64, [1, 3], updates: [10, 20, 30] as [Int32],
        elementSize: 4)
    }
    #expect(scattered == [1, 20, 3, 4, 5, 30, 10, 8, 9])
  }
}
