import CKernels
import Progressive
import Tensors

/// Chunks of the rest: LZ4 blocks where that makes them smaller.
enum Compression {
  /// - Parameter parts: together at most a segment of the rest.
  static func compress(_ parts: [UnsafeRawBufferPointer]) throws -> [UInt8] {
    let plain = parts.flatMap { Array($0) }
    let table = try Allocator.system.allocate(Int(SWK_LZ4_TABLE) * MemoryLayout<UInt32>.size)
    let compressed = [UInt8](unsafeUninitializedCapacity: plain.count) { room, count in
      count = swk_lz4_compress(
        plain, plain.count, room.baseAddress, max(plain.count - 1, 0), table.base.assumingMemoryBound(to: UInt32.self))
    }
    return compressed.isEmpty ? plain : compressed
  }
}
