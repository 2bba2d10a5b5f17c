import CSystem
import Kernels
import Tensors

/// Asked between nodes and between iterations; may be set from any thread.
public final class Cancellation: @unchecked Sendable {
  private let flag: UnsafeMutablePointer<Int32>
  /// Monotonic time in nanoseconds at which runs end, or nil.
  public var deadline: UInt64?
  /// Another one that cancels this one too: a host's, which outlives runs.
  public var linked: Cancellation?

  public init(linkedTo linked: Cancellation? = nil) {
    self.linked = linked
    flag = .allocate(capacity: 1)
    flag.initialize(to: 0)
  }
  deinit { flag.deallocate() }

  public func cancel() { sws_atomic_store(flag, 1) }
  public func reset() { sws_atomic_store(flag, 0) }
  public var isCancelled: Bool { sws_atomic_load(flag) != 0 || linked?.isCancelled ?? false }

  public func check() throws {
    if isCancelled { throw SwiftletError(.cancelled, "cancelled") }
    if let deadline, sws_now() > deadline { throw SwiftletError(.deadline, "the deadline has passed") }
  }
}

/// Memory that kernels need while they run: taken in order, given back all at once.
public final class ScratchStack {
  private let allocator: Allocator
  private var blocks: [Buffer] = []
  private var block = 0
  private var offset = 0

  public init(allocator: Allocator) { self.allocator = allocator }

  public struct Mark {
    fileprivate let block: Int
    fileprivate let offset: Int
  }
  public var mark: Mark { Mark(block: block, offset: offset) }
  public func release(to mark: Mark) {
    block = mark.block
    offset = mark.offset
    // A run that needed several blocks: one large one serves the next.
    if block == 0, offset == 0, blocks.count > 1 {
      let total = blocks.reduce(0) { $0 + $1.byteCount }
      blocks.removeAll()
      if let whole = try? allocator.allocate(total) { blocks.append(whole) }
    }
  }
  public func allocate(_ byteCount: Int) throws -> UnsafeMutableRawPointer {
    let padded = try Checked.add(byteCount, Allocator.padding + Allocator.alignment - 1) & ~(Allocator.alignment - 1)
    while block < blocks.count {
      if blocks[block].byteCount - offset >= padded {
        defer { offset += padded }
        return blocks[block].base + offset
      }
      block += 1
      offset = 0
    }
    let fresh = try allocator.allocate(max(padded, 1 << 16))
    blocks.append(fresh)
    offset = padded
    return fresh.base
  }
}

/// What the nodes of a session share while a run is on.
public final class RunEnvironment {
  public let pool: ThreadPool
  public let allocator: Allocator
  public let cancellation: Cancellation
  public let scratch: ScratchStack
  /// Seed of random operators that give none; changes from run to run unless the session is deterministic.
  public var seed: UInt64 = 0
  /// The stream of random numbers of each node that has drawn in this run, and how far it has read.
  private var streams: [ObjectIdentifier: (number: UInt64, position: UInt64)] = [:]

  public init(pool: ThreadPool, allocator: Allocator, cancellation: Cancellation) {
    self.pool = pool
    self.allocator = allocator
    self.cancellation = cancellation
    self.scratch = ScratchStack(allocator: allocator)
  }

  /// Begins a run: streams start anew.
  public func begin(seed: UInt64) {
    self.seed = seed
    streams.removeAll(keepingCapacity: true)
  }

  /// The number of the node's stream, from 1 on in the order of first use, and the place from which the node reads it
  /// now; from `count` behind that the next time.
  func advance(_ node: KernelContext, by count: UInt64) -> (stream: UInt64, start: UInt64) {
    let (number, start) = streams[ObjectIdentifier(node)] ?? (UInt64(streams.count) + 1, 0)
    streams[ObjectIdentifier(node)] = (number, start &+ count)
    return (number, start)
  }
}
