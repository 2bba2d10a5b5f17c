import CSystem
import Kernels
import ONNX
import Operators
import Progressive
import Tensors

extension ModelSource {
  /// The model itself: of a progressive container that is there whole, the files that it holds; of anything else, the
  /// source as it is.
  /// - Throws: for a container that is damaged, or of which a part is missing.
  public func unpacked(
    _ limits: ModelLimits = ModelLimits(), cancellation: Cancellation = Cancellation()
  ) throws -> ModelSource {
    let all = UnsafeRawBufferPointer(start: bytes.base, count: bytes.byteCount)
    guard Container.begins(all), all.count >= Container.Header.byteCount else { return self }
    let due = try Container.Header(all).containerLength
    guard due <= all.count else {
      throw SwiftletError(
        .parse, "a progressive model of which \(all.count) of \(due) bytes are there; a stream takes what arrives (swl_stream_*)")
    }
    var receiving = ContainerReceiver.Limits()
    receiving.bytes = min(receiving.bytes, limits.memory)
    let image = try ContainerImage.read(
      bytes, limits: receiving, pool: ThreadPool(width: Int(sws_processor_count())), check: cancellation.check)
    try image.verify()
    return image.modelSource()
  }
}
