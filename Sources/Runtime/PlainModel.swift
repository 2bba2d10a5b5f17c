import Progressive
import Tensors

/// An ONNX model that comes through a stream as it is: packers send models so that a container would make larger. It
/// doesn't tell its length; it is usable, and complete, when the host says that all has come.
struct PlainModel {
  private var memory = Buffer.empty
  private(set) var byteCount = 0

  /// Whether these are the first bytes of one.
  static func begins(_ bytes: UnsafeRawBufferPointer) -> Bool { bytes.first == Container.firstByteOfModels }

  /// Takes bytes that follow those that are there; bytes at 0 begin it anew.
  mutating func append(_ bytes: UnsafeRawBufferPointer, at offset: Int, limit: Int) throws {
    guard offset == 0 || offset == byteCount else {
      throw SwiftletError(
        .invalidArgument, "this isn't a container but a model: its bytes come in order, \(byteCount) are next, not \(offset)")
    }
    let end = try Checked.add(offset, bytes.count)
    guard end <= limit else { throw SwiftletError(.limit, "a model of \(end) bytes or more, the limit is \(limit)") }
    if end > memory.byteCount {
      let larger = try Allocator.system.allocate(max(end, min(try Checked.multiply(memory.byteCount, 2), limit)))
      larger.base.copyMemory(from: memory.base, byteCount: offset)
      memory = larger
    }
    if let from = bytes.baseAddress { (memory.base + offset).copyMemory(from: from, byteCount: bytes.count) }
    byteCount = end
  }

  var bytes: Buffer { memory.slice(offset: 0, byteCount: byteCount) }
}
