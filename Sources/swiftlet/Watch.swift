import ArgumentParser
import CSystem
import FoundationEssentials
import Glibc
import Swiftlet

/// `swiftlet watch`
struct Watch: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a progressive model while it arrives, and watch the answers get better.",
    discussion: """
      The packed model comes from a URL (libcurl; continued after a cut, tried again with ever longer pauses), a file, or \
      standard input (-). As soon as it can be used the model runs, and again with each generation; the last one is exact. \
      Any server of static files will do (tested: nginx, python3 -m http.server); one that doesn't understand ranges \
      sends everything again after a cut.

      With --cache what has arrived is kept in a file and isn't fetched again, however the last watch ended.

      EXAMPLES
        swiftlet watch https://example.org/model.swl --in x=x.npy --cache model.swl
        swiftlet watch model.swl --rate 1MB/s --in x=x.npy
        curl -s https://example.org/model.swl | swiftlet watch - --in x=x.npy
      """)

  @Argument(help: "URL, file or - for standard input.") var source: String
  @Option(name: .customLong("in"), parsing: .singleValue, help: ArgumentHelp("An input (repeat).", valueName: "name=file"))
  var inputs: [InputArgument] = []
  @Option(help: ArgumentHelp("Take at most so many bytes a second: 500kB/s, 1MB/s.", valueName: "rate")) var rate: Rate?
  @Option(help: ArgumentHelp("Keep what arrives from a URL in this file.", valueName: "file"), completion: .file())
  var cache: String?
  @Option(help: ArgumentHelp("Folder to write the last outputs to.", valueName: "dir"), completion: .directory)
  var out: String?
  @Flag(help: "Write the outputs of each generation too, to a folder of DIR with its number.") var every = false
  @Option(
    help: ArgumentHelp(
      "Keep weights in files without a name here; - for memory. (default: TMPDIR or /var/tmp, if there is room)",
      valueName: "dir"), completion: .directory)
  var folder: String?
  @OptionGroup var threads: ThreadOption

  /// Bytes of a disk that are free before weights are put there unasked.
  private static let room: UInt = 4 << 30
  private var weightFolder: String? {
    if let folder { return folder == "-" ? nil : folder }
    let usual = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/var/tmp"
    var disk = statvfs()
    guard access(usual, W_OK) == 0, statvfs(usual, &disk) == 0, disk.f_bavail &* disk.f_frsize >= Self.room else { return nil }
    return usual
  }

  private var isURL: Bool { source.hasPrefix("http://") || source.hasPrefix("https://") }

  func validate() throws {
    if cache != nil, !isURL { throw ValidationError("--cache is for URLs.") }
    if every, out == nil { throw ValidationError("--every needs --out.") }
  }

  func run() throws {
    let stream = ModelStream(folder: weightFolder)
    defer { stream.close() }
    let sink = try StreamSink(stream, cache: cache)
    let feeder = Feeder { try feed(sink) }
    var shown = 0
    var session: Session?
    var values: [String: Value] = [:]
    var results: [Value] = []
    while true {
      let status = try next(stream, after: shown, feeder)
      if session == nil {
        let model = try stream.model()
        values = try model.read(inputs)
        if values.count < model.inputs.count { throw SwiftletError(.invalidArgument, model.expectedInputs) }
        var options = SessionOptions()
        options.threads = threads.threads
        session = try Session(model, options)
      }
      guard let session else { continue }
      results = try session.run(values)
      // One that came since isn't what `status` tells of: it is asked again.
      guard session.generation == status.generation else { continue }
      shown = status.generation
      let names = session.model.outputs.map(\.name)
      if every, let out { try write(names, results, to: "\(out)/\(shown)") }
      Self.show(status, try zip(names, results).map { try Self.line($0, $1) }.joined(separator: "  "))
      if status.state == .complete { break }
    }
    try feeder.join()
    if let out, let session { try write(session.model.outputs.map(\.name), results, to: out) }
  }

  private func write(_ names: [String], _ values: [Value], to folder: String) throws {
    try ValueFiles.makeFolder(folder)
    for (name, value) in zip(names, values) { _ = try ValueFiles.write(value, name: name, to: folder) }
  }

  /// Waits for a generation after `shown`, and shows how far the bytes are.
  private func next(_ stream: ModelStream, after shown: Int, _ feeder: Feeder) throws -> ModelStream.Status {
    while true {
      do {
        return try stream.wait(until: sws_now() + 200_000_000) { $0.generation > shown }
      } catch let e as SwiftletError where e.code == .deadline {
        let now = stream.status
        if let failure = feeder.failure { throw failure }
        if feeder.isDone, now.receivedByteCount < now.byteCount || now.byteCount == 0 {
          throw SwiftletError(.io, "'\(source)' has ended after \(now.receivedByteCount) bytes of \(now.byteCount == 0 ? "an unknown number" : "\(now.byteCount)")")
        }
        Self.bar(now)
      }
    }
  }

  private static func bar(_ s: ModelStream.Status) {
    guard Terminal.isTerminal(STDERR_FILENO), s.byteCount > 0 else { return }
    let width = 30
    let full = s.receivedByteCount * width / s.byteCount
    fputs("\r\u{1b}[K\(String(repeating: "█", count: full))\(String(repeating: "░", count: width - full)) \(s.receivedByteCount * 100 / s.byteCount)%", stderr)
  }

  private static func show(_ s: ModelStream.Status, _ answer: String) {
    if Terminal.isTerminal(STDERR_FILENO) { fputs("\r\u{1b}[K", stderr) }
    let percent = (Double(s.generationByteCount) * 100 / Double(max(s.byteCount, 1))).short(3)
    print("\((percent + "%").padded(7)) generation \("\(s.generation)".padded(3)) \(answer)\(s.state == .complete ? "  exact" : "")")
    fflush(stdout)
    bar(s)
  }

  private static func line(_ name: String, _ value: Value) throws -> String {
    guard case .tensor(let t) = value, t.type != .string else { return "\(name): \(value.type)" }
    let n = try t.numbers()
    guard let largest = n.indices.max(by: { n[$0] < n[$1] }) else { return "\(name): empty" }
    let first = n.prefix(4).map { $0.short(4) }.joined(separator: " ")
    return n.count == 1 ? "\(name): \(first)" : "\(name): \(first)\(n.count > 4 ? " ..." : ""), largest \(n[largest].short(4)) at \(largest)"
  }

  private func feed(_ sink: StreamSink) throws {
    if isURL {
      try Download(source, rate: rate?.bytesPerSecond).run(into: sink)
      return
    }
    let descriptor = source == "-" ? STDIN_FILENO : open(source, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SwiftletError(.io, "'\(source)': \(String(cString: strerror(errno)))") }
    defer { if source != "-" { close(descriptor) } }
    var throttle = Throttle(rate?.bytesPerSecond)
    var buffer = [UInt8](repeating: 0, count: min(1 << 16, max((rate?.bytesPerSecond ?? .max) / 20, 1)))
    var total = 0
    while true {
      let n = read(descriptor, &buffer, buffer.count)
      if n < 0, errno == EINTR { continue }
      guard n >= 0 else { throw SwiftletError(.io, "'\(source)': \(String(cString: strerror(errno)))") }
      if n == 0 { return try sink.end() }
      try buffer[..<n].withUnsafeBytes { _ = try sink.append($0, at: total) }
      total += n
      throttle.pause(after: n)
    }
  }
}

/// Bytes per second: a number with B, kB, MB or GB and perhaps "/s".
struct Rate: ExpressibleByArgument {
  let bytesPerSecond: Int
  init?(argument: String) {
    var text = argument[...]
    if text.hasSuffix("/s") { text.removeLast(2) }
    var factor = 1.0
    for (unit, value) in [("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1)] where text.hasSuffix(unit) {
      text.removeLast(unit.count)
      factor = value
      break
    }
    guard let number = Double(text), number * factor >= 1, number * factor < 1e15 else { return nil }
    bytesPerSecond = Int(number * factor)
  }
}

/// Work on a thread of its own.
final class Feeder: @unchecked Sendable {
  private let monitor = Monitor()
  private var thread = pthread_t()
  private var ended = false
  private var error: (any Error)?
  private let body: () throws -> Void

  init(_ body: @escaping () throws -> Void) {
    self.body = body
    let me = Unmanaged.passRetained(self)
    pthread_create(&thread, nil, { pointer in
      guard let pointer else { return nil }
      Unmanaged<Feeder>.fromOpaque(pointer).takeRetainedValue().work()
      return nil
    }, me.toOpaque())
  }

  var isDone: Bool { monitor.locked { ended } }
  var failure: (any Error)? { monitor.locked { error } }

  func join() throws {
    pthread_join(thread, nil)
    if let failure { throw failure }
  }

  private func work() {
    let result = Result(catching: body)
    monitor.locked {
      if case .failure(let e) = result { error = e }
      ended = true
    }
  }
}
