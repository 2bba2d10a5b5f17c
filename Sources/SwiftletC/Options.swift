// Section 7 of swiftlet.h: options.
import CSwiftlet
import Swiftlet

/// What swl_options hold; the defaults are those of the header.
struct Settings {
  var threads = 0
  var isDeterministic = true
  var profiles = false
  var memoryLimit = Int.max
  var nodeLimit = ModelLimits().nodes
  var loadTime: UInt64?
  var runTime: UInt64?
  var allocator: AllocatorHook?
  var pool: PoolHook?
  var log = Log()
  /// nil: beside the model; empty: nowhere.
  var externalFolder: String?
  var resolver: ResolverHook?
  /// nil: in memory.
  var streamFolder: String?
  var canceller: Cancellation?
}

/// The caller's functions, which the caller promises to be callable from any thread.
struct AllocatorHook: @unchecked Sendable {
  let allocate: @convention(c) (UnsafeMutableRawPointer?, Int, Int) -> UnsafeMutableRawPointer?
  let release: @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, Int) -> Void
  let userdata: UnsafeMutableRawPointer?
}

struct PoolHook {
  let width: Int
  let parallelFor: swl_parallel_for
  let userdata: UnsafeMutableRawPointer?
}

struct ResolverHook {
  let resolve: swl_resolve
  let userdata: UnsafeMutableRawPointer?
}

/// The caller's log; silent without one.
struct Log {
  var mostVerbose = Int32.min
  var write: swl_log?
  var userdata: UnsafeMutableRawPointer?

  func callAsFunction(_ level: Int, _ message: @autoclosure () -> String) {
    guard let write, level <= Int(mostVerbose) else { return }
    message().withCString { write(userdata, Int32(level), $0) }
  }
}

final class OptionsObject: HandleObject {
  static let magic = magicWord("swl_opts")
  var settings = Settings()
}

/// The settings behind a handle that may be NULL.
func settings(_ options: OpaquePointer?) throws -> Settings {
  try options.map { try required($0, "options", OptionsObject.self).settings } ?? Settings()
}

private func set(_ options: OpaquePointer?, _ change: (inout Settings) throws -> Void) -> swl_status {
  status(nil) {
    let options: OptionsObject = try required(options, "options")
    var changed = options.settings
    try change(&changed)
    options.settings = changed
  }
}

private func check(_ condition: Bool, _ what: @autoclosure () -> String) throws {
  if !condition { throw SwiftletError(.invalidArgument, what()) }
}

/// More threads than this are a mistake.
private let maximumThreads: UInt32 = 1024

@c @implementation public func swl_options_create() -> OpaquePointer! { try? makeHandle(OptionsObject()) }
@c @implementation public func swl_options_free(_ options: OpaquePointer!) { freeHandle(options, OptionsObject.self) }

@c @implementation public func swl_options_set_threads(_ options: OpaquePointer!, _ threads: UInt32) -> swl_status {
  set(options) {
    try check(threads <= maximumThreads, "\(threads) threads")
    $0.threads = Int(threads)
  }
}

@c @implementation public func swl_options_set_deterministic(_ options: OpaquePointer!, _ on: Int32) -> swl_status {
  set(options) { $0.isDeterministic = on != 0 }
}

@c @implementation public func swl_options_set_profiling(_ options: OpaquePointer!, _ on: Int32) -> swl_status {
  set(options) { $0.profiles = on != 0 }
}

@c @implementation public func swl_options_set_limit(
  _ options: OpaquePointer!, _ limit: swl_limit, _ value: UInt64
) -> swl_status {
  set(options) {
    switch Int(limit) {
    case SWL_LIMIT_MEMORY: $0.memoryLimit = value == 0 ? Settings().memoryLimit : Int(clamping: value)
    case SWL_LIMIT_NODES: $0.nodeLimit = value == 0 ? Settings().nodeLimit : Int(clamping: value)
    case SWL_LIMIT_LOAD_TIME: $0.loadTime = value == 0 ? nil : value
    case SWL_LIMIT_RUN_TIME: $0.runTime = value == 0 ? nil : value
    default: try check(false, "\(limit) is no limit")
    }
  }
}

@c @implementation public func swl_options_set_allocator(
  _ options: OpaquePointer!, _ allocate: swl_allocate!, _ release: swl_release!, _ userdata: UnsafeMutableRawPointer!
) -> swl_status {
  set(options) {
    try check((allocate == nil) == (release == nil), "one of both functions is NULL")
    if let allocate, let release {
      $0.allocator = AllocatorHook(allocate: allocate, release: release, userdata: userdata)
    } else {
      $0.allocator = nil
    }
  }
}

@c @implementation public func swl_options_set_thread_pool(
  _ options: OpaquePointer!, _ width: UInt32, _ parallel_for: swl_parallel_for!, _ userdata: UnsafeMutableRawPointer!
) -> swl_status {
  set(options) {
    guard let parallel_for else {
      $0.pool = nil
      return
    }
    try check(width >= 1 && width <= maximumThreads, "a pool of width \(width)")
    $0.pool = PoolHook(width: Int(width), parallelFor: parallel_for, userdata: userdata)
  }
}

@c @implementation public func swl_options_set_log(
  _ options: OpaquePointer!, _ most_verbose_level: Int32, _ log: swl_log!, _ userdata: UnsafeMutableRawPointer!
) -> swl_status {
  set(options) {
    try check(SWL_LOG_ERROR...SWL_LOG_DEBUG ~= Int(most_verbose_level), "\(most_verbose_level) is no level")
    $0.log = Log(mostVerbose: most_verbose_level, write: log, userdata: userdata)
  }
}

@c @implementation public func swl_options_set_external_folder(
  _ options: OpaquePointer!, _ folder: UnsafePointer<CChar>!
) -> swl_status {
  set(options) { $0.externalFolder = try folder.map { try string($0, "folder") } }
}

@c @implementation public func swl_options_set_stream_folder(
  _ options: OpaquePointer!, _ folder: UnsafePointer<CChar>!
) -> swl_status {
  set(options) { $0.streamFolder = try folder.map { try string($0, "folder") } }
}

@c @implementation public func swl_options_set_external_resolver(
  _ options: OpaquePointer!, _ resolve: swl_resolve!, _ userdata: UnsafeMutableRawPointer!
) -> swl_status {
  set(options) { $0.resolver = resolve.map { ResolverHook(resolve: $0, userdata: userdata) } }
}

@c @implementation public func swl_options_set_canceller(
  _ options: OpaquePointer!, _ canceller: OpaquePointer!
) -> swl_status {
  set(options) {
    $0.canceller = try canceller.map { try required($0, "canceller", CancellerObject.self).cancellation }
  }
}
