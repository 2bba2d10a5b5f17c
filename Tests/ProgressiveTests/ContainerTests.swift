import Kernels
import Packing
import Progressive
import Swiftlet
import TestSupport
import Testing

@Suite struct ContainerTests {
  @Test(arguments: PackOrder.allCases) func theFilesComeBackByteForByte(_ order: PackOrder) throws {
    let model = sampleModel()
    #expect(try unpack(pack(model, order: order)) == [model])
  }

  @Test func aModelWithoutFloatsIsSentAsItIs() throws {
    let model = Proto.model(
      Proto.field(1, Proto.node("Add", ["x", "w"], ["y"])) + initializer("w", .int8, [9000], Array(repeating: 7, count: 9000))
        + Proto.field(11, Proto.value("x", .int8, [.known(9000)])) + Proto.field(12, Proto.value("y", .int8, [.known(9000)])))
    let packed = try pack(model)
    #expect(packed.count <= model.count + 64)
    #expect(try unpack(packed) == [model])
  }

  @Test(arguments: [ElementType.float, .float16, .bfloat16, .double]) func noiseIsNotMadeLarger(_ type: ElementType) throws {
    var numbers = Numbers(UInt64(type.rawValue))
    let count = 30_000
    let noise = (0..<count * type.bits / 8).map { _ in UInt8.random(in: 0...255, using: &numbers) }
    let model = Proto.model(
      Proto.field(1, Proto.node("Identity", ["w"], ["y"])) + initializer("w", type, [count], noise)
        + Proto.field(12, Proto.value("y", type, [.known(count)])))
    let packed = try pack(model)
    #expect(packed.count <= model.count + model.count / 100)
    #expect(try unpack(packed) == [model])
  }

  @Test func externalDataIsPackedToo() throws {
    var numbers = Numbers(3)
    let weights = bytes((0..<3000).map { _ in numbers.weight() })
    let external = ["location": "w.bin", "offset": "5"].flatMap { Proto.field(13, Proto.field(1, $0.key) + Proto.field(2, $0.value)) }
    let tensor = Proto.field(1, int: 3000) + Proto.field(2, int: 1) + Proto.field(8, "w") + external + Proto.field(14, int: 1)
    let model = Proto.model(
      Proto.field(1, Proto.node("Add", ["x", "w"], ["y"])) + Proto.field(5, tensor)
        + Proto.field(11, Proto.value("x", .float, [.known(3000)])) + Proto.field(12, Proto.value("y", .float, [.known(3000)])))
    let file: [UInt8] = [1, 2, 3, 4, 5] + weights + [6]
    let packed = try pack(model, external: ["w.bin": file])
    #expect(try unpack(packed) == [model, file])
    let image = try receive([(0, packed)])
    #expect(try Session(Model(source: image.modelSource())).run(["x": .tensor(Tensor(.float, Array(repeating: Float(0), count: 3000)))]).count == 1)
  }

  /// Whatever arrives in whatever order, and however often: the end is the original.
  @Test func partsMayComeInAnyOrderAndTwice() throws {
    let model = sampleModel()
    let packed = try pack(model)
    for seed in UInt64(0)..<40 {
      var numbers = Numbers(seed)
      var cuts = (0..<Int.random(in: 1...60, using: &numbers)).map { _ in Int.random(in: 32...packed.count, using: &numbers) }
      cuts = [32] + cuts.sorted() + [packed.count]
      var parts = zip(cuts, cuts.dropFirst()).map { ($0, Array(packed[$0..<$1])) }
      parts += (0..<5).map { _ in
        let start = Int.random(in: 0..<packed.count, using: &numbers)
        return (start, Array(packed[start..<Int.random(in: start...packed.count, using: &numbers)]))
      }.filter { $0.0 < 32 || !$0.1.isEmpty }
      parts.shuffle(using: &numbers)
      let image = try receive([(0, Array(packed[..<32]))] + parts)
      #expect(image.isComplete)
      try image.verify()
      #expect(Array(UnsafeRawBufferPointer(start: image.files[0].base, count: model.count)) == model)
    }
  }

  @Test func everyPrefixThatHasTheGraphIsAModel() throws {
    let model = sampleModel()
    let packed = try pack(model)
    let x = try Tensor((0..<48).map { Float($0 % 7) - 3 }, [2, 24])
    func y(_ source: ModelSource) throws -> [Float] {
      guard case .tensor(let t) = try Session(Model(source: source)).run(["x": .tensor(x)])[0] else { return [] }
      return Array(t.elements(Float.self))
    }
    let exact = try y(ModelSource(bytes: buffer(model)))
    let energy = exact.reduce(0) { $0 + $1 * $1 }
    var errors: [Float] = []
    for n in stride(from: 0, through: packed.count, by: 97) + [packed.count] {
      let receiver = ContainerReceiver()
      let whole = try packed[..<n].withUnsafeBytes { try receiver.append($0, at: 0) }
      guard let container = receiver.container else { continue }
      let image = try ContainerImage(container)
      try image.take(whole, from: receiver)
      guard image.hasGraph else { continue }
      errors.append(zip(try y(image.modelSource()), exact).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / energy)
    }
    #expect(errors.count > 20)
    #expect(errors.first == 1)
    #expect(errors[errors.count / 3] < 0.01)
    #expect(errors.last == 0)
  }

  @Test func aDamagedChunkIsNamedAndCanBeSentAgain() throws {
    let packed = try pack(sampleModel())
    var damaged = packed
    damaged[packed.count - 20] ^= 4
    let receiver = ContainerReceiver()
    let e = #expect(throws: SwiftletError.self) { try damaged.withUnsafeBytes { _ = try receiver.append($0, at: 0) } }
    #expect(e?.message.contains("checksum of chunk") == true)
    #expect(!receiver.isComplete)
    let image = try ContainerImage(#require(receiver.container))
    let lacking = receiver.missing(in: 0..<packed.count)
    #expect(lacking.count == 1)
    let again = try packed.withUnsafeBytes { try receiver.append(UnsafeRawBufferPointer(rebasing: $0[lacking[0]]), at: lacking[0].lowerBound) }
    #expect(again.count == image.container.chunks.count)
    try image.take(again, from: receiver)
    #expect(receiver.isComplete && image.isComplete)
  }
}

@Suite struct HostileContainerTests {
  @Test func everyFlippedByteIsNoticed() throws {
    let packed = try pack(sampleModel())
    for i in Array(0..<200) + Array(stride(from: 200, to: packed.count, by: 13)) {
      var bytes = packed
      bytes[i] ^= 0x21
      if (9..<12).contains(i) { bytes[28..<32] = [0, 0, 0, 0] }
      #expect(throws: SwiftletError.self, "byte \(i)") { try receive([(0, bytes)]) }
    }
  }

  /// With checksums made right again, every mutation of the table is refused or harmless.
  @Test func mutatedTablesAreErrorsOrContainers() throws {
    let packed = try pack(sampleModel())
    for seed in UInt64(0)..<3000 {
      var numbers = Numbers(seed)
      let bytes = mutatedTable(packed, &numbers)
      do { _ = try receive([(0, bytes)]) } catch { #expect(error is SwiftletError) }
    }
  }

  @Test func sizesBeyondTheLimitAreRefusedBeforeMemoryIsTaken() throws {
    var limits = ContainerReceiver.Limits()
    limits.bytes = 1000
    let e = #expect(throws: SwiftletError.self) { try receive([(0, pack(sampleModel()))], limits: limits) }
    #expect(e?.code == .limit)
  }
  @Test func chunksThatTheTableHasNoRoomForAreRefusedBeforeMemoryIsTaken() throws {
    let table = Proto.varint(1) + Proto.varint(0) + Proto.varint(1 << 61) + [0, 0, 0, 0] + Proto.varint(0)
    func little(_ n: Int, _ bytes: Int) -> [UInt8] { (0..<bytes).map { UInt8(truncatingIfNeeded: n >> (8 * $0)) } }
    func sum(_ bytes: [UInt8]) -> [UInt8] { little(Int(bytes.withUnsafeBytes { Checksum.of($0) }), 4) }
    let head = Container.Header.magic + [Container.Header.version, 0, 0, 0] + sum(table) + little(table.count, 4)
      + little(Container.Header.byteCount + table.count, 8)
    let e = #expect(throws: SwiftletError.self) { try receive([(0, head + sum(head) + table)]) }
    #expect(e?.message.contains("the table is too short") == true)
  }
  @Test func somethingElseIsNoContainer() {
    for bytes in [Array("<!DOCTYPE html><html><body>404 Not Found".utf8), Array(repeating: UInt8(0), count: 64)] {
      let e = #expect(throws: SwiftletError.self) { try receive([(0, bytes)]) }
      #expect(e?.message.contains("no progressive model") == true)
    }
  }
}

/// A container with some bytes of its table changed and the checksums of header and table made right again.
func mutatedTable(_ packed: [UInt8], _ numbers: inout Numbers) -> [UInt8] {
  var bytes = packed
  let length = Int(bytes[16]) | Int(bytes[17]) << 8
  for _ in 0..<Int.random(in: 1...3, using: &numbers) {
    bytes[32 + Int.random(in: 0..<length, using: &numbers)] = [0, 1, 0x7f, 0x80, 0xff, UInt8.random(in: 0...255, using: &numbers)].randomElement(using: &numbers) ?? 0
  }
  func store(_ sum: UInt32, at offset: Int) { for k in 0..<4 { bytes[offset + k] = UInt8(truncatingIfNeeded: sum >> UInt32(8 * k)) } }
  store(bytes[32..<32 + length].withUnsafeBytes { Checksum.of($0) }, at: 12)
  store(bytes[..<28].withUnsafeBytes { Checksum.of($0) }, at: 28)
  return bytes
}
