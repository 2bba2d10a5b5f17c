import Foundation
import TestSupport
import Testing

/// Progressive models from the command line. Over a network: Tests/Progressive/watch.py.
@Suite struct PackTests {
  /// y = x * w with weights of [64, 64].
  private var model: [UInt8] {
    let weights = (0..<64 * 64).map { Float(sin(Double($0) * 1.7)) * 0.1 }
    return Proto.model(
      Proto.field(1, Proto.node("MatMul", ["x", "w"], ["y"]))
        + Proto.field(5, Proto.floats([64, 64], weights) + Proto.field(8, "w"))
        + Proto.field(11, Proto.value("x", .float, [.known(1), .known(64)]))
        + Proto.field(12, Proto.value("y", .float, [.known(1), .known(64)])))
  }
  private let input = Proto.floats([1, 64], (0..<64).map { Float($0 % 5) - 2 })

  private func packed() throws -> Tool {
    let tool = try Tool(UUID().uuidString)
    try tool.write(model, "m.onnx")
    try tool.write(input, "x.pb")
    let r = try tool("pack", "m.onnx", "-o", "m.swl", "--report", "curve.svg")
    #expect(r.status == 0, "\(r.errors)")
    #expect(r.output.contains("usable\n") && r.output.contains("exact\n") && r.output.contains("1 tensors in planes"))
    return tool
  }

  @Test func whatIsPackedIsUnpackedByteForByte() throws {
    let tool = try packed()
    defer { tool.remove() }
    #expect(try tool("unpack", "m.swl", "-o", "again.onnx").status == 0)
    #expect(try tool.read("again.onnx") == model)
    #expect(try tool.read("m.swl").count < model.count)
  }

  @Test func theReportIsAPicture() throws {
    let tool = try packed()
    defer { tool.remove() }
    let picture = String(decoding: try tool.read("curve.svg"), as: UTF8.self)
    #expect(picture.hasPrefix("<svg") && picture.hasSuffix("</svg>\n"))
    for text in ["m.onnx: \(model.count) bytes", "usable from", "exact at", "<polyline"] {
      #expect(picture.contains(text), "\(text)")
    }
  }

  @Test func aPartOfItRunsAndAllOfItIsExact() throws {
    let tool = try packed()
    defer { tool.remove() }
    let exact = try tool("run", "m.onnx", "--in", "x=x.pb").output
    #expect(try tool("run", "m.swl", "--in", "x=x.pb").output == exact)
    let half = try tool("run", "m.swl", "--fraction", "0.4", "--in", "x=x.pb")
    #expect(half.status == 0 && half.output != exact)
    let none = try tool("run", "m.swl", "--bytes", "20", "--in", "x=x.pb")
    #expect(none.status == 1 && none.errors.contains("are not in its first 20 bytes"))
  }

  @Test func aFileIsWatchedToItsEnd() throws {
    let tool = try packed()
    defer { tool.remove() }
    let r = try tool("watch", "m.swl", "--rate", "40kB/s", "--in", "x=x.pb", "--out", "y", "--every")
    #expect(r.status == 0, "\(r.errors)")
    let lines = r.output.split(separator: "\n")
    #expect(lines.last?.hasSuffix("exact") == true)
    // Each generation's answer is kept, and the last is that of the model.
    for line in lines {
      let number = try #require(line.split(separator: " ").dropFirst(2).first)
      #expect(try tool.read("y/\(number)/y.npy").count == 128 + 256)
    }
    #expect(try tool("run", "m.onnx", "--in", "x=x.pb", "--out", "z").status == 0)
    #expect(try tool.read("y/y.npy") == tool.read("z/y.npy"))
    try tool.write(Array(tool.read("m.swl").dropLast(10)), "cut.swl")
    let cut = try tool("watch", "cut.swl", "--in", "x=x.pb")
    #expect(cut.status == 1 && cut.errors.contains("has ended after"))
  }

  @Test func optionsThatMakeNoSenseAreRefused() throws {
    let tool = try packed()
    defer { tool.remove() }
    #expect(try tool("watch", "m.swl", "--in", "x=x.pb", "--cache", "c").status == 2)
    #expect(try tool("watch", "m.swl", "--in", "x=x.pb", "--every").status == 2)
    #expect(try tool("unpack", "m.swl", "-o", "x.onnx", "--bytes", "9", "--fraction", "0.5").status == 2)
  }
}
