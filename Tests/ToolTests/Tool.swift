import Foundation
import TestSupport
import Testing

/// The tool's binary, run in a folder of the test's own.
struct Tool {
  let folder: URL

  struct Result {
    let status: Int32
    let output: String
    let errors: String
  }

  /// - Parameter name: of the folder, one per test.
  init(_ name: String = #function) throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-tool-tests-\(getpid())-\(name.filter(\.isLetter))")
    try? FileManager.default.removeItem(at: folder)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  func remove() { try? FileManager.default.removeItem(at: folder) }

  /// Runs `swiftlet` with these arguments in the folder.
  func callAsFunction(_ arguments: String..., environment: [String: String] = [:]) throws -> Result {
    let process = Process()
    // The tests' own binary stands beside the tool's.
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
      .deletingLastPathComponent().appendingPathComponent("swiftlet")
    process.arguments = arguments
    process.currentDirectoryURL = folder
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let output = Pipe()
    let errors = folder.appendingPathComponent("stderr")
    FileManager.default.createFile(atPath: errors.path, contents: nil)
    process.standardOutput = output
    process.standardError = try FileHandle(forWritingTo: errors)
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Result(
      status: process.terminationStatus, output: String(decoding: data, as: UTF8.self),
      errors: try String(contentsOf: errors, encoding: .utf8))
  }

  func write(_ bytes: [UInt8], _ path: String) throws {
    let url = folder.appendingPathComponent(path)
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }
  func read(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: folder.appendingPathComponent(path))) }
  func json(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }
}

extension Proto {
  /// y = Relu(x) over float[N,2].
  static func relu(_ input: String = "x", _ output: String = "y", op: String = "Relu") -> [UInt8] {
    model(
      field(1, node(op, [input], [output])) + field(11, value(input, .float, [.symbol("N"), .known(2)]))
        + field(12, value(output, .float, [.symbol("N"), .known(2)])))
  }
  /// A TensorProto of floats.
  static func floats(_ dims: [Int], _ values: [Float]) -> [UInt8] {
    dims.flatMap { field(1, int: $0) } + field(2, int: 1)
      + field(9, values.flatMap { v in (0..<4).map { UInt8(truncatingIfNeeded: v.bitPattern >> (8 * $0)) } })
  }
}
