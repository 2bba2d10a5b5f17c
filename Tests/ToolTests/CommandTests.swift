import Foundation
import TestSupport
import Testing

/// What scripts rely on: arguments, files, messages, exit statuses.
@Suite struct CommandTests {
  private let input = Proto.floats([1, 2], [-1, 3])

  @Test func wrongUsageIsStatus2() throws {
    let tool = try Tool()
    defer { tool.remove() }
    for arguments in [["nonsense"], ["run"], ["run", "m.onnx", "--nonsense"], ["run", "m.onnx", "--in", "x"], ["test"]] {
      let r = try tool(arguments[0], arguments.count > 1 ? arguments[1] : "--nonsense", arguments.count > 2 ? arguments[2] : "--x")
      #expect(r.status == 2, "\(arguments)")
      #expect(r.output.isEmpty)
      #expect(r.errors.contains("swiftlet"))
    }
  }

  @Test func helpAndVersionAreStatus0() throws {
    let tool = try Tool()
    defer { tool.remove() }
    let help = try tool("--help")
    #expect(help.status == 0)
    for command in ["run", "test", "bench", "inspect", "operators"] {
      #expect(help.output.contains("  \(command) "))
      let own = try tool(command, "--help")
      #expect(own.status == 0)
      #expect(own.output.contains("EXAMPLES"))
    }
    #expect(!help.output.contains("test-worker"))
    #expect(try tool("--version").output.hasPrefix("swiftlet "))
    #expect(try tool("--generate-completion-script", "bash").output.contains("swiftlet"))
  }

  @Test func runWritesOutputs() throws {
    let tool = try Tool()
    defer { tool.remove() }
    try tool.write(Proto.relu("x", "a/b:0"), "m.onnx")
    try tool.write(input, "x.pb")
    let r = try tool("run", "m.onnx", "--in", "x=x.pb", "--out", "results", "--profile", "trace.json")
    #expect(r.status == 0, "\(r.errors)")
    #expect(r.output.isEmpty)
    let npy = try tool.read("results/a_b_0.npy")
    #expect(npy.count == 128 + 8)
    #expect(npy.suffix(8) == [0, 0, 0, 0, 0, 0, 0x40, 0x40])
    #expect(try tool.json(String(decoding: tool.read("trace.json"), as: UTF8.self))["traceEvents"] != nil)
    // What was written can be read again.
    #expect(try tool("run", "m.onnx", "--in", "x=results/a_b_0.npy").output.contains("0 3"))
  }

  @Test func runPrintsASummary() throws {
    let tool = try Tool()
    defer { tool.remove() }
    try tool.write(Proto.relu(), "m.onnx")
    try tool.write(input, "x.pb")
    let r = try tool("run", "m.onnx", "--in", "x=x.pb", "--outputs", "y")
    #expect(r.output == "y: float[1,2]\n  values  0 3\n  min 0  max 3  mean 1.5\n")
  }

  @Test func runTellsWhatIsExpected() throws {
    let tool = try Tool()
    defer { tool.remove() }
    try tool.write(Proto.relu(), "m.onnx")
    try tool.write(input, "x.pb")
    let missing = try tool("run", "m.onnx")
    #expect(missing.status == 1)
    #expect(missing.errors.contains("  x: float[N,2]"))
    let unknown = try tool("run", "m.onnx", "--in", "z=x.pb")
    #expect(unknown.status == 1)
    #expect(unknown.errors.contains("no input 'z'"))
    let output = try tool("run", "m.onnx", "--in", "x=x.pb", "--outputs", "q")
    #expect(output.status == 1)
    #expect(output.errors.contains("no output 'q'"))
  }

  @Test func badFilesAreStatus1() throws {
    let tool = try Tool()
    defer { tool.remove() }
    try tool.write(Proto.relu(), "m.onnx")
    try tool.write(Array("<html>".utf8), "page.onnx")
    try tool.write(Proto.relu(op: "Nonsense"), "unknown.onnx")
    try tool.write([1, 2, 3], "x.npy")
    try tool.write(Proto.floats([3], [1, 2, 3]), "wrong.pb")
    for (arguments, told) in [
      (("run", "none.onnx"), "none.onnx"), (("run", "page.onnx"), "HTML"), (("run", "unknown.onnx"), "Nonsense"),
      (("bench", "."), "directory"), (("inspect", "page.onnx"), "HTML"),
    ] {
      let r = try tool(arguments.0, arguments.1)
      #expect(r.status == 1)
      #expect(r.errors.contains(told), "\(r.errors)")
    }
    for (file, told) in [("x.npy", "npy"), ("wrong.pb", "float[N,2]"), ("m.onnx", ".npy or .pb")] {
      let r = try tool("run", "m.onnx", "--in", "x=\(file)")
      #expect(r.status == 1)
      #expect(r.errors.contains(told), "\(r.errors)")
    }
  }

  @Test func benchReportsItsKeys() throws {
    let tool = try Tool()
    defer { tool.remove() }
    try tool.write(Proto.relu(), "m.onnx")
    let r = try tool("bench", "m.onnx", "--seconds", "0.05", "--warmup", "2", "--dim", "N=5", "--json")
    #expect(r.status == 0, "\(r.errors)")
    let keys = try tool.json(r.output).keys.sorted()
    #expect(
      keys == [
        "arena_bytes", "first_run_ms", "load_ms", "median_ms", "min_ms", "p90_ms", "peak_rss_bytes", "runs", "weight_bytes",
      ])
    let wrong = try tool("bench", "m.onnx", "--dim", "M=5")
    #expect(wrong.status == 1)
    #expect(wrong.errors.contains("'M'; there are N"))
  }

  @Test func inspectShowsTheModel() throws {
    let tool = try Tool()
    defer { tool.remove() }
    try tool.write(Proto.relu(), "m.onnx")
    try tool.write(Proto.relu(op: "Nonsense"), "unknown.onnx")
    #expect(try tool("inspect", "m.onnx").output.contains("float[N,2]"))
    #expect(try tool("inspect", "m.onnx", "--graph").output.contains("= Relu(x)"))
    let json = try tool.json(try tool("inspect", "m.onnx", "--json").output)
    #expect((json["operators"] as? [String: Int]) == ["Relu": 1])
    #expect((json["unsupported"] as? [Any])?.isEmpty == true)
    let unknown = try tool.json(try tool("inspect", "unknown.onnx", "--json").output)
    #expect((unknown["unsupported"] as? [[String: String]])?.first?["operator"] == "Nonsense")
  }

  @Test func coloursOnlyOnTerminals() throws {
    let tool = try Tool()
    defer { tool.remove() }
    try tool.write(Proto.relu(), "m.onnx")
    #expect(!(try tool("inspect", "m.onnx").output.contains("\u{1b}")))
  }
}
