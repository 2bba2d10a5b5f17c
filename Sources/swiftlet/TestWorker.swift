import ArgumentParser
import FoundationEssentials
import Glibc
import Swiftlet

/// The process in which cases run: takes a case (a line of JSON) from standard input and answers with its result. What it
/// runs may crash: `swiftlet test` starts another one then.
struct TestWorker: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "test-worker", shouldDisplay: false)

  @OptionGroup var threads: ThreadOption

  func run() throws {
    while let line = readLine() {
      let test = try JSONDecoder().decode(TestCase.self, from: Data(line.utf8))
      let result = try JSONEncoder().encode(Self.result(of: test, threads: threads.threads))
      print(String(decoding: result, as: UTF8.self))
      fflush(stdout)
    }
  }

  static func result(of test: TestCase, threads: Int) -> TestResult {
    let start = Date()
    var result: TestResult
    do {
      result = try run(test, threads: threads)
    } catch let m as Mismatch {
      result = TestResult(status: .failed, reason: m.reason)
    } catch {
      result = TestResult(status: .failed, reason: "\(error)")
    }
    result.seconds = Date().timeIntervalSince(start)
    return result
  }

  private static func run(_ test: TestCase, threads: Int) throws -> TestResult {
    let files = FileManager.default
    let sets = try files.contentsOfDirectory(atPath: test.folder).filter { $0.hasPrefix("test_data_set_") }
    let numbered = sets.sorted { (Int($0.dropFirst(14)) ?? 0, $0) < (Int($1.dropFirst(14)) ?? 0, $1) }
    let model = try Model(path: test.folder + "/model.onnx")
    var options = SessionOptions()
    options.threads = threads
    let session = try Session(model, options)
    var compared = 0
    var largest = 0.0
    for set in numbered {
      let folder = test.folder + "/" + set
      let names = Set(try files.contentsOfDirectory(atPath: folder))
      func count(_ kind: String) -> Int { (0...names.count).first { !names.contains("\(kind)_\($0).pb") } ?? 0 }
      let inputCount = count("input")
      let outputCount = count("output")
      guard inputCount <= model.inputs.count else {
        throw Mismatch(reason: "\(set): \(inputCount) inputs, the model has \(model.inputs.count)")
      }
      guard outputCount <= model.outputs.count else {
        throw Mismatch(reason: "\(set): \(outputCount) outputs, the model has \(model.outputs.count)")
      }
      var values: [String: Value] = [:]
      for (i, port) in model.inputs.prefix(inputCount).enumerated() {
        values[port.name] = try ValueFiles.read("\(folder)/input_\(i).pb", as: port.type)
      }
      let got = try session.run(values)
      if test.checksShapes { try TestShapes.check(model, values, got) }
      for (j, port) in model.outputs.prefix(outputCount).enumerated() {
        // The declared type tells the message; the result's own where the model declares none.
        let reference = try ValueFiles.read("\(folder)/output_\(j).pb", as: port.type ?? got[j].type)
        let what = "\(numbered.count > 1 ? set + ": " : "")output \(j) '\(port.name)'"
        largest = max(largest, try check(got[j], reference, test.tolerance, what, model))
        compared += 1
      }
    }
    guard compared > 0 else { return TestResult(status: .skipped, reason: "there are no outputs to compare with") }
    return TestResult(status: .passed, maxError: largest)
  }

  /// Values that differ may still be right where a random operator made them.
  private static func check(
    _ got: Value, _ reference: Value, _ tolerance: Tolerance, _ what: String, _ model: Model
  ) throws -> Double {
    do {
      return try Comparison.check(got, against: reference, tolerance, what)
    } catch let m as Mismatch where m.isOfValues && model.program.graph.isRandom {
      var random = tolerance
      random.isRandom = true
      if let error = try? Comparison.check(got, against: reference, random, what) { return error }
      throw m
    }
  }
}

extension Graph {
  /// Whether a random operator is in the graph.
  fileprivate var isRandom: Bool {
    nodes.contains { node in
      Registry.find(node).map { !$0.isDeterministic } ?? false || node.subgraphs.contains(where: \.isRandom)
    }
  }
}
