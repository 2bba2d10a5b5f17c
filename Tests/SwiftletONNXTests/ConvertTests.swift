import Foundation
import Testing

@testable import SwiftletTool

@Suite struct ConvertTests {
  @Test("every format gives the model back", arguments: Bridge.Format.allCases, Sample.all)
  func everyFormatGivesTheModelBack(format: Bridge.Format, text: String) throws {
    guard let bridge else { return }
    let model = try bridge.convert(Data(text), from: .onnxText, to: .onnx).output
    let (written, leftOut) = try bridge.convert(model, from: .onnx, to: format)
    #expect(leftOut == nil)
    #expect(try bridge.convert(written, from: format, to: .onnx).output == model)
  }

  @Test func formatsAreToldByTheFilesName() {
    #expect(Bridge.Format(path: "a.b/model.onnx") == .onnx)
    #expect(Bridge.Format(path: "model.ONNXTXT") == .onnxText)
    #expect(Bridge.Format(path: "m.txt") == .onnxText)
    #expect(Bridge.Format(path: "m.pbtxt") == .protobufText)
    #expect(Bridge.Format(path: "m.textproto") == .protobufText)
    #expect(Bridge.Format(path: "m.json") == .json)
    #expect(Bridge.Format(path: "model") == nil)
  }

  @Test func theTextualSyntaxMeansWhatItSays() throws {
    guard let bridge else { return }
    let dump = try bridge.dump(bridge.convert(Data(Sample.matmul), from: .onnxText, to: .onnx).output)
    for line in [
      #"graph.input[0].name = "X.1""#, #"graph.input[0].type = tensor(1["N", 128])"#,
      #"graph.output[0].type = tensor(1["N", ?])"#, "graph.output[1].type = sequence(map(7, tensor(8)))",
      "graph.node[2].attribute[0].i = 1", #"graph.node[1].name = "named""#,
      #"graph.node[3].domain = "a-domain""#, #"graph.node[3].op_type = "odd op""#, #"graph.node[3].overload = "variant""#,
      "graph.node[3].attribute[0].floats = [0x3f800000, 0x40200000, 0xff800000]", "graph.node[3].attribute[1].type = 7",
      #"graph.initializer[5].external_data[0].value = "weights.bin""#, "graph.initializer[5].data_location = 1",
      #"functions[0].attribute_proto[0].name = "beta""#, #"metadata_props[1].value = "quote \" here""#,
      "graph.value_info[0].type = tensor(11)",
    ] {
      #expect(dump.split(separator: "\n").contains(Substring(line)), "\(line) is missing")
    }
  }

  @Test func whatTheSyntaxHasNoPlaceForIsTold() throws {
    guard let bridge else { return }
    let json = #"{"ir_version": 8, "graph": {"name": "g", "doc_string": "words", "node": [{"op_type": "A", "doc_string": "x"}]}}"#
    let (_, leftOut) = try bridge.convert(Data(json), from: .json, to: .onnxText)
    #expect(leftOut == "doc strings of graphs, doc strings of nodes")
    let sparse = #"{"graph": {"sparse_initializer": [{"dims": [1]}]}}"#
    #expect(throws: Bridge.Failure.self) { try bridge.convert(Data(sparse), from: .json, to: .onnxText) }
  }

  @Test(
    "errors name line and column",
    arguments: [
      ("<ir_version: 8>\ng (float x; y) => () {}", Bridge.Format.onnxText, "line 2, column 11: expected ')'"),
      ("g () => () { x = A<a = []>() }", .onnxText, "line 1, column 26: an empty list needs its type"),
      ("g () => () { x = A(\"b }", .onnxText, "line 1, column 20: this string has no end"),
      ("g () => (float[99999999999999999999] x) { }", .onnxText, "is not a number that can stand here"),
      ("ir_version: 8\ngraph { nodes {} }", .protobufText, "line 2, column 15"),
      ("{\"ir_version\": [}", .json, "INVALID_ARGUMENT"),
      ("no model", .onnx, "ModelProto"),
    ])
  func errorsNameThePlace(text: String, format: Bridge.Format, due: String) throws {
    guard let bridge else { return }
    let failure = #expect(throws: Bridge.Failure.self) { try bridge.convert(Data(text), from: format, to: .onnx) }
    #expect(failure?.status == .malformed)
    #expect(failure?.description.contains(due) == true, "\(failure?.description ?? "")")
  }

  @Test func deepNestingIsAnError() throws {
    guard let bridge else { return }
    for depth in [100, 20_000] {
      #expect(throws: Bridge.Failure.self) {
        try bridge.convert(Data(Sample.nested(depth)), from: .onnxText, to: .onnx)
      }
      let types = String(repeating: "seq(", count: depth)
      #expect(throws: Bridge.Failure.self) {
        try bridge.convert(Data("g (\(types)float x) => () {}"), from: .onnxText, to: .onnx)
      }
      let messages = String(repeating: "graph { node { attribute { g: ", count: depth)
      #expect(throws: Bridge.Failure.self) { try bridge.convert(Data(messages), from: .protobufText, to: .onnx) }
      let objects = String(repeating: #"{"graph":"#, count: depth)
      #expect(throws: Bridge.Failure.self) { try bridge.convert(Data(objects), from: .json, to: .onnx) }
    }
  }
}
