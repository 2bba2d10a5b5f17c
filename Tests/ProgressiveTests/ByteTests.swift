import Glibc
import Packing
import Progressive
import Swiftlet
import TestSupport
import Testing

/// y = x + the elements of `bytes`, a tensor of uint8 that a model casts to float.
/// - Parameter more: of the graph.
func byteModel(_ bytes: [UInt8], type: ElementType = .uint8, more: [UInt8] = []) -> [UInt8] {
  Proto.model(
    Proto.field(1, Proto.node("Cast", ["b"], ["f"], Proto.field(5, Proto.field(1, "to") + Proto.field(3, int: 1) + Proto.field(20, int: 2))))
      + Proto.field(1, Proto.node("Add", ["x", "f"], ["y"])) + initializer("b", type, [bytes.count], bytes) + more
      + Proto.field(11, Proto.value("x", .float, [.known(1)])) + Proto.field(12, Proto.value("y", .float, [.known(bytes.count)])))
}

/// Bits of which a part is set.
func mask(_ count: Int, ones: Double, _ numbers: inout Numbers) -> [UInt8] {
  (0..<count).map { _ in (0..<8).reduce(0) { byte, _ in byte << 1 | (Double.random(in: 0..<1, using: &numbers) < ones ? 1 : 0) } }
}

@Suite struct ByteTests {
  /// Strong tickets are masks: they take what their density says.
  @Test(arguments: [0.02, 0.05, 0.1, 0.3, 0.5]) func masksTakeTheirEntropy(ones: Double) throws {
    var numbers = Numbers(11)
    let bytes = mask(200_000, ones: ones, &numbers)
    let packed = try pack(byteModel(bytes))
    let entropy = -(ones * log2(ones) + (1 - ones) * log2(1 - ones)) * Double(bytes.count)
    #expect(Double(packed.count) <= 1.05 * entropy + 400)
    #expect(try unpack(packed) == [byteModel(bytes)])
  }

  @Test func quantisedWeightsTakeTheirEntropy() throws {
    var numbers = Numbers(12)
    let bytes = (0..<100_000).map { _ in UInt8(bitPattern: Int8(clamping: Int(numbers.weight() * 400))) }
    let packed = try pack(byteModel(bytes, type: .int8))
    #expect(packed.count < 90_000)
    #expect(try unpack(packed) == [byteModel(bytes, type: .int8)])
  }

  /// Nothing takes more than a hundredth more than it did.
  @Test func whatIsRandomIsSentAsItIs() throws {
    var numbers = Numbers(13)
    for count in [256, 2047, 2048, 300_000] {
      let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &numbers) }
      let packed = try pack(byteModel(bytes))
      #expect(packed.count <= byteModel(bytes).count * 101 / 100)
      #expect(try unpack(packed) == [byteModel(bytes)])
    }
  }

  @Test func masksComeBeforeWeights() throws {
    var numbers = Numbers(14)
    let weights = bytes((0..<4096).map { _ in numbers.weight() })
    let model = byteModel(mask(20_000, ones: 0.1, &numbers), more: initializer("w", .float, [4096], weights))
    for order in PackOrder.allCases {
      let packed = try pack(model, order: order)
      let receiver = ContainerReceiver()
      _ = try packed.withUnsafeBytes { try receiver.append($0, at: 0) }
      let container = try #require(receiver.container)
      let first = try #require(container.chunks.first { $0.tensor != nil }?.tensor)
      #expect(container.tensors[first].name == "b" && container.tensors.count == 2)
    }
  }

  @Test func damagedChunksAreErrorsOrOtherBytes() throws {
    var numbers = Numbers(15)
    let encoding = ByteEncoding(segmentLength: 1 << 12)
    for round in 0..<300 {
      let bytes = mask(round % 2 == 0 ? 4096 : 1000, ones: 0.1, &numbers)
      var chunk = bytes.withUnsafeBytes { encoding.encode($0.baseAddress!, count: bytes.count) }
      for _ in 0..<Int.random(in: 1...4, using: &numbers) {
        chunk[Int.random(in: chunk.indices, using: &numbers)] = UInt8.random(in: 0...255, using: &numbers)
      }
      chunk.removeLast(Int.random(in: 0...chunk.count / 4, using: &numbers))
      let room = try Allocator.system.allocate(bytes.count)
      do { try chunk.withUnsafeBytes { try encoding.decode(room.base, count: bytes.count, chunk: $0) } } catch { #expect(error is SwiftletError) }
    }
  }
}
