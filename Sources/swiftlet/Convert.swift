import ArgumentParser
import FoundationEssentials
import Glibc

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Convert a model between ONNX's binary and text forms.",
    discussion: """
      The formats, and the endings of file names that mean them:
        onnx     the binary form (.onnx)
        onnxtxt  ONNX's textual syntax, for reading and writing by hand (.onnxtxt, .txt)
        pbtxt    protobuf's text format (.pbtxt, .textproto, .prototxt)
        json     protobuf's JSON (.json)

      EXAMPLES
        swiftlet convert model.onnx model.onnxtxt
        swiftlet convert model.json model.onnx
        swiftlet convert --from onnxtxt --to onnx - - < model.txt > model.onnx
        swiftlet convert --opset 17 old.onnx new.onnx

      External data stays where it is: keep the result in the same folder.
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument {
    case onnx, onnxtxt, pbtxt, json

    var bridged: Bridge.Format {
      switch self {
      case .onnx: .onnx
      case .onnxtxt: .onnxText
      case .pbtxt: .protobufText
      case .json: .json
      }
    }
  }

  @Argument(help: "The model to read; - for standard input.", completion: .file()) var input: String
  @Argument(help: "The file to write; - for standard output.", completion: .file()) var output: String
  @Option(help: "The format of the input, if its name doesn't tell.") var from: Format?
  @Option(help: "The format of the output, if its name doesn't tell.") var to: Format?
  @Option(help: "Bring the model to this version of the ai.onnx operators (libonnx's version converter).") var opset: Int?

  func run() throws {
    let from = try format(self.from, input, "--from")
    let to = try format(self.to, output, "--to")
    let bridge = try Bridge()
    var model = input == "-" ? standardInput() : try contents(input)
    if let opset {
      model = try bridge.convertVersion(bridge.convert(model, from: from, to: .onnx).output, opset: opset)
    }
    let (result, leftOut) = try bridge.convert(model, from: opset == nil ? from : .onnx, to: to)
    if let leftOut { Terminal.complain("left out, as the format has no place for it: \(leftOut)") }
    if output == "-" {
      let written = result.withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, stdout) }
      guard written == result.count, fflush(stdout) == 0 else { throw FileFailure(path: output, error: POSIXError(.EIO)) }
    } else {
      do { try result.write(to: URL(fileURLWithPath: output), options: .atomic) } catch {
        throw FileFailure(path: output, error: error)
      }
    }
  }

  private func standardInput() -> Data {
    var all = Data()
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while case let n = fread(&buffer, 1, buffer.count, stdin), n > 0 { all.append(contentsOf: buffer[..<n]) }
    return all
  }

  private func contents(_ path: String) throws -> Data {
    do { return try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe) } catch {
      throw FileFailure(path: path, error: error)
    }
  }

  private func format(_ given: Format?, _ path: String, _ option: String) throws -> Bridge.Format {
    if let format = given?.bridged ?? Bridge.Format(path: path) { return format }
    throw ValidationError("The name '\(path)' doesn't tell the format: give \(option).")
  }
}

private struct FileFailure: Error, CustomStringConvertible {
  let path: String
  let error: any Error
  var description: String { "'\(path)': \(error.reason)" }
}
