import ArgumentParser
import FoundationEssentials
import Glibc
import Swiftlet

/// `swiftlet test`
struct Test: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run models on test data and compare the outputs.",
    discussion: """
      Every folder at or below a PATH that holds model.onnx and test_data_set_*/{input_*,output_*}.pb is a case, as in the \
      ONNX backend suite: input_I.pb is for the I-th graph input that is not an initializer. Tolerances come from the \
      suite's index.csv where a folder above has one (columns kind, name, rtol, atol, random), else they are \
      rtol 1e-3 and atol 1e-7. Random operators are compared by type, shape and distribution.

      Each failing case prints a line with the reason; the last line is "N passed, N failed, N skipped". Cases run in \
      processes of their own: a crash, or more than 60 seconds, fails that case only.

      EXAMPLES
        swiftlet test suite
        swiftlet test suite/node --filter softmax --verbose
        swiftlet test suite --jobs 4 --json results.json
      """)

  @Argument(help: ArgumentHelp("Folders with cases.", valueName: "path"), completion: .directory)
  var paths: [String]
  @Option(help: ArgumentHelp("Write the results of all cases.", valueName: "file"), completion: .file(extensions: ["json"]))
  var json: String?
  @Option(help: ArgumentHelp("Cases to run at the same time; 0: one per core.", valueName: "n"))
  var jobs = 0
  @Option(help: ArgumentHelp("Run only cases whose path contains this (repeat for more).", valueName: "text"))
  var filter: [String] = []
  @Flag(help: "Print a line for every case, not only for failing ones.")
  var verbose = false
  @Flag(help: "Compare shape inference, with numbers and with names for dimensions, with what runs.")
  var shapes = false
  @Option(help: ArgumentHelp("Threads for each case; 0: one per core.", valueName: "n"))
  var threads = 1
  @Option(help: ArgumentHelp("Seconds that a case may take.", valueName: "s"))
  var timeout = 60.0

  func validate() throws {
    guard (0...256).contains(jobs) else { throw ValidationError("--jobs must be from 0 to 256.") }
    guard (0...1024).contains(threads) else { throw ValidationError("--threads must be from 0 to 1024.") }
    guard timeout > 0, timeout < 1e6 else { throw ValidationError("--timeout must be a number of seconds above 0.") }
  }

  func run() throws {
    var finder = TestCaseFinder()
    for p in paths { try finder.add(p) }
    var cases = finder.cases.filter { c in filter.isEmpty || filter.contains { c.folder.contains($0) } }
    for i in cases.indices { cases[i].checksShapes = shapes }
    var results = [TestResult?](repeating: nil, count: cases.count)
    var progress = Progress(total: cases.count)
    var done = 0
    if !cases.isEmpty {
      let workers = min(jobs > 0 ? jobs : ProcessInfo.processInfo.activeProcessorCount, cases.count)
      try WorkerPool(count: workers, threads: threads, limit: timeout).run(cases) { i, result in
        results[i] = result
        done += 1
        if verbose || result.status == .failed {
          progress.clear()
          print(Self.line(cases[i], result))
        }
        progress.show(done, cases[i].name)
      }
    }
    progress.clear()
    let finished = results.compactMap { $0 }
    func count(_ s: TestStatus) -> Int { finished.count { $0.status == s } }
    if let json { try ValueFiles.write(Data((Self.report(cases, finished).text() + "\n").utf8), json) }
    if cases.isEmpty { Terminal.complain("Error: there are no cases below \(paths.joined(separator: ", "))") }
    print("\(count(.passed)) passed, \(count(.failed)) failed, \(count(.skipped)) skipped")
    if count(.failed) > 0 || cases.isEmpty { throw ExitCode(1) }
  }

  private static func line(_ test: TestCase, _ result: TestResult) -> String {
    let reason = result.reason.split(whereSeparator: \.isNewline).map { $0.drop { $0 == " " } }.joined(separator: "; ")
    switch result.status {
    case .passed:
      return "\(Terminal.styled("passed", .good))  \(test.name)  max error \(result.maxError.short(3)), \(result.seconds.short(3)) s"
    case .failed: return "\(Terminal.styled("FAILED", .bad))  \(test.name): \(reason)"
    case .skipped: return "\(Terminal.styled("skipped", .faint))  \(test.name): \(reason)"
    }
  }

  private static func report(_ cases: [TestCase], _ results: [TestResult]) -> JSON {
    func count(_ s: TestStatus) -> JSON { .int(results.count { $0.status == s }) }
    let list = zip(cases, results).map { c, r in
      JSON.object([
        ("name", .string(c.name)), ("path", .string(c.folder)), ("status", .string(r.status.rawValue)),
        ("reason", .string(r.reason)), ("max_error", .number(r.maxError)), ("seconds", .number(r.seconds)),
      ])
    }
    return .object([
      ("passed", count(.passed)), ("failed", count(.failed)), ("skipped", count(.skipped)), ("cases", .array(list)),
    ])
  }
}
