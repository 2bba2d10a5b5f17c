// Section 5 of swiftlet.h, and the rest of section 8: sessions.
import CSwiftlet
import CSystem
import Glibc
import Swiftlet

final class SessionObject: HandleObject {
  static let magic = magicWord("swlsessn")
  let model: ModelObject
  let session: Session
  let settings: Settings
  /// The text that swl_session_profile last gave.
  fileprivate var profile: CText?
  private let busy: UnsafeMutablePointer<Int32>

  init(_ model: ModelObject, _ settings: Settings) throws {
    self.model = model
    self.settings = settings
    var options = SessionOptions()
    options.threads = settings.threads
    options.isDeterministic = settings.isDeterministic
    options.profiles = settings.profiles
    let hook = settings.allocator
    options.allocator = Allocator(
      limit: settings.memoryLimit, keeping: Allocator.keptBySession,
      allocate: hook.map { h in { @Sendable size, alignment in h.allocate(h.userdata, size, alignment) } },
      free: hook.map { h in { @Sendable memory, size in h.release(h.userdata, memory, size) } })
    if let pool = settings.pool {
      options.pool = try ThreadPool(width: pool.width, hook: pool.parallelFor, userdata: pool.userdata)
    }
    session = try Session(model.model, options)
    busy = .allocate(capacity: 1)
    busy.initialize(to: 0)
  }
  deinit { busy.deallocate() }

  /// Runs `body` unless another call with this session is under way.
  func exclusively<T>(_ body: () throws -> T) throws -> T {
    guard sws_atomic_exchange(busy, 1) == 0 else {
      throw SwiftletError(.busy, "another call with this session is under way; make one session for each thread")
    }
    defer { sws_atomic_store(busy, 0) }
    return try body()
  }
}

@c @implementation public func swl_session_create(
  _ model: OpaquePointer!, _ options: OpaquePointer!, _ session: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let out = try place(session, "session")
    let settings = try settings(options)
    try settings.canceller?.check()
    out.pointee = try makeHandle(SessionObject(required(model, "model"), settings))
    settings.log(
      SWL_LOG_INFO, "made a session: \(settings.threads == 0 ? "as many threads as processors" : "\(settings.threads) threads")")
  }
}

@c @implementation public func swl_session_free(_ session: OpaquePointer!) { freeHandle(session, SessionObject.self) }

@c @implementation public func swl_session_run(
  _ session: OpaquePointer!, _ inputs: UnsafePointer<OpaquePointer?>!, _ input_count: Int,
  _ outputs: UnsafeMutablePointer<OpaquePointer?>!, _ output_count: Int, _ options: UnsafePointer<swl_run_options>!,
  _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  run(session, options, error) { model in
    try RunRequest(
      model, inputs, model.inputs.firstPorts(input_count, "inputs"), outputs,
      model.outputs.firstPorts(output_count, "outputs"))
  }
}

@c @implementation public func swl_session_run_named(
  _ session: OpaquePointer!, _ input_names: UnsafePointer<UnsafePointer<CChar>?>!,
  _ inputs: UnsafePointer<OpaquePointer?>!, _ input_count: Int,
  _ output_names: UnsafePointer<UnsafePointer<CChar>?>!, _ outputs: UnsafeMutablePointer<OpaquePointer?>!,
  _ output_count: Int, _ options: UnsafePointer<swl_run_options>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  run(session, options, error) { model in
    try RunRequest(
      model, inputs, model.inputs.ports(named: array(input_names, input_count, "input names"), "input"), outputs,
      model.outputs.ports(named: array(output_names, output_count, "output names"), "output"))
  }
}

@c @implementation public func swl_session_run_indexed(
  _ session: OpaquePointer!, _ input_indexes: UnsafePointer<Int>!, _ inputs: UnsafePointer<OpaquePointer?>!,
  _ input_count: Int, _ output_indexes: UnsafePointer<Int>!, _ outputs: UnsafeMutablePointer<OpaquePointer?>!,
  _ output_count: Int, _ options: UnsafePointer<swl_run_options>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  run(session, options, error) { model in
    try RunRequest(
      model, inputs, model.inputs.ports(numbered: array(input_indexes, input_count, "input indexes"), "inputs"),
      outputs, model.outputs.ports(numbered: array(output_indexes, output_count, "output indexes"), "outputs"))
  }
}

private func run(
  _ session: OpaquePointer?, _ options: UnsafePointer<swl_run_options>?, _ error: UnsafeMutablePointer<OpaquePointer?>?,
  _ request: (ModelObject) throws -> RunRequest
) -> swl_status {
  status(error) {
    let s: SessionObject = try required(session, "session")
    var deadlines = [s.settings.runTime.map(deadline(after:))]
    var cancellation: Cancellation?
    if let options {
      try checkStructSize(UnsafeRawPointer(options), MemoryLayout<swl_run_options>.size, "the run's options")
      if options.pointee.deadline != 0 { deadlines.append(options.pointee.deadline) }
      cancellation = try options.pointee.canceller.map {
        try required($0, "canceller", CancellerObject.self).cancellation
      }
    }
    let request = try request(s.model)
    try s.exclusively {
      let start = sws_now()
      let results = try s.session.run(
        request.inputs, outputs: request.outputNames, into: request.destinations,
        deadline: deadlines.compactMap { $0 }.min(), cancellation: cancellation)
      try request.handOut(results)
      s.settings.log(SWL_LOG_DEBUG, "ran in \((sws_now() - start) / 1000) microseconds")
    }
  }
}

@c @implementation public func swl_session_output_shape(
  _ session: OpaquePointer!, _ inputs: UnsafePointer<OpaquePointer?>!, _ input_count: Int, _ output: Int,
  _ shape: UnsafeMutablePointer<Int64>!, _ capacity: Int, _ rank: UnsafeMutablePointer<Int>!,
  _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let s: SessionObject = try required(session, "session")
    guard let rank else { throw SwiftletError(.invalidArgument, "rank is NULL") }
    guard capacity >= 0, capacity == 0 || shape != nil else { throw SwiftletError(.invalidArgument, "shape is NULL") }
    let port = try s.model.outputs.checked(output, "outputs")
    try s.exclusively {
      let request = try RunRequest(s.model, inputs, s.model.inputs.firstPorts(input_count, "inputs"), nil, [])
      let types = try s.session.outputTypes(request.inputs)
      guard case .tensor(_, let known?) = types[output] else {
        throw SwiftletError(
          .unsupported, "the shape of '\(port.name)' depends on contents, or it is no tensor")
      }
      rank.pointee = known.count
      for (i, d) in known.prefix(capacity).enumerated() { shape[i] = Int64(d.value ?? -1) }
    }
  }
}

@c @implementation public func swl_session_profile(
  _ session: OpaquePointer!, _ text: UnsafeMutablePointer<UnsafePointer<CChar>?>!,
  _ length: UnsafeMutablePointer<Int>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let out = try place(text, "text")
    length?.pointee = 0
    let s: SessionObject = try required(session, "session")
    try s.exclusively {
      guard s.settings.profiles else { throw SwiftletError(.invalidArgument, "the session was made without profiling") }
      let json = s.session.profile.json
      let kept = CText(json)
      s.profile = kept
      out.pointee = kept.pointer
      length?.pointee = json.utf8.count
    }
  }
}

@c @implementation public func swl_session_memory(
  _ session: OpaquePointer!, _ memory: UnsafeMutablePointer<swl_memory>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let s: SessionObject = try required(session, "session")
    guard let memory else { throw SwiftletError(.invalidArgument, "memory is NULL") }
    let size = memory.pointee.struct_size
    let known = MemoryLayout<swl_memory>.size
    guard size >= known, size <= 4096 else {
      throw SwiftletError(.invalidArgument, "struct_size of memory is \(size), \(known) is due")
    }
    try s.exclusively {
      memset(memory, 0, size)
      memory.pointee = swl_memory(
        struct_size: size, weights: UInt64(s.model.model.info.weightBytes), arena: UInt64(s.session.arenaBytes),
        peak: UInt64(s.session.memory.peak))
    }
  }
}
