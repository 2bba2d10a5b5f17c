import CSystem
import FoundationEssentials
import Glibc
import Swiftlet

/// Runs cases in worker processes. A worker that crashes or takes too long costs its case only.
final class WorkerPool {
  private let threads: Int
  private let limit: Double
  private var workers: [Worker] = []

  /// - Parameter limit: seconds that a case may take.
  init(count: Int, threads: Int, limit: Double) throws {
    self.threads = threads
    self.limit = limit
    signal(SIGPIPE, SIG_IGN)
    // Fatal errors are reported by their signal and message; backtraces would take seconds each.
    setenv("SWIFT_BACKTRACE", "enable=no", 0)
    for _ in 0..<count { workers.append(try Worker(threads: threads)) }
  }
  deinit { for w in workers { w.stop() } }

  /// Calls `report` with each case's index and result, as they come.
  func run(_ cases: [TestCase], report: (Int, TestResult) -> Void) throws {
    var next = 0
    var done = 0
    while done < cases.count {
      for w in workers where w.current == nil && next < cases.count {
        w.begin(next, cases[next])
        next += 1
      }
      var polls = workers.map { pollfd(fd: $0.current == nil ? -1 : $0.output, events: Int16(POLLIN), revents: 0) }
      let patience = workers.compactMap { $0.current == nil ? nil : $0.started + limit - now() }.min() ?? 0
      poll(&polls, nfds_t(polls.count), Int32(max(0, min(patience, 60)) * 1000) + 1)
      for (i, w) in workers.enumerated() {
        guard let current = w.current else { continue }
        var result: TestResult?
        if polls[i].revents != 0 {
          switch w.receive() {
          case .nothing: break
          case .line(let line): result = Self.decode(line)
          case .end: result = TestResult(status: .failed, reason: w.obituary(), seconds: now() - w.started)
          }
        }
        if result == nil, now() - w.started > limit {
          result = TestResult(status: .failed, reason: "took longer than \(Int(limit)) s", seconds: now() - w.started)
          w.stop()
        }
        guard let result else { continue }
        w.current = nil
        if w.isGone { workers[i] = try Worker(threads: threads) }
        done += 1
        report(current, result)
      }
    }
  }

  private func now() -> Double { Double(sws_now()) / 1e9 }

  private static func decode(_ line: Data) -> TestResult {
    (try? JSONDecoder().decode(TestResult.self, from: line))
      ?? TestResult(status: .failed, reason: "the worker's answer makes no sense")
  }
}

/// One worker process: cases go in, results come out; standard error is kept for the case that it dies.
private final class Worker {
  enum Received { case nothing, end, line(Data) }

  private let process: pid_t
  private let input: Int32
  let output: Int32
  private let errors: Int32
  private var received = Data()
  /// Index of the case that is running.
  var current: Int?
  private(set) var started = 0.0
  private(set) var isGone = false

  init(threads: Int) throws {
    var toWorker: [Int32] = [-1, -1]
    var fromWorker: [Int32] = [-1, -1]
    let file = tmpfile()
    guard pipe(&toWorker) == 0, pipe(&fromWorker) == 0, let file else {
      throw SwiftletError(.io, "no pipes for a worker process: \(String(cString: strerror(errno)))")
    }
    // Other workers must not hold these open.
    for descriptor in toWorker + fromWorker { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    errors = dup(fileno(file))
    fclose(file)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, toWorker[0], STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, fromWorker[1], STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO)
    let arguments = ["swiftlet", "test-worker", "--threads", "\(threads)"]
    var argv = arguments.map { strdup($0) } + [nil]
    defer { argv.forEach { free($0) } }
    var id = pid_t()
    let status = posix_spawn(&id, "/proc/self/exe", &actions, nil, &argv, environ)
    close(toWorker[0])
    close(fromWorker[1])
    guard status == 0 else { throw SwiftletError(.io, "no worker process: \(String(cString: strerror(status)))") }
    process = id
    input = toWorker[1]
    output = fromWorker[0]
  }
  deinit {
    for descriptor in [input, output, errors] { close(descriptor) }
  }

  func begin(_ index: Int, _ test: TestCase) {
    current = index
    started = Double(sws_now()) / 1e9
    var line = (try? JSONEncoder().encode(test)) ?? Data()
    line.append(0x0a)
    // A worker that has died in between is noticed when its output ends.
    line.withUnsafeBytes { _ = write(input, $0.baseAddress, $0.count) }
  }

  func receive() -> Received {
    var buffer = [UInt8](repeating: 0, count: 65536)
    let n = read(output, &buffer, buffer.count)
    if n < 0, errno == EINTR { return .nothing }
    if n <= 0 { return .end }
    received.append(contentsOf: buffer[..<n])
    guard received.last == 0x0a else { return .nothing }
    defer { received = Data() }
    return .line(received)
  }

  /// How the worker died.
  func obituary() -> String {
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    isGone = true
    let ending =
      status & 0x7f == 0
      ? "the worker ended with status \(status >> 8 & 0xff)"
      : "crashed with \(Self.signalName(status & 0x7f))"
    var buffer = [UInt8](repeating: 0, count: 65536)
    let n = pread(errors, &buffer, buffer.count, 0)
    let text = String(decoding: buffer[..<max(n, 0)], as: UTF8.self)
    let lines = text.split(whereSeparator: \.isNewline)
    let telling = lines.first { $0.contains("Fatal error") || $0.contains("ERROR: ") || $0.contains("Sanitizer") }
    return (telling ?? lines.last).map { "\(ending): \($0)" } ?? ending
  }

  func stop() {
    if isGone { return }
    kill(process, SIGKILL)
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    isGone = true
  }

  private static func signalName(_ number: Int32) -> String {
    let names = [
      SIGILL: "SIGILL", SIGABRT: "SIGABRT", SIGSEGV: "SIGSEGV", SIGBUS: "SIGBUS", SIGFPE: "SIGFPE", SIGKILL: "SIGKILL",
      SIGTRAP: "SIGTRAP", SIGTERM: "SIGTERM", SIGPIPE: "SIGPIPE",
    ]
    return names[number] ?? "signal \(number)"
  }
}
