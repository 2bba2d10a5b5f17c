import CSystem
import Glibc
import ONNX
import Operators
import Progressive
import Tensors

/// A model that arrives as a progressive container. Bytes are appended from any thread, in any order once the first 32 have
/// come; a thread of the stream's own refines the weights and makes a generation of the model from time to time. Sessions
/// of its model take the newest generation at each run, and keep it to the end of that run.
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

  private let limits: ModelLimits
  private let receiver: ContainerReceiver
  private let monitor = Monitor()
  private let cancellation = Cancellation()
  // Guarded by the monitor.
  private var arrived: [Int] = []
  private var next = 0
  private var now = Status()
  private var failure: SwiftletError?
  private var generations: Generations?
  private var tensors: [TensorStatus] = []
  private var isStopped = false
  private var thread: pthread_t?
  private var observer: (@Sendable (Status) -> Void)?
  // The thread's own.
  private var image: ContainerImage?

  public init(limits: ModelLimits = ModelLimits()) {
    self.limits = limits
    var receiving = ContainerReceiver.Limits()
    receiving.bytes = min(receiving.bytes, limits.memory)
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

  /// The newest generation. Sessions made from it follow the stream.
  public func model() throws -> Model {
    try monitor.locked {
      if let failure { throw failure }
      guard let generations else { throw SwiftletError(.invalidArgument, "the stream has no usable model yet") }
      return generations.newest.model
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
    do {
      while let chunks = nextChunks() {
        guard let container = receiver.container else { continue }
        let image = try self.image ?? ContainerImage(container)
        self.image = image
        try image.take(chunks, from: receiver)
        if image.isUsable, isDue(image) { try makeGeneration(image) }
        if image.isComplete { break }
      }
    } catch {
      monitor.locked {
        failure = error as? SwiftletError ?? SwiftletError(.internal, "\(error)")
        monitor.signal()
      }
    }
    image = nil
  }

  private func nextChunks() -> [Int]? {
    monitor.locked {
      while arrived.isEmpty, !isStopped { _ = monitor.wait() }
      defer { arrived = [] }
      return isStopped ? nil : arrived
    }
  }

  private func isDue(_ image: ContainerImage) -> Bool {
    monitor.locked {
      now.generation == 0 || image.isComplete
        || now.receivedByteCount - now.generationByteCount >= now.byteCount / Self.generationPart
    }
  }

  private func makeGeneration(_ image: ContainerImage) throws {
    let received = status.receivedByteCount
    if image.isComplete { try image.verify() }
    // What is refined further must not change under a run.
    let source = try image.isComplete ? image.modelSource() : image.copiedModelSource()
    let model = try Model(source: source, limits: limits, cancellation: cancellation)
    let (status, observer) = monitor.locked { () -> (Status, (@Sendable (Status) -> Void)?) in
      let all = generations ?? Generations(model)
      if generations != nil { all.publish(model) }
      generations = all
      model.generations = all
      now.generation = all.newest.number
      now.generationByteCount = received
      now.state = image.isComplete ? .complete : .usable
      tensors = image.container.tensors.indices.map {
        TensorStatus(
          name: image.container.tensors[$0].name, planes: image.planes(of: $0),
          planeCount: image.container.tensors[$0].encoding.planeCount)
      }
      monitor.signal()
      return (now, self.observer)
    }
    observer?(status)
  }
}
