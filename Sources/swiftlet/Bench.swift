import ArgumentParser
import CSystem
import FoundationEssentials
import Glibc
import Swiftlet

/// `swiftlet bench`
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure how fast a model loads and runs, and in how much memory.",
    discussion: """
      Inputs that are not given are made up, the same in every run: floating-point numbers from [0, 1), small non-negative \
      integers (ones for masks), true. Symbolic dimensions are 1 unless --dim says otherwise.

      Reported: load_ms (file to ready session), first_run_ms, then median_ms, min_ms and p90_ms over the timed runs, \
      weight_bytes (all initializers), arena_bytes (activations), peak_rss_bytes (the process's most: VmHWM).

      EXAMPLES
        swiftlet bench resnet.onnx --threads 1
        swiftlet bench bert.onnx --dim batch=1 --dim sequence=128 --seconds 5 --json
      """)

  @Argument(help: "The ONNX file, or a progressive model.", completion: .file(extensions: ["onnx", "swl"]))
  var model: String
  @OptionGroup var threads: ThreadOption
  @OptionGroup var part: PartOption
  @Option(help: ArgumentHelp("Run for this long.", valueName: "s"))
  var seconds = 2.0
  @Option(help: ArgumentHelp("Untimed runs after the first.", valueName: "n"))
  var warmup = 1
  @OptionGroup var dimensions: DimensionOptions
  @Option(name: .customLong("in"), parsing: .singleValue, help: ArgumentHelp("An input (repeat).", valueName: "name=file"))
  var inputs: [InputArgument] = []
  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    guard seconds >= 0, seconds < 1e6 else { throw ValidationError("--seconds must be a number from 0 on.") }
    guard warmup >= 0 else { throw ValidationError("--warmup must not be negative.") }
  }

  func run() throws {
    let start = sws_now()
    let model = try part.model(model)
    var options = SessionOptions()
    options.threads = threads.threads
    let session = try Session(model, options)
    let loaded = sws_now()
    var generator = InputGenerator(dimensions: try dimensions.values(for: model))
    let values = try generator.complete(model.read(inputs), for: model)
    let first = try time { _ = try session.run(values) }
    for _ in 0..<warmup { _ = try session.run(values) }
    var times: [Double] = []
    var progress = Progress(total: 100)
    let begin = sws_now()
    while true {
      times.append(try time { _ = try session.run(values) })
      let elapsed = Double(sws_now() - begin) / 1e9
      if elapsed >= seconds { break }
      progress.show(Int(elapsed / seconds * 100), "% of the time")
    }
    progress.clear()
    times.sort()
    let milliseconds = [
      ("load_ms", Double(loaded - start) / 1e6), ("first_run_ms", first), ("median_ms", Self.quantile(times, 0.5)),
      ("min_ms", times[0]), ("p90_ms", Self.quantile(times, 0.9)),
    ]
    let counts = [
      ("runs", times.count), ("weight_bytes", model.info.weightBytes), ("arena_bytes", session.arenaBytes),
      ("peak_rss_bytes", Self.peakResidentBytes()),
    ]
    if json {
      print(JSON.object(milliseconds.map { ($0, .number(($1 * 1e4).rounded() / 1e4)) } + counts.map { ($0, .int($1)) }).text())
    } else {
      let lines = milliseconds.map { ($0, $1.short(5)) } + counts.map { ($0, "\($1)") }
      for (key, value) in lines { print(key.padded(16) + value) }
    }
  }

  /// Milliseconds.
  private func time(_ body: () throws -> Void) rethrows -> Double {
    let start = sws_now()
    try body()
    return Double(sws_now() - start) / 1e6
  }

  /// Between the two values nearest to the place.
  private static func quantile(_ sorted: [Double], _ q: Double) -> Double {
    let at = q * Double(sorted.count - 1)
    let low = Int(at)
    let high = min(low + 1, sorted.count - 1)
    return sorted[low] + (at - Double(low)) * (sorted[high] - sorted[low])
  }

  /// VmHWM of /proc/self/status, or 0 where there is none.
  private static func peakResidentBytes() -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return line.flatMap { Int($0.filter(\.isNumber)) }.map { $0 * 1024 } ?? 0
  }
}
