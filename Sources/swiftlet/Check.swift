import ArgumentParser
import FoundationEssentials
import Swiftlet

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say whether a model is valid: Swiftlet's verdict and the official checker's.",
    discussion: """
      Swiftlet reads the model, checks it and prepares it for a run. The official checker is libonnx's, where \
      libswiftlet-onnx.so is installed and knows the model's version.

      The exit status is 0 when nobody refuses the model.
      """)

  @Argument(help: "The model, in the binary form.", completion: .file()) var model: String

  func run() throws {
    let own = ownVerdict()
    print("swiftlet: \(own.text)")
    let official = try officialVerdict()
    print("official checker: \(official.text)")
    if own.refused || official.refused { throw ExitCode.failure }
  }

  private typealias Verdict = (text: String, refused: Bool)

  private func ownVerdict() -> Verdict {
    do {
      let loaded = try Model(path: model)
      let opsets = loaded.info.opsets.sorted { $0.key < $1.key }
        .map { "\($0.key.isEmpty ? "ai.onnx" : $0.key) \($0.value)" }.joined(separator: ", ")
      let size = "\(loaded.info.nodeCount) nodes, IR version \(loaded.info.irVersion), opset \(opsets)"
      return ("valid, and runs here (\(size))", false)
    } catch {
      return ("refused: \(error)", true)
    }
  }

  private func officialVerdict() throws -> Verdict {
    let bridge: Bridge
    do { bridge = try Bridge() } catch { return ("not asked: \(error)", false) }
    let url = URL(fileURLWithPath: model)
    guard let bytes = try? Data(contentsOf: url, options: .mappedIfSafe) else { return ("not asked", false) }
    do {
      try bridge.check(bytes, directory: url.deletingLastPathComponent().path)
      return ("valid (\(bridge.version))", false)
    } catch let failure as Bridge.Failure where failure.status == .unsupported {
      return ("can't tell: \(failure)", false)
    } catch {
      return ("refused: \(error)", true)
    }
  }
}
