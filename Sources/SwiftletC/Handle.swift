import CSwiftlet
import Glibc
import Swiftlet

/// What a handle of the C interface points to: a word that tells the kind of handle, and the object.
struct HandleCell {
  var magic: UInt64
  let object: Unmanaged<AnyObject>
}

/// A class whose instances C programs hold by handles.
protocol HandleObject: AnyObject {
  /// Differs from class to class, so that a handle of the wrong kind is noticed.
  static var magic: UInt64 { get }
}

/// The name of a handle class as its magic word.
func magicWord(_ name: StaticString) -> UInt64 {
  var word: UInt64 = 0
  for i in 0..<min(8, name.utf8CodeUnitCount) { word = word << 8 | UInt64(name.utf8Start[i]) }
  return word
}

/// A new handle, which keeps the object.
func makeHandle(_ object: some HandleObject) throws -> OpaquePointer {
  guard let memory = malloc(MemoryLayout<HandleCell>.size) else {
    throw SwiftletError(.outOfMemory, "no memory for a handle")
  }
  let cell = memory.bindMemory(to: HandleCell.self, capacity: 1)
  cell.initialize(to: HandleCell(magic: type(of: object).magic, object: .passRetained(object)))
  return OpaquePointer(cell)
}

private func cell<T: HandleObject>(_ handle: OpaquePointer?, _: T.Type) -> UnsafeMutablePointer<HandleCell>? {
  guard let handle, Int(bitPattern: handle) % MemoryLayout<HandleCell>.alignment == 0 else { return nil }
  let cell = UnsafeMutablePointer<HandleCell>(handle)
  return cell.pointee.magic == T.magic ? cell : nil
}

/// The object behind a handle; nil for NULL and for a handle of another kind.
func object<T: HandleObject>(_ handle: OpaquePointer?, _: T.Type = T.self) -> T? {
  cell(handle, T.self).map { Unmanaged<T>.fromOpaque($0.pointee.object.toOpaque()).takeUnretainedValue() }
}

/// The object behind a handle that a call can't do without.
func required<T: HandleObject>(_ handle: OpaquePointer?, _ what: String, _: T.Type = T.self) throws -> T {
  guard let handle else { throw SwiftletError(.invalidArgument, "\(what) is NULL") }
  guard let object = object(handle, T.self) else { throw SwiftletError(.invalidArgument, "\(what) is no such handle") }
  return object
}

/// Gives up a handle. NULL and handles of another kind are left alone.
func freeHandle<T: HandleObject>(_ handle: OpaquePointer?, _: T.Type) {
  guard let cell = cell(handle, T.self) else { return }
  let object = cell.pointee.object
  cell.pointee.magic = 0
  free(cell)
  object.release()
}

/// Runs the body of a C function that returns a status: errors become the status and, if wanted, an error handle.
func status(_ error: UnsafeMutablePointer<OpaquePointer?>?, _ body: () throws -> Void) -> swl_status {
  error?.pointee = nil
  do {
    try body()
    return swl_status(SWL_OK)
  } catch let e {
    let e = e as? SwiftletError ?? SwiftletError(.internal, "\(e)")
    // Without memory for the details the status still tells.
    error?.pointee = try? makeHandle(ErrorObject(e))
    return e.code.rawValue
  }
}

/// The place for a result: an error if there is none, NULL until the call has succeeded.
func place<T>(_ out: UnsafeMutablePointer<T?>?, _ what: String) throws -> UnsafeMutablePointer<T?> {
  guard let out else { throw SwiftletError(.invalidArgument, "\(what) is NULL") }
  out.pointee = nil
  return out
}

/// The characters of a literal, for good.
func cText(_ text: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

/// Text for C, NUL at its end, that lives as long as this object.
final class CText {
  let pointer: UnsafePointer<CChar>
  private let memory: UnsafeMutableRawPointer?

  init(_ text: String) {
    var text = text
    (memory, pointer) = text.withUTF8 { bytes in
      guard let memory = malloc(bytes.count + 1) else { return (nil, cText("")) }
      if let start = bytes.baseAddress { memory.copyMemory(from: start, byteCount: bytes.count) }
      memory.storeBytes(of: 0, toByteOffset: bytes.count, as: UInt8.self)
      return (memory, UnsafePointer(memory.assumingMemoryBound(to: CChar.self)))
    }
  }
  deinit { free(memory) }
}

/// A string from C.
func string(_ text: UnsafePointer<CChar>?, _ what: String) throws -> String {
  guard let text else { throw SwiftletError(.invalidArgument, "\(what) is NULL") }
  return try string(text, strlen(text), what)
}

func string(_ text: UnsafePointer<CChar>, _ length: Int, _ what: String) throws -> String {
  let bytes = UnsafeRawBufferPointer(start: text, count: length)
  guard let string = String(validating: bytes, as: UTF8.self) else {
    throw SwiftletError(.invalidArgument, "\(what) is not UTF-8")
  }
  return string
}

/// An array from C: NULL goes with a count of 0 only.
func array<T>(_ base: UnsafePointer<T>?, _ count: Int, _ what: String) throws -> UnsafeBufferPointer<T> {
  guard count >= 0, count == 0 || base != nil else {
    throw SwiftletError(.invalidArgument, count < 0 ? "the number of \(what) is out of range" : "\(what) is NULL")
  }
  return UnsafeBufferPointer(start: base, count: count)
}
