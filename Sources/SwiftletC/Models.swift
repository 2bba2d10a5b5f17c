// Section 3 of swiftlet.h: opening a model.
import CSwiftlet
import Glibc
import Swiftlet

/// Reads a whole source through the caller's functions, and closes it. Large ones are read piece by piece, so that they
/// can be cancelled.
private func read(_ reader: swl_reader, _ what: String, _ cancellation: Cancellation) throws -> Buffer {
  defer { reader.close?(reader.userdata) }
  guard let readAt = reader.read_at else { throw SwiftletError(.invalidArgument, "\(what): read_at is NULL") }
  guard let size = Int(exactly: reader.size) else {
    throw SwiftletError(.invalidArgument, "\(what): a size of \(reader.size) bytes")
  }
  let piece = 16 << 20
  let buffer = try Allocator.system.allocate(size)
  var at = 0
  while at < size {
    try cancellation.check()
    let length = min(piece, size - at)
    let result = readAt(reader.userdata, UInt64(at), buffer.base + at, length)
    guard result == 0 else {
      throw SwiftletError(.io, "\(what): the read callback failed with \(result)", byteOffset: at)
    }
    at += length
  }
  return buffer
}

/// A reader that a caller filled in.
private func checked(_ reader: UnsafePointer<swl_reader>?, _ what: String) throws -> swl_reader {
  guard let reader else { throw SwiftletError(.invalidArgument, "\(what) is NULL") }
  try checkStructSize(UnsafeRawPointer(reader), MemoryLayout<swl_reader>.size, what)
  return reader.pointee
}

extension Settings {
  /// External data from the caller's resolver, if there is one.
  fileprivate func externalData(_ cancellation: Cancellation) -> ExternalDataResolver? {
    guard let resolver else { return nil }
    return { location in
      let what = "external data '\(location)'"
      var reader = swl_reader()
      reader.struct_size = MemoryLayout<swl_reader>.size
      let result = location.withCString { resolver.resolve(resolver.userdata, $0, &reader) }
      guard result == 0 else { throw SwiftletError(.io, "\(what): the resolver failed with \(result)") }
      return try read(checked(&reader, what), what, cancellation)
    }
  }
}

private func open(
  _ options: OpaquePointer?, _ model: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?, _ what: String,
  _ source: (Settings, ExternalDataResolver?, Cancellation) throws -> ModelSource
) -> swl_status {
  status(error) {
    let out = try place(model, "model")
    let settings = try settings(options)
    let cancellation = Cancellation(linkedTo: settings.canceller)
    cancellation.deadline = settings.loadTime.map(deadline(after:))
    try cancellation.check()
    var limits = ModelLimits()
    limits.memory = settings.memoryLimit
    limits.nodes = settings.nodeLimit
    let source = try source(settings, settings.externalData(cancellation), cancellation)
    let model = try Model(source: source, limits: limits, cancellation: cancellation)
    out.pointee = try makeHandle(ModelObject(model))
    settings.log(
      SWL_LOG_INFO, "opened \(what): \(model.info.nodeCount) nodes, \(model.info.weightBytes) bytes of weights")
    for change in model.report.changes {
      settings.log(SWL_LOG_DEBUG, "pass \(change.pass): \(change.count) changes")
    }
  }
}

@c @implementation public func swl_model_open(
  _ path: UnsafePointer<CChar>!, _ options: OpaquePointer!, _ model: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  open(options, model, error, path.map { "'\(String(cString: $0))'" } ?? "") { settings, resolver, _ in
    guard let path else { throw SwiftletError(.invalidArgument, "path is NULL") }
    return try ModelSource(path: String(cString: path), folder: settings.externalFolder, resolver: resolver)
  }
}

@c @implementation public func swl_model_open_memory(
  _ data: UnsafeRawPointer!, _ size: Int, _ flags: UInt32, _ options: OpaquePointer!,
  _ model: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  open(options, model, error, "a model in memory") { settings, resolver, _ in
    guard flags == SWL_BORROW || flags == SWL_COPY else { throw SwiftletError(.invalidArgument, "flags \(flags)") }
    guard size >= 0 else { throw SwiftletError(.invalidArgument, "the size is out of range") }
    guard let data else {
      guard size == 0 else { throw SwiftletError(.invalidArgument, "data is NULL") }
      return ModelSource(bytes: .empty)
    }
    let bytes: Buffer
    if flags == SWL_COPY {
      bytes = try Allocator.system.allocate(size)
      if size > 0 { bytes.base.copyMemory(from: data, byteCount: size) }
    } else {
      bytes = Buffer(borrowing: UnsafeMutableRawPointer(mutating: data), byteCount: size)
    }
    return ModelSource(bytes: bytes, folder: settings.externalFolder, resolver: resolver)
  }
}

@c @implementation public func swl_model_open_reader(
  _ reader: UnsafePointer<swl_reader>!, _ options: OpaquePointer!, _ model: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  open(options, model, error, "a model from a reader") { settings, resolver, cancellation in
    let bytes = try read(checked(reader, "reader"), "the model", cancellation)
    return ModelSource(bytes: bytes, folder: settings.externalFolder, resolver: resolver)
  }
}

@c @implementation public func swl_model_free(_ model: OpaquePointer!) { freeHandle(model, ModelObject.self) }

/// Checks the struct_size that begins a caller's struct. A newer caller's struct may be larger, as long as what we don't
/// know is 0.
func checkStructSize(_ pointer: UnsafeRawPointer, _ known: Int, _ what: String) throws {
  let size = pointer.loadUnaligned(as: Int.self)
  // No struct of ours will ever be that large: something else stands there.
  let largest = 4096
  guard size >= known, size <= largest else {
    throw SwiftletError(.invalidArgument, "struct_size of \(what) is \(size), \(known) is due")
  }
  guard !(known..<size).contains(where: { pointer.load(fromByteOffset: $0, as: UInt8.self) != 0 }) else {
    throw SwiftletError(.invalidArgument, "\(what) asks for something that this version doesn't know")
  }
}
