import Foundation
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletTool

/// `swiftlet test`
@Suite struct TestCommandTests {
  /// A case whose reference is `expected`.
  private func add(_ name: String, _ expected: [Float], to tool: Tool, model: [UInt8] = Proto.relu()) throws {
    try tool.write(model, "\(name)/model.onnx")
    try tool.write(Proto.floats([1, 2], [-1, 3]), "\(name)/test_data_set_0/input_0.pb")
    try tool.write(Proto.floats([1, 2], expected), "\(name)/test_data_set_0/output_0.pb")
  }
  private func lastLine(_ r: Tool.Result) -> String { r.output.split(separator: "\n").last.map(String.init) ?? "" }

  @Test func countsCases() throws {
    let tool = try Tool()
    defer { tool.remove() }
    try add("suite/node/good", [0, 3], to: tool)
    try add("suite/node/near", [0, 3.001], to: tool)
    let good = try tool("test", "suite", "--jobs", "2")
    #expect(good.status == 0)
    #expect(good.output == "2 passed, 0 failed, 0 skipped\n")

    try add("suite/node/bad", [0, 4], to: tool)
    try add("suite/node/unknown", [0, 3], to: tool, model: Proto.relu(op: "Nonsense"))
    try tool.write(Proto.relu(), "suite/node/empty/model.onnx")
    try tool.write(Proto.floats([1, 2], [-1, 3]), "suite/node/empty/test_data_set_0/input_0.pb")
    let bad = try tool("test", "suite", "--json", "results.json")
    #expect(bad.status == 1)
    #expect(bad.output.contains("FAILED  node/bad: output 0 'y': 1 of 2 values differ, max error 1; 3 instead of 4 at [0,1]\n"))
    #expect(bad.output.contains("Nonsense"))
    #expect(lastLine(bad) == "2 passed, 2 failed, 1 skipped")
    let json = try tool.json(String(decoding: tool.read("results.json"), as: UTF8.self))
    #expect(json["passed"] as? Int == 2)
    #expect((json["cases"] as? [Any])?.count == 5)

    #expect(lastLine(try tool("test", "suite", "--filter", "near")) == "1 passed, 0 failed, 0 skipped")
    #expect(try tool("test", "suite", "--filter", "near", "--verbose").output.contains("passed  node/near"))
  }

  @Test func takesTolerancesFromTheIndex() throws {
    let tool = try Tool()
    defer { tool.remove() }
    try add("suite/node/strict", [0, 3.001], to: tool)
    try add("suite/node/loose", [0, 3.3], to: tool)
    try tool.write(
      Array("kind,name,inputs,rtol,atol,random\nnode,strict,\"a,b\",1e-6,0,0\nnode,loose,a,0.2,0,0\n".utf8), "suite/index.csv")
    let r = try tool("test", "suite")
    #expect(r.output.contains("FAILED  node/strict"))
    #expect(lastLine(r) == "1 passed, 1 failed, 0 skipped")
  }

  /// --shapes: what inference says of a run is held against what the run gave.
  @Test func shapesThatDisagreeAreTold() throws {
    let relu = try model(Proto.relu()), x = Value.tensor(try Tensor([Float(-1), 3], [1, 2]))
    try TestShapes.check(relu, ["x": x], [x])
    for wrong in [try Tensor([Float(0), 3], [2, 1]), try Tensor([Float(0), 3]), try Tensor([Int64(0), 3], [1, 2])] {
      let mismatch = #expect(throws: Mismatch.self) { try TestShapes.check(relu, ["x": x], [.tensor(wrong)]) }
      #expect(mismatch?.reason.contains("inference says") ?? false)
    }
    // A dimension of one size throughout the run: the name stands for it.
    #expect(throws: Mismatch.self) { try TestShapes.check(relu, ["x": x], [.tensor(Tensor([Float](repeating: 0, count: 4), [2, 2]))]) }
  }

  @Test func noCasesIsAnError() throws {
    let tool = try Tool()
    defer { tool.remove() }
    let r = try tool("test", ".")
    #expect(r.status == 1)
    #expect(r.output == "0 passed, 0 failed, 0 skipped\n")
    #expect(try tool("test", "nowhere").status == 1)
  }
}
