import CKernels
import Kernels
import Tensors
import Testing

/// Many indices: they are checked some at a time, and rows begin and end anywhere.
@Suite struct IndexingTests {
  private static let shapes: [(data: [Int], indices: [Int], axis: Int)] = [
    ([3000], [2500], 0), ([5, 700], [5, 900], 1), ([5, 700], [9, 600], 0), ([2, 30, 70], [2, 90, 65], 1),
    ([1500, 2], [1500, 1], 1), ([40, 3, 20], [33, 3, 50], 2),
  ]
  /// The positions in the data that indices stand for, one for each.
  private static func places(_ shape: [Int], _ axis: Int, _ indices: [Int64], _ indicesShape: [Int]) -> [Int] {
    let strides = Broadcast.strides(of: shape)
    return indices.indices.map { i in
      var rest = i, at = 0
      for k in indicesShape.indices.reversed() {
        let position = rest % indicesShape[k]
        rest /= indicesShape[k]
        let index = Int(indices[i])
        at += (k == axis ? (index < 0 ? index + shape[k] : index) : position) * strides[k]
      }
      return at
    }
  }
  private static func indices(_ generator: inout Generator, _ count: Int, limit: Int) -> [Int64] {
    (0..<count).map { _ in Int64.random(in: -Int64(limit)..<Int64(limit), using: &generator) }
  }

  @Test(arguments: levels) func elementsAreGathered(level: swk_level) throws {
    var generator = Generator(seed: 31)
    for (shape, indicesShape, axis) in Self.shapes {
      let x = (0..<product(shape)).map { Int32($0) }
      let at = Self.indices(&generator, product(indicesShape), limit: shape[axis])
      let want = Self.places(shape, axis, at, indicesShape).map { x[$0] }
      let got: [Int32] = try output(at.count, of: 0) {
        try Gather.elements(x, shape, axis: axis, indices: at, .int64, indicesShape, to: $0, elementSize: 4, level: level)
      }
      #expect(got == want)
      let narrow: [Int32] = try output(at.count, of: 0) {
        try Gather.elements(
          x, shape, axis: axis, indices: at.map { Int32($0) }, .int32, indicesShape, to: $0, elementSize: 4, level: level)
      }
      #expect(narrow == want)
    }
  }

  @Test(arguments: [0, 1023, 1024, 2499]) func anIndexOutOfRangeIsNamed(position: Int) throws {
    let x = [Float](repeating: 1, count: 7)
    for wrong in [7, -8, Int64.max, .min] {
      var at = [Int64](repeating: -7, count: 2500)
      at[position] = wrong
      let e = #expect(throws: SwiftletError.self) {
        let _: [Float] = try output(2500, of: 0) {
          try Gather.elements(x, [7], axis: 0, indices: at, .int64, [2500], to: $0, elementSize: 4)
        }
      }
      #expect(e?.message.contains("index \(wrong) is out of range for an axis of 7") == true)
    }
  }

  @Test func updatesAreCombinedInOrder() throws {
    func check<T: FixedWidthInteger & BitwiseCopyable>(_ type: ElementType, _: T.Type) throws {
      try check(type, { T(truncatingIfNeeded: $0) }) { op, a, b in
        switch op {
        case .add: a &+ b
        case .multiply: a &* b
        case .max: max(a, b)
        case .min: min(a, b)
        }
      }
    }
    func check<T: BitwiseCopyable & Equatable>(
      _ type: ElementType, _ value: (Int) -> T, _ join: (Scatter.Reduction, T, T) -> T
    ) throws {
      var generator = Generator(seed: 32)
      for (shape, indicesShape, axis) in Self.shapes {
        let at = Self.indices(&generator, product(indicesShape), limit: shape[axis])
        let updates = at.indices.map { value($0 % 61 - 30) }
        let places = Self.places(shape, axis, at, indicesShape)
        for op in [Scatter.Reduction.add, .multiply, .max, .min] {
          var got = (0..<product(shape)).map { value($0 % 7 - 3) }, want = got
          for (i, place) in places.enumerated() { want[place] = join(op, want[place], updates[i]) }
          try got.withUnsafeMutableBytes { p in
            try Scatter.combineElements(
              #require(p.baseAddress), type, shape, axis: axis, indices: at, .int64, indicesShape, updates: updates, op)
          }
          #expect(got == want, "\(op) \(type) \(shape)")
        }
      }
    }
    func floats<T: BinaryFloatingPoint & BitwiseCopyable>(_ type: ElementType, _: T.Type) throws {
      try check(type, { T($0) }) { op, a, b in
        switch op {
        case .add: a + b
        case .multiply: a * b
        case .max: max(a, b)
        case .min: min(a, b)
        }
      }
    }
    try floats(.double, Double.self)
    try check(.int8, Int8.self)
    try check(.uint8, UInt8.self)
    try check(.int16, Int16.self)
    try check(.uint16, UInt16.self)
    try check(.int32, Int32.self)
    try check(.uint32, UInt32.self)
    try check(.int64, Int64.self)
    try check(.uint64, UInt64.self)
  }

  @Test func rowsAreCombinedAndNaNWins() throws {
    var x: [Float] = [1, 2, 3, 4, .nan, 6]
    try x.withUnsafeMutableBytes { p in
      let base = try #require(p.baseAddress)
      try Scatter.combineRows(base, .float, rows: [2, 0, 2], rowLength: 2, updates: [9, .nan, 0, 5, 3, 8] as [Float], .max)
    }
    #expect(x[..<4] == [1, 5, 3, 4])
    #expect(x[4].isNaN && x[5].isNaN)
    var complex: [Float] = [1, 2, 3, 4]
    try complex.withUnsafeMutableBytes { p in
      try Scatter.combineRows(#require(p.baseAddress), .complex64, rows: [1], rowLength: 1, updates: [10, 20] as [Float], .add)
    }
    #expect(complex == [1, 2, 13, 24])
    #expect(!Scatter.combines(.complex64, .max) && !Scatter.combines(.string, .add) && Scatter.combines(.bool, .add))
  }

  @Test(arguments: levels) func keysHaveTheOrderOfTheElements(level: swk_level) throws {
    let sorted: [Float] = [-.infinity, -3, -.leastNonzeroMagnitude, 0, .leastNonzeroMagnitude, 2, .infinity, .nan]
    var keys = [Int64](repeating: 0, count: 8), other = keys
    let order = try SortKeys(.float, level: level)
    order.fill(sorted, from: 0, step: 1, 8, to: &keys)
    #expect(zip(keys, keys.dropFirst()).allSatisfy { $0 < $1 })
    order.fill([9, -0.0, 9, 0, 9, -Float.nan] as [Float], from: 1, step: 2, 3, reversed: true, to: &other)
    #expect(other[..<3] == [~keys[3], ~keys[3], ~keys[7]])

    var generator = Generator(seed: 33)
    let many = (0..<200).map { _ in Int64.random(in: -9...9, using: &generator) }
    for least in Int64(-10)...9 {
      for range in [0..<200, 5..<5, 7..<9, 30..<62, 31..<200] {
        #expect(order.first(above: least, many, range) == range.first { many[$0] > least } ?? range.upperBound)
      }
    }
  }
}
