import CSystem
import Glibc
import Kernels
import ONNX
import Operators
import Progressive
import Tensors

/// A model that arrives as a progressive container. Bytes are appended from any thread, in any order once the first 32 have
/// come, or as an ONNX model as it is, in order; a thread of the stream's own refines the weights and makes a generation
/// of the model from time to time. Sessions of its model take the newest generation at each run, and keep it to the end of
/// that run.
public final class ModelStream: @unchecked Sendable {
  public enum State: Int32, Sendable {
    case needMore = 0
    /// There is a model. Reached once, and it stays until complete.
    case usable = 1
    /// The newest generation is the original, bit for bit.
    case complete = 2
  }
  public struct Status: Sendable {
    public var state = State.needMore
    public var receivedByteCount = 0
    /// Bytes of the whole container; 0 until they are known.
    public var byteCount = 0
    /// The number of the newest generation, and the bytes that had come when it was made; 0 before the first.
    public var generation = 0
    public var generationByteCount = 0
    /// Bytes that had come when what had come was last used up.
    var refinedByteCount = 0
  }
  /// What is known of a tensor of the container.
  public struct TensorStatus: Sendable {
    public let name: String
    /// Planes that all of its weights have, and that there are.
    public let planes: Int
    public let planeCount: Int
  }

  /// A new generation is made when at least this part of the container is new.
  private static let generationPart = 16
  /// A generation refines tensors of at most this part of the files, or of this many bytes: those are in memory twice.
  private static let changedPart = 24
  private static let changedBytes = 4 << 20
  /// Senders that wait do so while more than this part of the container hasn't been used.
  private static let waitingPart = 24

  private let limits: ModelLimits
  private let byteLimit: Int
  private let folder: String?
  private let receiver: ContainerReceiver
  private let monitor = Monitor()
  private let cancellation = Cancellation()
  // Guarded by the monitor.
  private var arrived: [Int] = []
  private var next = 0
  /// Not nil: what comes is no container.
  private var plain: PlainModel?
  private var hasEnded = false
  private var now = Status()
  private var failure: SwiftletError?
  private var current: Model?
  private var tensors: [TensorStatus] = []
  private var isStopped = false
  private var thread: pthread_t?
  private var isRefining = false
  private var observer: (@Sendable (Status) -> Void)?
  // The thread's own.
  private var image: ContainerImage?
  /// The generation before the newest, while runs use it.
  private weak var older: Generation?

  /// - Parameter folder: where files without a name hold the weights, so that the system can take their memory back; nil:
  ///   memory holds them.
  public init(limits: ModelLimits = ModelLimits(), folder: String? = nil) {
    self.limits = limits
    self.folder = folder
    var receiving = ContainerReceiver.Limits()
    receiving.bytes = min(receiving.bytes, limits.memory)
    byteLimit = receiving.bytes
    receiver = ContainerReceiver(limits: receiving)
  }

  /// Ends the refinement; sessions keep the newest generation. Waits until the stream's thread is done.
  public func close() {
    let running = monitor.locked { () -> pthread_t? in
      isStopped = true
      monitor.signal()
      defer { thread = nil }
      return thread
    }
    cancellation.cancel()
    guard let running else { return }
    if pthread_equal(running, pthread_self()) != 0 { pthread_detach(running) } else { pthread_join(running, nil) }
  }

  public var status: Status { monitor.locked { now } }
  /// The planes that each tensor has in the newest generation; empty before the first.
  public var tensorStatus: [TensorStatus] { monitor.locked { tensors } }

  /// Calls `observer` on the stream's thread after each new generation; nil: nobody.
  public func observe(_ observer: (@Sendable (Status) -> Void)?) { monitor.locked { self.observer = observer } }

  /// The model, whose sessions follow the stream.
  public func model() throws -> Model {
    try monitor.locked {
      if let failure { throw failure }
      guard let current else { throw SwiftletError(.invalidArgument, "the stream has no usable model yet") }
      return current
    }
  }

  /// Takes bytes that stand at `offset` of the container; nil: behind those of the last call.
  /// - Throws: for damaged bytes too, which can be sent again; and whatever has ended the stream.
  @discardableResult
  public func append(_ bytes: UnsafeRawBufferPointer, at offset: Int? = nil) throws -> Status {
    try monitor.locked {
      if let failure { throw failure }
      guard !isStopped else { throw SwiftletError(.invalidArgument, "the stream is closed") }
      let at = offset ?? next
      next = try Checked.add(at, bytes.count)
      if plain != nil || at == 0 && receiver.receivedByteCount == 0 && PlainModel.begins(bytes) {
        guard !hasEnded else { throw SwiftletError(.invalidArgument, "the model's end has been told") }
        var model = plain ?? PlainModel()
        plain = nil
        defer { plain = model }
        try model.append(bytes, at: at, limit: byteLimit)
        now.receivedByteCount = model.byteCount
        return now
      }
      defer {
        now.receivedByteCount = receiver.receivedByteCount
        now.byteCount = receiver.header?.containerLength ?? 0
      }
      arrived += try receiver.append(bytes, at: at)
      if !arrived.isEmpty {
        try start()
        monitor.signal()
      }
      return now
    }
  }

  /// Whether what comes is a model as it is, which needs `end`.
  public var isPlain: Bool { monitor.locked { plain != nil } }

  /// Says that no more bytes come. A model that came as it is becomes a generation then.
  /// - Throws: if bytes of a container are missing.
  public func end() throws {
    try monitor.locked {
      if let failure { throw failure }
      guard !isStopped else { throw SwiftletError(.invalidArgument, "the stream is closed") }
      guard let plain else {
        guard now.byteCount > 0, now.receivedByteCount == now.byteCount else {
          throw SwiftletError(
            .parse, "the container has ended after \(now.receivedByteCount) of \(now.byteCount > 0 ? "\(now.byteCount)" : "more") bytes")
        }
        return
      }
      now.byteCount = plain.byteCount
      hasEnded = true
      try start()
    }
  }

  /// Waits while the refinement is far behind what has come, so that memory is bounded however fast bytes are sent. Doesn't
  /// wait on the stream's thread, nor for bytes that haven't come.
  public func waitForRoom() {
    monitor.locked {
      let isOwn = thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false
      while !isOwn, isRefining, !isStopped, failure == nil, isBehind { _ = monitor.wait() }
    }
  }

  /// The ranges of the container that haven't come yet; nil before the header has.
  public var missing: [Range<Int>]? {
    monitor.locked { receiver.header.map { receiver.missing(in: 0..<$0.containerLength) } }
  }

  /// Waits until `isReached` says so of the status.
  /// - Parameter deadline: monotonic nanoseconds; nil: none.
  public func wait(until deadline: UInt64? = nil, _ isReached: (Status) -> Bool) throws -> Status {
    try monitor.locked {
      while !isReached(now) {
        if let failure { throw failure }
        guard !isStopped else { throw SwiftletError(.cancelled, "the stream is closed") }
        guard monitor.wait(until: deadline) else { throw SwiftletError(.deadline, "the deadline has passed") }
      }
      return now
    }
  }

  /// Inside the monitor.
  private func start() throws {
    guard thread == nil else { return }
    var created = pthread_t()
    let me = Unmanaged.passRetained(self)
    let result = pthread_create(&created, nil, { pointer in
      guard let pointer else { return nil }
      Unmanaged<ModelStream>.fromOpaque(pointer).takeRetainedValue().work()
      return nil
    }, me.toOpaque())
    guard result == 0 else {
      me.release()
      throw SwiftletError(.outOfMemory, "no thread for the stream")
    }
    thread = created
  }

  /// The thread: takes what has arrived, and makes generations of it.
  private func work() {
    // Of this thread alone: inference comes first.
    setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 5)
    do {
      if let plain = monitor.locked({ plain }) {
        try makeGeneration(ModelSource(bytes: plain.bytes), of: plain.byteCount, isComplete: true)
      }
      while let chunks = nextChunks() {
        guard let container = receiver.container else { continue }
        let image = try self.image ?? ContainerImage(container, isShared: true, folder: folder)
        self.image = image
        try image.note(chunks, from: receiver)
        if status.generation > 0 { try refine(image) } else { try begin(image) }
        if image.isComplete { break }
      }
    } catch {
      monitor.locked { failure = error as? SwiftletError ?? SwiftletError(.internal, "\(error)") }
    }
    image = nil
    monitor.locked {
      isRefining = false
      monitor.signal()
    }
  }

  private func nextChunks() -> [Int]? {
    monitor.locked {
      isRefining = false
      monitor.signal()
      while arrived.isEmpty, !isStopped { _ = monitor.wait() }
      isRefining = true
      defer { arrived = [] }
      return isStopped ? nil : arrived
    }
  }

  /// Before there is a model, all is refined where it stands.
  private func begin(_ image: ContainerImage) throws {
    let received = status.receivedByteCount
    try image.refine(upTo: .max, from: receiver)
    monitor.locked { now.refinedByteCount = received }
    if image.isUsable { try makeGeneration(image, of: received) }
  }

  /// Refines what is due, some tensors at a time, each time as a generation.
  private func refine(_ image: ContainerImage) throws {
    let received = status.receivedByteCount
    guard isDue() else { return }
    let most = max(image.container.filesByteCount / Self.changedPart, Self.changedBytes)
    var isLast = false
    while !isLast, waitForLastRuns() {
      let begun = Self.processorTime
      // The weights that the generation before had packed are free now, but not yet given back.
      Allocator.system.trim()
      sws_trim()
      isLast = try image.refine(upTo: most, from: receiver)
      if isLast { monitor.locked { now.refinedByteCount = received } }
      try makeGeneration(image, of: isLast ? received : status.generationByteCount)
      rest(Self.processorTime &- begun)
    }
  }

  private func isDue() -> Bool {
    monitor.locked {
      now.receivedByteCount == now.byteCount
        || now.receivedByteCount - now.refinedByteCount >= now.byteCount / Self.generationPart
    }
  }

  /// Waits until no run needs a generation that isn't the newest.
  /// - Returns: false when the stream has been closed.
  private func waitForLastRuns() -> Bool {
    monitor.locked {
      while !isStopped, older != nil { _ = monitor.wait(until: sws_now() + 1_000_000) }
      return !isStopped
    }
  }

  /// Nanoseconds that this thread has had a core.
  private static var processorTime: UInt64 {
    var t = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t)
    return UInt64(truncatingIfNeeded: t.tv_sec) &* 1_000_000_000 &+ UInt64(truncatingIfNeeded: t.tv_nsec)
  }

  /// Leaves a core to others for some time, unless senders wait or all has come.
  private func rest(_ nanoseconds: UInt64) {
    let end = sws_now() + nanoseconds
    monitor.locked {
      while !isStopped, !isBehind, now.receivedByteCount < now.byteCount, monitor.wait(until: end) {}
    }
  }

  /// Whether senders that wait should. Inside the monitor.
  private var isBehind: Bool { now.receivedByteCount - now.refinedByteCount > now.byteCount / Self.waitingPart }

  private func makeGeneration(_ image: ContainerImage, of received: Int) throws {
    if image.isComplete { try image.verify() }
    let tensors = image.container.tensors.indices.map {
      TensorStatus(
        name: image.container.tensors[$0].name, planes: image.planes(of: $0),
        planeCount: image.container.tensors[$0].encoding.planeCount)
    }
    try makeGeneration(image.modelSource(), of: received, isComplete: image.isComplete, tensors)
  }

  private func makeGeneration(
    _ source: ModelSource, of received: Int, isComplete: Bool, _ tensors: [TensorStatus] = []
  ) throws {
    let previous = current?.newest
    let next = try Generation(
      source: source, limits: limits, cancellation: cancellation, number: (previous?.number ?? 0) + 1,
      previous: previous)
    if let types = current?.lastInputTypes {
      let environment = RunEnvironment(
        pool: try ThreadPool(width: 1), allocator: Allocator(limit: limits.memory), cancellation: cancellation)
      try? next.program.prepare(inputTypes: types, environment)
    }
    older = previous
    let model = current ?? Model(next)
    model.publish(next)
    let (status, observer) = monitor.locked { () -> (Status, (@Sendable (Status) -> Void)?) in
      current = model
      now.generation = next.number
      // The last chunks may have come while they were being refined.
      now.generationByteCount = isComplete ? now.receivedByteCount : received
      now.state = isComplete ? .complete : .usable
      self.tensors = tensors
      monitor.signal()
      return (now, self.observer)
    }
    observer?(status)
  }
}
