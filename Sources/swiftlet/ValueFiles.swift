import FoundationEssentials
import Glibc
import Swiftlet

/// Values in files: .npy and .pb in, .npy and .json out.
enum ValueFiles {
  /// - Parameter type: what is due; nil: a tensor of the file's own type.
  static func read(_ path: String, as type: ValueType?) throws -> Value {
    let bytes = try ModelSource(path: path).bytes
    do {
      if path.hasSuffix(".npy") { return .tensor(try Npy.tensor(bytes, as: type?.elementType)) }
      if path.hasSuffix(".pb") { return try ValueReader.read(bytes, as: type) }
    } catch var e as SwiftletError {
      e.message = "'\(path)': \(e.message)"
      throw e
    }
    throw SwiftletError(.invalidArgument, "'\(path)': inputs are .npy or .pb files")
  }

  /// Writes `<folder>/<name>.npy`, or .json for what NumPy has no form for, and returns the path.
  static func write(_ value: Value, name: String, to folder: String) throws -> String {
    let path = folder + "/" + fileName(name)
    if case .tensor(let t) = value, t.type != .string {
      try write(Data(try Npy.data(t)), path + ".npy")
      return path + ".npy"
    }
    try write(Data((try value.json().text() + "\n").utf8), path + ".json")
    return path + ".json"
  }

  static func write(_ data: Data, _ path: String) throws {
    do {
      try data.write(to: URL(fileURLWithPath: path))
    } catch {
      throw SwiftletError(.io, "'\(path)': \(error.reason)")
    }
  }

  static func makeFolder(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw SwiftletError(.io, "'\(path)': \(error.reason)")
    }
  }

  /// Characters outside [A-Za-z0-9._-] become `_`.
  static func fileName(_ name: String) -> String {
    let safe = name.unicodeScalars.map { u -> Character in
      switch u {
      case "A"..."Z", "a"..."z", "0"..."9", ".", "_", "-": Character(u)
      default: "_"
      }
    }
    return safe.allSatisfy { $0 == "." } ? String(repeating: "_", count: max(safe.count, 1)) : String(safe)
  }
}

extension Model {
  /// Values from `--in NAME=FILE` arguments, by input name. Names may contain `=`.
  func read(_ arguments: [InputArgument]) throws -> [String: Value] {
    var values: [String: Value] = [:]
    for a in arguments.map(\.text) {
      let known = (inputs + overridable).filter { a.hasPrefix($0.name + "=") }.max { $0.name.count < $1.name.count }
      guard let known else {
        throw SwiftletError(.invalidArgument, "the model has no input '\(a.prefix { $0 != "=" })'\n\(expectedInputs)")
      }
      values[known.name] = try ValueFiles.read(String(a.dropFirst(known.name.count + 1)), as: known.type)
    }
    return values
  }

  /// The inputs with type and shape, one a line.
  var expectedInputs: String {
    "expected inputs:\n" + inputs.map { "  \($0.name): \($0.type?.description ?? "of any type")" }.joined(separator: "\n")
  }
}
