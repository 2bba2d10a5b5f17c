import CKernels
import Glibc
import Kernels
import Progressive
import Tensors

/// A chunk in the scratch file.
struct PackedChunk {
  var place = 0
  var length = 0
  var checksum: UInt32 = 0
}

/// One tensor's chunks as they are made: bytes, and what each step does for the weights.
struct PackedTensor {
  let encoding: Encoding
  /// By step and segment, as in `Container.chunk(tensor:step:segment:)`.
  var chunks: [PackedChunk]
  /// Sum of squares of the weights, and of what they lack before the first step and after each.
  var energy = 0.0
  var errors: [Double]
  let segmentCount: Int

  init(_ encoding: Encoding, count: Int) {
    self.encoding = encoding
    segmentCount = (count - 1) / encoding.segmentLength + 1
    chunks = Array(repeating: PackedChunk(), count: encoding.stepCount * segmentCount)
    errors = Array(repeating: 0, count: encoding.stepCount + 1)
  }

  func chunks(ofStep step: Int) -> ArraySlice<PackedChunk> { chunks[step * segmentCount..<(step + 1) * segmentCount] }
  /// Bytes of a step's chunks.
  func bytes(ofStep step: Int) -> Int { chunks(ofStep: step).reduce(0) { $0 + $1.length } }
}

/// A segment of a tensor, encoded: the chunk of each step, and the weights' squared error before and after each.
struct PackedSegment {
  var chunks: [[UInt8]] = []
  var errors: [Double]

  /// Encodes `count` bytes, and decodes them again.
  init(_ encoding: ByteEncoding, _ bytes: UnsafeRawPointer, count: Int) throws {
    chunks = [encoding.encode(bytes, count: count)]
    errors = [0, 0]
    let decoded = try Allocator.system.allocate(count)
    try chunks[0].withUnsafeBytes { try encoding.decode(decoded.base, count: count, chunk: $0) }
    guard memcmp(bytes, decoded.base, count) == 0 else { throw SwiftletError(.internal, "bytes don't come back as they were") }
  }

  /// Encodes `count` weights from index `start` on, and decodes them again: what doesn't come back bit for bit is an error.
  init(_ encoding: PlaneEncoding, _ type: ElementType, _ weights: UnsafeRawPointer, count: Int, from start: Int) throws {
    let width = type.bits / 8
    let planes = try Allocator.system.allocate(count)
    let scratch = try Allocator.system.allocate(count + 16)
    let room = try Allocator.system.allocate(swk_planes_bound(width, count))
    let decoded = try Allocator.system.allocate(count * width)
    decoded.base.initializeMemory(as: UInt8.self, repeating: 0, count: count * width)
    let planesBase = planes.base.assumingMemoryBound(to: UInt8.self)
    let scratchBase = scratch.base.assumingMemoryBound(to: UInt8.self)
    var first = encoding.kernelStep(0)
    encoding.withKernelChannels(from: start) { channels in
      withUnsafePointer(to: channels) { swk_planes_locate(&first, $0, weights, count, planesBase) }
    }
    errors = [try Self.error(type, weights, decoded.base, count)]
    for step in encoding.steps.indices {
      var kernelStep = encoding.kernelStep(step)
      let length = swk_planes_encode(
        &kernelStep, weights, planesBase, count, room.base.assumingMemoryBound(to: UInt8.self), scratchBase)
      var chunk = Array(UnsafeRawBufferPointer(start: room.base, count: length))
      let least = count * width / Container.mostBytesPerByte
      if chunk.count < least { chunk += Array(repeating: 0, count: least - chunk.count) }
      try chunk.withUnsafeBytes {
        try encoding.refine(decoded.base, count: count, from: start, step: step, chunk: $0, scratch: scratchBase)
      }
      chunks.append(chunk)
      errors.append(try Self.error(type, weights, decoded.base, count))
    }
    let same = UnsafeRawBufferPointer(start: weights, count: count * width)
      .elementsEqual(UnsafeRawBufferPointer(start: decoded.base, count: count * width))
    guard same else { throw SwiftletError(.internal, "weights don't come back as they were") }
  }

  /// Sum of squared differences; what isn't finite counts nothing.
  private static func error(
    _ type: ElementType, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int
  ) throws -> Double {
    let block = 1 << 12
    let x = try Allocator.system.allocate(2 * block * 4)
    let p = x.base.assumingMemoryBound(to: Float.self)
    let q = p + block
    var sum = 0.0
    for start in stride(from: 0, to: count, by: block) {
      let n = min(block, count - start)
      let offset = start * type.bits / 8
      try Cast.apply(type, a + offset, to: .float, UnsafeMutableRawPointer(p), n, pool: nil)
      try Cast.apply(type, b + offset, to: .float, UnsafeMutableRawPointer(q), n, pool: nil)
      for i in 0..<n {
        let d = Double(p[i] - q[i])
        if d.isFinite { sum += d * d }
      }
    }
    return sum
  }
}
