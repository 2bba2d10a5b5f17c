import Glibc
import Kernels
import ONNX
import Packing
import Progressive
import Swiftlet
import TestSupport
import Testing

/// A repeatable stream of numbers (SplitMix64).
struct Numbers: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
  /// Sum of uniform numbers: like weights of a network.
  mutating func weight() -> Float { (0..<4).reduce(0) { s, _ in s + Float.random(in: -0.05...0.05, using: &self) } }
}

func bytes<T: BitwiseCopyable>(_ values: [T]) -> [UInt8] { values.withUnsafeBytes(Array.init) }

/// An initializer with raw data.
func initializer(_ name: String, _ type: ElementType, _ shape: [Int], _ raw: [UInt8]) -> [UInt8] {
  Proto.field(
    5, shape.flatMap { Proto.field(1, int: $0) } + Proto.field(2, int: Int(type.rawValue)) + Proto.field(8, name) + Proto.field(9, raw))
}

/// y = (x * a) * b with weights of [24, 64] and [64, 48], besides an integer and a small tensor that nobody uses.
func sampleModel(seed: UInt64 = 1, zeros: Double = 0) -> [UInt8] {
  var numbers = Numbers(seed)
  func weights(_ n: Int) -> [Float] { (0..<n).map { _ in Double.random(in: 0..<1, using: &numbers) < zeros ? 0 : numbers.weight() } }
  return Proto.model(
    Proto.field(1, Proto.node("MatMul", ["x", "a"], ["h"])) + Proto.field(1, Proto.node("MatMul", ["h", "b"], ["y"]))
      + initializer("a", .float, [24, 64], bytes(weights(24 * 64))) + initializer("b", .float, [64, 48], bytes(weights(64 * 48)))
      + initializer("indices", .int64, [300], bytes((0..<300).map(Int64.init)))
      + initializer("small", .float, [3], bytes([Float.nan, -0.0, 1]))
      + Proto.field(11, Proto.value("x", .float, [.known(2), .known(24)])) + Proto.field(12, Proto.value("y", .float, [.known(2), .known(48)])))
}

func buffer(_ bytes: [UInt8]) throws -> Buffer {
  let b = try Allocator.system.allocate(bytes.count)
  bytes.withUnsafeBytes { if let p = $0.baseAddress { b.base.copyMemory(from: p, byteCount: $0.count) } }
  return b
}

/// A temporary file without a name.
private func temporaryFile() throws -> Int32 {
  let file = try #require(tmpfile())
  return dup(fileno(file))
}

/// The container of a model.
func pack(_ model: [UInt8], order: PackOrder = .sensitivity, external: [String: [UInt8]] = [:]) throws -> [UInt8] {
  let external = try external.mapValues(buffer)
  let source = try PackSource(ModelSource(bytes: buffer(model)) { external[$0] })
  let (output, scratch) = (try temporaryFile(), try temporaryFile())
  defer { close(output); close(scratch) }
  let result = try Packer(source, pool: ThreadPool(width: 1)).pack(order: order, to: output, scratch: scratch)
  var bytes = [UInt8](repeating: 0, count: result.packedBytes)
  #expect(pread(output, &bytes, bytes.count, 0) == bytes.count)
  return bytes
}

/// The files of a container that has come whole.
func unpack(_ container: [UInt8]) throws -> [[UInt8]] {
  if container.first == Container.firstByteOfModels { return [container] }
  let image = try receive([(0, container)])
  #expect(image.isComplete)
  try image.verify()
  return image.files.map { Array(UnsafeRawBufferPointer(start: $0.base, count: $0.byteCount)) }
}

/// What is known after parts of a container have come.
func receive(_ parts: [(offset: Int, bytes: [UInt8])], limits: ContainerReceiver.Limits = .init()) throws -> ContainerImage {
  let receiver = ContainerReceiver(limits: limits)
  var image: ContainerImage?
  for part in parts {
    let whole = try part.bytes.withUnsafeBytes { try receiver.append($0, at: part.offset) }
    if image == nil, let container = receiver.container { image = try ContainerImage(container) }
    try image?.take(whole, from: receiver)
  }
  return try #require(image)
}
