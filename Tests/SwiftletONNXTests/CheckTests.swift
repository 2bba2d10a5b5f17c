import Foundation
import Testing

@testable import SwiftletTool

@Suite struct CheckTests {
  private func model(ir: Int = 8, opset: Int = 13, _ body: String) throws -> Data? {
    let text = "<ir_version: \(ir), opset_import: [\"\" : \(opset)]> g (float[2] x) => (float[2] y) { \(body) }"
    return try bridge?.convert(Data(text), from: .onnxText, to: .onnx).output
  }
  private func status(_ model: Data?) -> Bridge.Failure.Status? {
    guard let bridge, let model else { return nil }
    do { try bridge.check(model, directory: "") } catch { return (error as? Bridge.Failure)?.status }
    return nil
  }

  @Test func acceptsWhatIsValid() throws {
    #expect(status(try model("y = Relu(x)")) == nil)
  }

  @Test func refusesWhatIsNot() throws {
    guard bridge != nil else { return }
    #expect(status(try model("y = NoSuchOperator(x)")) == .rejected)
    #expect(status(try model("y = Relu(z)")) == .rejected)
    #expect(status(try model("y = Relu(x, x)")) == .rejected)
    #expect(status(Data("nonsense")) == .malformed)
    #expect(status(Data()) == .rejected)
  }

  @Test func newerModelsAreNotJudged() throws {
    guard let bridge, bridge.version.hasPrefix("libonnx 1.12.") else { return }
    #expect(status(try model(ir: 9, "y = Relu(x)")) == .unsupported)
    #expect(status(try model(opset: 18, "y = Relu(x)")) == .unsupported)
  }

  @Test func oldOperatorSetsAreBroughtUpToDate() throws {
    guard let bridge, let old = try model(opset: 7, "y = Relu(x)") else { return }
    let new = try bridge.convertVersion(old, opset: 13)
    #expect(try bridge.dump(new).contains("opset_import[0].version = 13\n"))
    try bridge.check(new, directory: "")
    #expect(throws: Bridge.Failure.self) { try bridge.convertVersion(old, opset: 99) }
  }

  /// libonnx's converter follows the missing output into invalid memory.
  @Test func aCrashOfTheConverterIsAnError() throws {
    guard let bridge, bridge.version.hasPrefix("libonnx 1.12."), let broken = try model(opset: 7, "z = Relu(x)") else {
      return
    }
    let failure = #expect(throws: Bridge.Failure.self) { try bridge.convertVersion(broken, opset: 13) }
    #expect(failure?.status == .failed)
  }
}
