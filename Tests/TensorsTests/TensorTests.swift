import CSystem
import Glibc
import Tensors
import Testing

@Suite struct ElementTypeTests {
  @Test(arguments: ElementType.allCases) func theNameIsTheCases(_ type: ElementType) {
    #expect(type.name == "\(type)")
    #expect(ElementType(name: type.name) == type)
  }
}

@Suite struct CheckedArithmeticTests {
  @Test(arguments: [([2, 3, 4], 24), ([], 1), ([0, 5], 0), ([1, 0, 1 << 32], 0)])
  func countIsTheProductOfTheDimensions(_ shape: [Int], _ count: Int) throws {
    #expect(try Checked.count(shape) == count)
  }
  @Test(arguments: [[-1], [Int.max, 2], [1 << 40, 1 << 40], [0, -3], [0, Int.max, Int.max], [1 << 33, 0]])
  func countRefusesNegativeAndOverflowingShapes(_ shape: [Int]) {
    #expect(throws: SwiftletError.self) { try Checked.count(shape) }
  }
  @Test func axesWrapOnceAndNoFurther() throws {
    #expect(try Checked.axis(-1, rank: 3) == 2)
    #expect(throws: SwiftletError.self) { try Checked.axis(3, rank: 3) }
    #expect(throws: SwiftletError.self) { try Checked.axis(-4, rank: 3) }
  }
  @Test(arguments: [Double.nan, .infinity, 1e300, -1e19]) func intRefusesWhatIsNoInteger(_ x: Double) {
    #expect(throws: SwiftletError.self) { try Checked.int(x) }
  }
}

@Suite struct TensorTests {
  @Test func packedTypesTakeHalfAndQuarterBytes() throws {
    #expect(try Tensor(allocating: .int4, [5]).byteCount == 3)
    #expect(try Tensor(allocating: .uint2, [5]).byteCount == 2)
    #expect(try ElementType.int4.byteCount(Int.max) > 0)
  }
  @Test func aBufferThatIsTooSmallIsRefused() throws {
    let b = try Allocator.system.allocate(15)
    #expect(throws: SwiftletError.self) { try Tensor(.float, [4], buffer: b) }
    #expect(throws: SwiftletError.self) { try Tensor(.float, [3], buffer: b, byteOffset: 4) }
    #expect(throws: SwiftletError.self) { try Tensor(.float, [1], buffer: b, byteOffset: -4) }
    #expect(throws: SwiftletError.self) { try Tensor(.float, [1], buffer: b, byteOffset: .max) }
    #expect(try Tensor(.float, [3], buffer: b).count == 3)
  }
  @Test func viewsShareTheBytes() throws {
    let t = try Tensor([Float](arrayLiteral: 0, 1, 2, 3, 4, 5), [2, 3])
    let v = try t.view(from: 2, shape: [2, 2])
    #expect(Array(v.elements(Float.self)) == [2, 3, 4, 5])
    #expect(throws: SwiftletError.self) { try t.view(from: 3, shape: [4]) }
    #expect(throws: SwiftletError.self) { try t.reshaped([7]) }
  }
  @Test func integersOfEveryWidthAreReadAsInts() throws {
    #expect(try Tensor(.int8, [Int8(-3), 4]).ints() == [-3, 4])
    #expect(try Tensor(.uint16, [UInt16(65535)]).ints() == [65535])
    #expect(throws: SwiftletError.self) { try Tensor(.uint64, [UInt64.max]).ints() }
    #expect(throws: SwiftletError.self) { try Tensor([Float(1)]).ints() }
    #expect(throws: SwiftletError.self) { try Tensor(ints: [1, 2]).int() }
  }
}

@Suite struct AllocatorTests {
  @Test func theLimitIsKeptAndFreedMemoryCountsNoMore() throws {
    let a = Allocator(limit: 1000)
    do {
      let b = try a.allocate(800)
      #expect(a.used == 800)
      let e = #expect(throws: SwiftletError.self) { try a.allocate(201) }
      #expect(e?.code == .limit)
      withExtendedLifetime(b) {}
    }
    #expect(a.used == 0)
    #expect(a.peak == 800)
    #expect(throws: Never.self) { try a.allocate(1000) }
  }
  @Test func largeMemoryIsUsedAgain() throws {
    let size = Allocator.reusedFrom, a = Allocator(keeping: 4 * size)
    let first = try a.allocate(size).base
    if sws_is_sanitized() != 0 { return }
    #expect(a.waiting == size)
    #expect(a.used == 0)
    #expect(try a.allocate(size).base == first)
    #expect(try a.allocate(size + 1).byteCount == size + 1)
    a.trim()
    #expect(a.waiting == 0)
    _ = try a.allocate(size - 1)
    _ = try a.allocate(4 * size + 1)
    #expect(a.waiting == 0)
  }
  @Test func waitingMemoryRaisesNeitherTheLimitNorThePeak() throws {
    let size = Allocator.reusedFrom, a = Allocator(limit: 3 * size, keeping: .max)
    do {
      let two = [try a.allocate(size), try a.allocate(size)]
      withExtendedLifetime(two) {}
    }
    #expect(a.waiting <= 2 * size)
    let third = try a.allocate(size + 1)
    #expect(a.waiting + a.used <= a.peak)
    #expect(a.peak == 2 * size)
    #expect(throws: Never.self) { try a.allocate(2 * size - 1) }
    #expect(a.peak == 3 * size)
    withExtendedLifetime(third) {}
  }
  @Test func noMoreThanTheBoundWaits() throws {
    let size = Allocator.reusedFrom, a = Allocator(keeping: 2 * size)
    do {
      let three = try (0..<3).map { _ in try a.allocate(size) }
      withExtendedLifetime(three) {}
    }
    #expect(a.waiting <= 2 * size)
    let none = Allocator()
    _ = try none.allocate(size)
    #expect(none.waiting == 0)
  }
  @Test func aHostsMemoryIsFreedAtOnce() throws {
    let a = Allocator(keeping: .max, allocate: { n, _ in malloc(n) }, free: { p, _ in free(p) })
    _ = try a.allocate(Allocator.reusedFrom)
    #expect(a.waiting == 0)
  }
  @Test func aFailingHostAllocatorIsAnError() {
    let a = Allocator(allocate: { _, _ in nil }, free: { _, _ in })
    let e = #expect(throws: SwiftletError.self) { try a.allocate(8) }
    #expect(e?.code == .outOfMemory)
    #expect(a.used == 0)
  }
}

@Suite struct HalfTests {
  @Test func everyHalfSurvivesTheWayThroughFloat() {
    for bits in UInt16.min...UInt16.max where !Half.float(bits).isNaN {
      #expect(Half.bits(Half.float(bits)) == bits)
    }
  }
  @Test func floatsRoundToNearestEven() {
    let cases: [(Float, UInt16)] = [
      (65504, 0x7bff), (65520, 0x7c00), (0x1p-24, 1), (0x1p-25, 0), (0x1.000002p-25, 1), (1.00048828125, 0x3c00),
      (-0.0, 0x8000), (-.infinity, 0xfc00),
    ]
    for (f, bits) in cases { #expect(Half.bits(f) == bits) }
  }
}

@Suite struct DimensionTests {
  @Test func numbersWinOverNamesAndNamesOverNothing() {
    #expect(Dimension.known(3).merged(.symbol("N")) == .known(3))
    #expect(Dimension.unknown.merged(.symbol("N")) == .symbol("N"))
    #expect(Dimension.known(3).merged(.known(4)) == nil)
  }
  @Test func productsKeepWhatIsKnown() {
    #expect(Dimension.known(1) * .symbol("N") == .symbol("N"))
    #expect(Dimension.known(2) * .symbol("N") == .unknown)
    #expect(Dimension.known(Int.max) * .known(2) == .unknown)
  }
}
