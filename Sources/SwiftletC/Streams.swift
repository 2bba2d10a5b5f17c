// Section 10 of swiftlet.h: models that arrive.
import CSwiftlet
import Glibc
import Swiftlet

final class StreamObject: HandleObject {
  static let magic = magicWord("swl_strm")
  let stream: ModelStream
  let settings: Settings
  private let lock = Lock()
  private var names: [CText] = []

  init(_ settings: Settings) {
    self.settings = settings
    var limits = ModelLimits()
    limits.memory = settings.memoryLimit
    limits.nodes = settings.nodeLimit
    stream = ModelStream(limits: limits, folder: settings.streamFolder)
  }
  deinit { stream.close() }

  /// The names of tensors, which C programs may point into.
  func name(_ index: Int, of tensors: [ModelStream.TensorStatus]) -> UnsafePointer<CChar> {
    lock.locked {
      if names.isEmpty { names = tensors.map { CText($0.name) } }
      return names[index].pointer
    }
  }
}

@c @implementation public func swl_stream_create(
  _ options: OpaquePointer!, _ stream: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let out = try place(stream, "stream")
    out.pointee = try makeHandle(StreamObject(settings(options)))
  }
}

@c @implementation public func swl_stream_free(_ stream: OpaquePointer!) {
  object(stream, StreamObject.self)?.stream.close()
  freeHandle(stream, StreamObject.self)
}

@c @implementation public func swl_stream_append(
  _ stream: OpaquePointer!, _ offset: UInt64, _ data: UnsafeRawPointer!, _ size: Int, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let s: StreamObject = try required(stream, "stream")
    let bytes = UnsafeRawBufferPointer(try array(data?.assumingMemoryBound(to: UInt8.self), size, "data"))
    guard offset == UInt64.max || offset <= UInt64(Int.max) else {
      throw SwiftletError(.invalidArgument, "an offset of \(offset)")
    }
    try s.stream.append(bytes, at: offset == UInt64.max ? nil : Int(offset))
  }
}

@c @implementation public func swl_stream_read(
  _ stream: OpaquePointer!, _ descriptor: Int32, _ most: Int, _ count: UnsafeMutablePointer<Int>!,
  _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    guard let count else { throw SwiftletError(.invalidArgument, "count is NULL") }
    count.pointee = 0
    let s: StreamObject = try required(stream, "stream")
    guard most > 0 else { throw SwiftletError(.invalidArgument, "no bytes may be read") }
    let buffer = try Allocator.system.allocate(min(most, 1 << 20))
    var n = read(descriptor, buffer.base, buffer.byteCount)
    while n < 0, errno == EINTR { n = read(descriptor, buffer.base, buffer.byteCount) }
    // A descriptor that doesn't block has nothing for now.
    if n < 0, errno == EAGAIN { return }
    guard n >= 0 else { throw SwiftletError(.io, "the descriptor can't be read: \(String(cString: strerror(errno)))") }
    guard n > 0 else {
      if s.stream.isPlain, s.stream.status.byteCount == 0 { return try s.stream.end() }
      throw SwiftletError(.io, "the descriptor's bytes have ended")
    }
    try s.stream.append(UnsafeRawBufferPointer(start: buffer.base, count: n))
    s.stream.waitForRoom()
    count.pointee = n
  }
}

@c @implementation public func swl_stream_end(
  _ stream: OpaquePointer!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let s: StreamObject = try required(stream, "stream")
    try s.stream.end()
  }
}

@c @implementation public func swl_stream_get_info(
  _ stream: OpaquePointer!, _ info: UnsafeMutablePointer<swl_stream_info>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let s: StreamObject = try required(stream, "stream")
    guard let info else { throw SwiftletError(.invalidArgument, "info is NULL") }
    try checkStructSize(UnsafeRawPointer(info), info.pointee.struct_size)
    fill(info, s.stream.status)
  }
}

private func checkStructSize(_ info: UnsafeRawPointer, _ size: Int) throws {
  guard size >= MemoryLayout<swl_stream_info>.size, size <= 4096 else {
    throw SwiftletError(.invalidArgument, "struct_size of info is \(size), \(MemoryLayout<swl_stream_info>.size) is due")
  }
}

private func fill(_ info: UnsafeMutablePointer<swl_stream_info>, _ status: ModelStream.Status) {
  let size = info.pointee.struct_size
  memset(info, 0, size)
  info.pointee = swl_stream_info(
    struct_size: size, state: status.state.rawValue, generation: UInt64(status.generation),
    received: UInt64(status.receivedByteCount), total: UInt64(status.byteCount),
    generation_received: UInt64(status.generationByteCount))
}

@c @implementation public func swl_stream_model(
  _ stream: OpaquePointer!, _ model: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let out = try place(model, "model")
    let s: StreamObject = try required(stream, "stream")
    out.pointee = try makeHandle(ModelObject(s.stream.model()))
  }
}

@c @implementation public func swl_stream_wait(
  _ stream: OpaquePointer!, _ state: swl_stream_state, _ fraction: Double, _ deadline: UInt64,
  _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let s: StreamObject = try required(stream, "stream")
    guard let due = ModelStream.State(rawValue: state) else { throw SwiftletError(.invalidArgument, "state \(state)") }
    guard fraction >= 0, fraction <= 1 else { throw SwiftletError(.invalidArgument, "a fraction of \(fraction)") }
    _ = try s.stream.wait(until: deadline == 0 ? nil : deadline) { now in
      // The last generations may come somewhat late: complete is all.
      now.state.rawValue >= due.rawValue
        && (now.state == .complete || Double(now.generationByteCount) >= fraction * Double(now.byteCount))
    }
  }
}

@c @implementation public func swl_stream_on_generation(
  _ stream: OpaquePointer!, _ callback: swl_generation_callback!, _ userdata: UnsafeMutableRawPointer!,
  _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let s: StreamObject = try required(stream, "stream")
    nonisolated(unsafe) let userdata = userdata
    s.stream.observe(
      callback.map { callback in
        { status in
          var info = swl_stream_info()
          info.struct_size = MemoryLayout<swl_stream_info>.size
          fill(&info, status)
          callback(userdata, &info)
        }
      })
  }
}

@c @implementation public func swl_stream_tensor_count(_ stream: OpaquePointer!) -> Int {
  object(stream, StreamObject.self)?.stream.tensorStatus.count ?? 0
}

@c @implementation public func swl_stream_tensor(
  _ stream: OpaquePointer!, _ index: Int, _ name: UnsafeMutablePointer<UnsafePointer<CChar>?>!, _ planes: UnsafeMutablePointer<UInt32>!,
  _ plane_count: UnsafeMutablePointer<UInt32>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let s: StreamObject = try required(stream, "stream")
    let tensors = s.stream.tensorStatus
    guard tensors.indices.contains(index) else {
      throw SwiftletError(.invalidArgument, "tensor \(index) of \(tensors.count)")
    }
    name?.pointee = s.name(index, of: tensors)
    planes?.pointee = UInt32(tensors[index].planes)
    plane_count?.pointee = UInt32(tensors[index].planeCount)
  }
}

@c @implementation public func swl_session_generation(_ session: OpaquePointer!) -> UInt64 {
  UInt64(object(session, SessionObject.self)?.session.generation ?? 0)
}
