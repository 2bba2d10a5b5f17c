import FoundationEssentials
import Glibc

/// libswiftlet-onnx.so (Sources/SwiftletONNX/include/swiftlet_onnx.h), loaded when a subcommand needs it.
struct Bridge {
  /// `swlx_format`
  enum Format: Int32, CaseIterable {
    case onnx = 0
    case protobufText, json, onnxText

    /// The format that a file's name promises.
    init?(path: String) {
      switch URL(fileURLWithPath: path).pathExtension.lowercased() {
      case "onnx": self = .onnx
      case "onnxtxt", "txt": self = .onnxText
      case "pbtxt", "textproto", "prototxt": self = .protobufText
      case "json": self = .json
      default: return nil
      }
    }
  }

  /// A `swlx_status` other than SWLX_OK, and its text.
  struct Failure: Error, CustomStringConvertible {
    enum Status: Int32 {
      case invalidArgument = 1
      case malformed, unsupported, rejected, outOfMemory, failed
    }
    let status: Status
    let description: String
  }

  struct Missing: Error, CustomStringConvertible {
    let reason: String
    var description: String {
      """
      libswiftlet-onnx.so can't be loaded: \(reason)
      It needs Debian's packages libonnx1 and libprotobuf32, and is built with Swiftlet where libonnx-dev and \
      libprotobuf-dev are installed.
      """
    }
  }

  private typealias Text = UnsafeMutablePointer<CChar>?
  private typealias Output = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  private typealias Length = UnsafeMutablePointer<Int>
  private typealias VersionFunction = @convention(c) () -> UnsafePointer<CChar>?
  private typealias FreeFunction = @convention(c) (UnsafeMutableRawPointer?) -> Void
  private typealias ConvertFunction = @convention(c) (UnsafeRawPointer?, Int, Int32, Int32, Output, Length, Output) -> Int32
  private typealias CheckFunction = @convention(c) (UnsafeRawPointer?, Int, UnsafePointer<CChar>?, Int, Output) -> Int32
  private typealias ConvertVersionFunction =
    @convention(c) (UnsafeRawPointer?, Int, Int64, Output, Length, Output) -> Int32
  private typealias DumpFunction = @convention(c) (UnsafeRawPointer?, Int, Output, Length, Output) -> Int32

  /// "libonnx 1.12.0, libprotobuf 3.21.12"
  let version: String
  private let free: FreeFunction
  private let convertFunction: ConvertFunction
  private let checkFunction: CheckFunction
  private let convertVersionFunction: ConvertVersionFunction
  private let dumpFunction: DumpFunction

  /// From beside the executable, from ../lib, or from where the loader looks.
  init() throws {
    let executable = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
    let name = "libswiftlet-onnx.so"
    var handle: UnsafeMutableRawPointer?
    var reason = ""
    for path in [executable + "/" + name, executable + "/../lib/" + name, name] {
      if path != name, access(path, R_OK) != 0 { continue }
      handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)
      if handle != nil { break }
      if reason.isEmpty { reason = dlerror().map { String(cString: $0) } ?? "unknown reason" }
    }
    guard let handle else { throw Missing(reason: reason) }
    func function<F>(_ name: String, as: F.Type) throws -> F {
      guard let symbol = dlsym(handle, name) else { throw Missing(reason: "it is of another version (no \(name))") }
      return unsafeBitCast(symbol, to: F.self)
    }
    free = try function("swlx_free", as: FreeFunction.self)
    convertFunction = try function("swlx_convert", as: ConvertFunction.self)
    checkFunction = try function("swlx_check", as: CheckFunction.self)
    convertVersionFunction = try function("swlx_convert_version", as: ConvertVersionFunction.self)
    dumpFunction = try function("swlx_dump", as: DumpFunction.self)
    version = try function("swlx_version", as: VersionFunction.self)().map { String(cString: $0) } ?? ""
  }

  /// The model in another format, and what that has no place for.
  func convert(_ model: Data, from: Format, to: Format) throws -> (output: Data, leftOut: String?) {
    var leftOut: String?
    let output = try produce(model, note: &leftOut) {
      convertFunction($0, $1, from.rawValue, to.rawValue, $2, $3, $4)
    }
    return (output, leftOut)
  }

  /// Brings a serialised model to `opset` of the domain ai.onnx.
  func convertVersion(_ model: Data, opset: Int) throws -> Data {
    var note: String?
    return try produce(model, note: &note) { convertVersionFunction($0, $1, Int64(opset), $2, $3, $4) }
  }

  /// What libprotobuf reads in a serialised model (docs/reader-oracle.md).
  func dump(_ model: Data) throws -> String {
    var note: String?
    return String(decoding: try produce(model, note: &note) { dumpFunction($0, $1, $2, $3, $4) }, as: UTF8.self)
  }

  /// Throws when the official checker refuses the model or doesn't know its version.
  func check(_ model: Data, directory: String) throws {
    var message: Text = nil
    let status = model.withUnsafeBytes {
      checkFunction($0.baseAddress, $0.count, directory, directory.utf8.count, &message)
    }
    _ = try succeed(status, message)
  }

  private func produce(
    _ model: Data, note: inout String?, _ body: (UnsafeRawPointer?, Int, Output, Length, Output) -> Int32
  ) throws -> Data {
    var output: Text = nil
    var length = 0
    var message: Text = nil
    let status = model.withUnsafeBytes { body($0.baseAddress, $0.count, &output, &length, &message) }
    note = try succeed(status, message)
    guard let output else { throw Failure(status: .failed, description: "no output") }
    let free = free
    return Data(bytesNoCopy: output, count: length, deallocator: .custom { memory, _ in free(memory) })
  }

  private func succeed(_ status: Int32, _ message: Text) throws -> String? {
    defer { free(message) }
    let text = message.map { String(cString: $0) }
    guard status != 0 else { return text }
    throw Failure(status: Failure.Status(rawValue: status) ?? .failed, description: text ?? "status \(status)")
  }
}
