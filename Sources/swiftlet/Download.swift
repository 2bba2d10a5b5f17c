import CSystem
import Glibc
import Swiftlet

/// Fetches a container over HTTP with libcurl, which is loaded when it is needed: continues behind what is there, tries
/// again with ever longer pauses, and fetches damaged parts anew. A file that has changed meanwhile is told by its
/// first bytes, which hold a checksum of all others; servers' own marks of versions (ETag) aren't needed.
final class Download {
  private typealias Init = @convention(c) () -> UnsafeMutableRawPointer?
  private typealias Perform = @convention(c) (UnsafeMutableRawPointer) -> Int32
  private typealias Cleanup = @convention(c) (UnsafeMutableRawPointer) -> Void
  private typealias Text = @convention(c) (Int32) -> UnsafePointer<CChar>?

  /// Attempts without a byte of progress after which it gives up.
  private static let attempts = 8
  private static let longestPause = 8.0

  private let url: String
  private let rate: Int?
  private let library: UnsafeMutableRawPointer

  init(_ url: String, rate: Int?) throws {
    self.url = url
    self.rate = rate
    let names = ["libcurl.so.4", "libcurl-gnutls.so.4", "libcurl-nss.so.4"]
    guard let library = names.lazy.compactMap({ dlopen($0, RTLD_NOW | RTLD_LOCAL) }).first else {
      throw SwiftletError(.unsupported, "URLs need libcurl (Debian: libcurl4)")
    }
    self.library = library
  }

  func run(into sink: StreamSink) throws {
    var throttle = Throttle(rate)
    try persist { sink.wanted.lowerBound } attempt: { [self] in
      sink.restart()
      if !sink.isEmpty { try sink.resume(header: header(), of: url) }
      guard !sink.isComplete else { return true }
      do {
        let (start, end) = (sink.wanted.lowerBound, sink.wanted.upperBound)
        try transfer(from: start, to: end == .max ? nil : end - 1) { bytes, offset in
          throttle.pause(after: bytes.count)
          return try sink.append(bytes, at: offset)
        }
        try sink.end()
      } catch var e as SwiftletError where e.code == .parse && !sink.isContainer {
        e.code = .invalidArgument
        throw e
      }
      return sink.isComplete
    }
  }

  /// The first bytes of the container.
  private func header() throws -> [UInt8] {
    let count = StreamSink.headerByteCount
    var header: [UInt8] = []
    try transfer(from: 0, to: count - 1) { bytes, _ in
      header += bytes.prefix(count - header.count)
      return header.count < count
    }
    guard header.count == count else { throw endedEarly }
    return header
  }

  private var endedEarly: SwiftletError { SwiftletError(.io, "'\(url)' ended early") }

  /// Calls `attempt` until it returns true. What it throws ends that, but for cuts and damage.
  private func persist(_ progress: () -> Int, attempt: () throws -> Bool) throws {
    var failures = 0
    var reached = progress()
    while true {
      var last = endedEarly
      do {
        if try attempt() { return }
      } catch let e as SwiftletError where e.code == .io || e.code == .parse {
        last = e
      }
      failures = progress() > reached ? 0 : failures + 1
      reached = max(reached, progress())
      if failures >= Self.attempts { throw last }
      let pause = min(Self.longestPause, 0.1 * Double(1 << failures))
      if failures > 0 { Terminal.complain("\(last); trying again in \(pause.short(2)) s") }
      usleep(UInt32(pause * 1e6))
    }
  }

  private typealias Take = (_ bytes: UnsafeRawBufferPointer, _ offset: Int) throws -> Bool

  /// One request for bytes from `start` on, until `take` returns false or throws.
  private func transfer(from start: Int, to end: Int?, _ take: @escaping Take) throws {
    let create: Init = try symbol("curl_easy_init")
    let perform: Perform = try symbol("curl_easy_perform")
    let cleanup: Cleanup = try symbol("curl_easy_cleanup")
    let text: Text = try symbol("curl_easy_strerror")
    guard let handle = create() else { throw SwiftletError(.outOfMemory, "libcurl gives no handle") }
    defer { cleanup(handle) }
    let setOption = try address("curl_easy_setopt")
    let receiver = Receiver(start, try address("curl_easy_getinfo"), handle, take)
    func set(_ option: UInt32, _ value: UnsafeMutableRawPointer?) { _ = sws_call_variadic(setOption, handle, option, value) }
    func set(_ option: UInt32, _ value: Int) { set(option, UnsafeMutableRawPointer(bitPattern: value)) }
    func set(_ option: UInt32, _ value: String) { value.withCString { set(option, UnsafeMutableRawPointer(mutating: $0)) } }
    set(10002, url)  // URL; libcurl copies strings
    set(10018, "swiftlet")  // USERAGENT
    set(10007, "\(start)-\(end.map { "\($0)" } ?? "")")  // RANGE
    set(45, 1)  // FAILONERROR
    set(52, 1)  // FOLLOWLOCATION
    set(99, 1)  // NOSIGNAL
    set(181, 3)  // PROTOCOLS: HTTP, HTTPS
    set(182, 3)  // REDIR_PROTOCOLS
    set(78, 20)  // CONNECTTIMEOUT, seconds
    set(19, 1)  // LOW_SPEED_LIMIT, bytes per second
    set(20, 30)  // LOW_SPEED_TIME, seconds
    let write: @convention(c) (UnsafeMutableRawPointer?, Int, Int, UnsafeMutableRawPointer?) -> Int = { data, size, count, me in
      guard let data, let me else { return 0 }
      return Unmanaged<Receiver>.fromOpaque(me).takeUnretainedValue().take(data, size * count)
    }
    set(20011, unsafeBitCast(write, to: UnsafeMutableRawPointer.self))  // WRITEFUNCTION
    set(10001, Unmanaged.passUnretained(receiver).toOpaque())  // WRITEDATA
    let result = withExtendedLifetime(receiver) { perform(handle) }
    if let failure = receiver.failure { throw failure }
    guard result != 0, !receiver.hasEnough else { return }
    let status = receiver.status
    let message = "'\(url)': \(text(result).map { String(cString: $0) } ?? "error \(result)")\(status >= 400 ? " (\(status))" : "")"
    let isFinal = (400..<500).contains(status) && status != 408 && status != 416 && status != 429
    throw SwiftletError(isFinal ? .invalidArgument : .io, message)
  }

  private func address(_ name: String) throws -> UnsafeMutableRawPointer {
    guard let p = dlsym(library, name) else { throw SwiftletError(.unsupported, "libcurl has no \(name)") }
    return p
  }
  private func symbol<T>(_ name: String) throws -> T { unsafeBitCast(try address(name), to: T.self) }
}

/// What libcurl hands over during one request.
private final class Receiver {
  private var offset: Int
  private let getInfo: UnsafeMutableRawPointer
  private let handle: UnsafeMutableRawPointer
  private let body: (UnsafeRawBufferPointer, Int) throws -> Bool
  private var hasBegun = false
  private(set) var hasEnough = false
  private(set) var failure: (any Error)?

  init(
    _ offset: Int, _ getInfo: UnsafeMutableRawPointer, _ handle: UnsafeMutableRawPointer,
    _ body: @escaping (UnsafeRawBufferPointer, Int) throws -> Bool
  ) {
    self.offset = offset
    self.getInfo = getInfo
    self.handle = handle
    self.body = body
  }

  /// HTTP's status of the response; 0 before there is one.
  var status: Int {
    var status = 0
    return sws_call_variadic(getInfo, handle, 0x20_0002, &status) == 0 ? status : 0
  }

  /// - Returns: `count`, or 0 to end the request.
  func take(_ data: UnsafeMutableRawPointer, _ count: Int) -> Int {
    // A server that doesn't know ranges sends everything.
    if !hasBegun, status == 200 { offset = 0 }
    hasBegun = true
    do {
      hasEnough = try !body(UnsafeRawBufferPointer(start: data, count: count), offset)
      offset += count
      return hasEnough ? 0 : count
    } catch {
      failure = error
      return 0
    }
  }
}
