import Foundation
import Swiftlet
import TestSupport
import Testing

@Suite struct PruneTests {
  /// y = MatMul(x, w), w float[64, 32] with the elements 1, 2, ... 2048.
  private static let product: [UInt8] = {
    let w = (1...64 * 32).flatMap { withUnsafeBytes(of: Float($0), Array.init) }
    let tensor = Proto.field(1, int: 64) + Proto.field(1, int: 32) + Proto.field(2, int: 1) + Proto.field(8, "w") + Proto.field(9, w)
    return Proto.model(
      Proto.field(1, Proto.node("MatMul", ["x", "w"], ["y"])) + Proto.field(5, tensor)
        + Proto.field(11, Proto.value("x", .float, [.known(1), .known(64)]))
        + Proto.field(12, Proto.value("y", .float, [.known(1), .known(32)])))
  }()

  private func weights(_ tool: Tool, _ file: String) throws -> [Float] {
    let graph = try Importer.importModel(from: ModelSource(path: tool.folder.appendingPathComponent(file).path)).graph
    let w = try #require(graph.values.first { $0.name == "w" }?.constant)
    #expect(w.shape == [64, 32])
    return try w.doubles().map { Float($0) }
  }

  @Test(arguments: [false, true]) func theSmallestBecomeZero(sparse: Bool) throws {
    let tool = try Tool("theSmallestBecomeZero\(sparse)")
    defer { tool.remove() }
    try tool.write(Self.product, "m.onnx")
    let arguments = ["prune", "m.onnx", "--sparsity", "0.75", "-o", "out.onnx"]
    let r = sparse
      ? try tool(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5], "--sparse-format")
      : try tool(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5])
    #expect(r.status == 0, "\(r.errors)")
    #expect(try weights(tool, "out.onnx") == (1...2048).map { $0 <= 1536 ? 0 : Float($0) })
    #expect(try tool("inspect", "out.onnx").output.contains("sparse"))
  }

  /// An index takes 8 bytes: with half of the weights kept, zeros are the smaller form.
  @Test func theSparseFormatIsNeverLarger() throws {
    let tool = try Tool()
    defer { tool.remove() }
    try tool.write(Self.product, "m.onnx")
    for (sparsity, share) in [("0.5", 1.0), ("0.9", 0.4)] {
      #expect(try tool("prune", "m.onnx", "--sparsity", sparsity, "-o", "out.onnx", "--sparse-format").status == 0)
      #expect(Double(try tool.read("out.onnx").count) <= share * Double(Self.product.count))
    }
  }

  @Test func blocksAreOfOutputChannels() throws {
    let tool = try Tool()
    defer { tool.remove() }
    try tool.write(Self.product, "m.onnx")
    #expect(try tool("prune", "m.onnx", "--sparsity", "0.6", "--pattern", "1x4", "-o", "out.onnx").status == 0)
    let w = try weights(tool, "out.onnx")
    for row in 0..<64 {
      for block in stride(from: 0, to: 32, by: 4) {
        #expect(Set((0..<4).map { w[row * 32 + block + $0] == 0 }).count == 1)
      }
    }
    #expect(w.filter { $0 == 0 }.count == Int((512 * 0.6).rounded()) * 4)
  }

  /// Rows 0 to 31 of w meet features a hundred times larger than rows 32 to 63, whose weights are larger.
  @Test func wandaLooksAtTheFeatures() throws {
    let tool = try Tool()
    defer { tool.remove() }
    try tool.write(Self.product, "m.onnx")
    try tool.write(Proto.floats([1, 64], (0..<64).map { $0 < 32 ? 100 : 1 }), "data/test_data_set_0/input_0.pb")
    let r = try tool(
      "prune", "m.onnx", "--sparsity", "0.5", "--method", "wanda", "--calibrate", "data", "-o", "out.onnx")
    #expect(r.status == 0, "\(r.errors)")
    let w = try weights(tool, "out.onnx")
    #expect(w[(32 * 32)...].allSatisfy { $0 == 0 || $0 > 1900 })
    for column in 0..<32 { #expect((0..<64).filter { w[$0 * 32 + column] == 0 }.count == 32) }
    #expect(try tool("prune", "m.onnx", "--sparsity", "0.5", "--method", "wanda", "-o", "out.onnx").status == 2)
  }

  @Test func allAndNothingMayGo() throws {
    let tool = try Tool()
    defer { tool.remove() }
    try tool.write(Self.product, "m.onnx")
    #expect(try tool("prune", "m.onnx", "--sparsity", "1", "-o", "none.onnx").status == 0)
    #expect(try weights(tool, "none.onnx").allSatisfy { $0 == 0 })
    try tool.write(Proto.floats([1, 64], (0..<64).map(Float.init)), "x.pb")
    #expect(try tool("run", "none.onnx", "--in", "x=x.pb").output.contains("min 0  max 0"))
    #expect(try tool("prune", "m.onnx", "--sparsity", "0", "-o", "all.onnx").status == 0)
    #expect(try weights(tool, "all.onnx") == (1...2048).map { Float($0) })
  }

  @Test func mistakesAreNamed() throws {
    let tool = try Tool()
    defer { tool.remove() }
    try tool.write(Self.product, "m.onnx")
    try tool.write(Proto.relu(), "relu.onnx")
    #expect(try tool("prune", "m.onnx", "--sparsity", "1.5", "-o", "out.onnx").status == 2)
    #expect(try tool("prune", "m.onnx", "--sparsity", "nan", "-o", "out.onnx").status == 2)
    let unknown = try tool("prune", "m.onnx", "--sparsity", "0.5", "-o", "out.onnx", "--keep", "v")
    #expect(unknown.status == 1 && unknown.errors.contains("'v'"))
    let none = try tool("prune", "relu.onnx", "--sparsity", "0.5", "-o", "out.onnx")
    #expect(none.status == 1 && none.errors.contains("relu.onnx"))
  }
}
