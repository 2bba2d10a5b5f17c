import CSystem
import Glibc

/// Bytes that a tensor stands on. Freed when the last tensor over them is gone.
public final class Buffer: @unchecked Sendable {
  public let base: UnsafeMutableRawPointer
  public let byteCount: Int
  /// Whether the bytes may be written over although the buffer is still referred to: a slice of an arena, a caller's
  /// memory. What outlives the current run is copied out of such buffers.
  public let isTransient: Bool
  /// Who allocated the bytes for this buffer alone; nil for memory of somebody else.
  public let owner: Allocator?
  /// Whether the bytes are a private mapping of a file, whose pages can be read again.
  public let isMapped: Bool
  /// Whether the elements stand for others that they are close to: weights of which only few bits have come.
  public let isApproximate: Bool
  private let release: (() -> Void)?

  /// Over memory of somebody else; `release` is called when the buffer is no longer used.
  public convenience init(
    borrowing base: UnsafeMutableRawPointer, byteCount: Int, isTransient: Bool = false, isMapped: Bool = false,
    isApproximate: Bool = false, release: (() -> Void)? = nil
  ) {
    self.init(
      base, byteCount, isTransient: isTransient, isMapped: isMapped, isApproximate: isApproximate, owner: nil, release)
  }
  fileprivate init(
    _ base: UnsafeMutableRawPointer, _ byteCount: Int, isTransient: Bool, isMapped: Bool = false, isApproximate: Bool = false,
    owner: Allocator?, _ release: (() -> Void)?
  ) {
    self.base = base
    self.byteCount = byteCount
    self.isTransient = isTransient
    self.owner = owner
    self.isMapped = isMapped
    self.isApproximate = isApproximate
    self.release = release
  }
  deinit { release?() }

  /// A slice that keeps this buffer alive. The caller has checked the range.
  public func slice(offset: Int, byteCount: Int) -> Buffer {
    Buffer(
      borrowing: base + offset, byteCount: byteCount, isTransient: isTransient, isMapped: isMapped,
      isApproximate: isApproximate, release: { withExtendedLifetime(self) {} })
  }
  public static let empty = Buffer(borrowing: UnsafeMutableRawPointer(bitPattern: 64)!, byteCount: 0)
}

/// Where memory comes from, and how much of it may be used. Safe from several threads.
public final class Allocator: @unchecked Sendable {
  public typealias Allocate = @Sendable (_ byteCount: Int, _ alignment: Int) -> UnsafeMutableRawPointer?
  public typealias Free = @Sendable (_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) -> Void

  /// Every buffer starts at a multiple of this, so that whole vectors and cache lines fit.
  public static let alignment = 64
  /// Kernels may read (never write) up to this many bytes past a buffer's end.
  public static let padding = 64
  /// Freed blocks of at least this many bytes are kept for the next allocation of just as many: the first touch of a
  /// fresh page costs more than most operators do to it.
  public static let reusedFrom = 1 << 20
  /// As many bytes of them as a session keeps.
  public static let keptBySession = 64 << 20

  private let allocateHook: Allocate?
  private let freeHook: Free?
  private let limit: Int
  private let lock = Lock()
  private var current = 0
  private var highest = 0
  /// The oldest first.
  private var kept: [(base: UnsafeMutableRawPointer, byteCount: Int)] = []
  private var keptBytes = 0
  private let keptLimit: Int

  /// - Parameter limit: bytes that may be in use at the same time.
  /// - Parameter keeping: bytes of freed blocks that may be kept for reuse. With those in use they are never more than
  ///   were in use at one time: neither the limit nor the peak is any different for them. Memory of `allocate` isn't kept.
  public init(limit: Int = .max, keeping: Int = 0, allocate: Allocate? = nil, free: Free? = nil) {
    self.limit = limit
    self.allocateHook = allocate
    self.freeHook = free
    // A sanitizer finds uses of freed memory only if it is freed.
    keptLimit = allocate == nil && free == nil && sws_is_sanitized() == 0 ? keeping : 0
  }
  deinit { for block in kept { free(block.base) } }

  /// For what is needed for a moment; keeps little, since it is there as long as the program.
  public static let system = Allocator(keeping: 8 << 20)

  public var used: Int { lock.locked { current } }
  public var peak: Int { lock.locked { highest } }
  /// Bytes of freed blocks that wait for their next use.
  public var waiting: Int { lock.locked { keptBytes } }
  /// Gives freed blocks back to the system.
  public func trim() { lock.locked { keep(atMost: 0) } }
  /// The caller holds the lock.
  private func keep(atMost most: Int) {
    while keptBytes > most {
      let oldest = kept.removeFirst()
      keptBytes -= oldest.byteCount
      free(oldest.base)
    }
  }

  /// Where the kernel leaves it to programs, large memory comes in huge pages: a fresh page costs a fault, and packing
  /// the weights of a model is made of little else. Only whole pages, so that no more becomes resident than is used.
  private static func allocateFromSystem(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    let hugePage = 2 << 20
    let whole = byteCount & ~(hugePage - 1)
    let isLarge = whole > 0
    var p: UnsafeMutableRawPointer?
    guard posix_memalign(&p, isLarge ? hugePage : alignment, byteCount) == 0 else { return nil }
    if isLarge { madvise(p, whole, Int32(MADV_HUGEPAGE)) }
    return p
  }

  /// Uninitialised memory, aligned to 64 bytes.
  public func allocate(_ byteCount: Int) throws -> Buffer {
    guard byteCount >= 0 else { throw SwiftletError(.internal, "negative allocation") }
    if byteCount == 0 { return .empty }
    let padded = try Checked.add(byteCount, Self.padding)
    let reused: UnsafeMutableRawPointer? = try lock.locked {
      let total = try Checked.add(current, byteCount)
      if total > limit {
        throw SwiftletError(.limit, "memory limit of \(limit) bytes: \(current) in use, \(byteCount) more asked for")
      }
      current = total
      highest = max(highest, total)
      guard let i = kept.lastIndex(where: { $0.byteCount == byteCount }) else {
        keep(atMost: highest - current)
        return nil
      }
      keptBytes -= byteCount
      return kept.remove(at: i).base
    }
    guard let p = reused ?? fresh(padded) else {
      lock.locked { current -= byteCount }
      throw SwiftletError(.outOfMemory, "no memory for \(byteCount) bytes")
    }
    return Buffer(p, byteCount, isTransient: false, owner: self) { [self] in release(p, byteCount, padded) }
  }

  private func fresh(_ padded: Int) -> UnsafeMutableRawPointer? {
    if let allocateHook { return allocateHook(padded, Self.alignment) }
    if let p = Self.allocateFromSystem(padded) { return p }
    trim()
    return Self.allocateFromSystem(padded)
  }

  private func release(_ p: UnsafeMutableRawPointer, _ byteCount: Int, _ padded: Int) {
    if byteCount >= Self.reusedFrom, byteCount <= keptLimit {
      lock.locked {
        current -= byteCount
        kept.append((p, byteCount))
        keptBytes += byteCount
        keep(atMost: keptLimit)
      }
    } else {
      if let freeHook { freeHook(p, padded) } else { free(p) }
      lock.locked { current -= byteCount }
    }
  }
}
