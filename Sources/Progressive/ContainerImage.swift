import CKernels
import CSystem
import Kernels
import ONNX
import Tensors

/// The files of a container as far as they have come: bytes of the rest in their places, tensors at the planes that they
/// have, 0 where nothing has come. When all has come they are the original files, byte for byte.
///
/// Refining writes in place, unless a model reads the tensor: then it makes another copy of it, and the old one goes with
/// its last reader. Used by one thread at a time, apart from those readers.
public final class ContainerImage {
  public let container: Container
  /// One buffer for each file. Tensors stand in them unless models read them while they are refined.
  public let files: [Buffer]
  /// For each tensor, the steps that each of its segments has.
  public private(set) var steps: [[UInt8]]
  /// For each tensor, where its elements stand.
  private var elements: [Buffer] = []
  /// The places in `files` that elements have left.
  private let left = TensorSet()
  private let store: ElementStore
  /// Large tensors that models read while they are refined.
  private var segmented: [Int: SegmentedElements] = [:]
  /// From so many bytes on they are.
  private static let segmentedBytes = 4 << 20
  /// By tensor, segments for which chunks are there that haven't been looked at.
  private var waiting: [Int: Set<Int>] = [:]
  private var restChunks: Int = 0
  private var restIsThere: [Bool]
  /// Where in its file each chunk of the rest begins.
  private let restStarts: [Int]

  /// - Parameter isShared: whether models read it while it is refined.
  /// - Parameter folder: where files without a name hold the weights, whose memory the system can take back then; nil:
  ///   they are held in memory.
  public init(_ container: Container, isShared: Bool = false, folder: String? = nil) throws {
    self.container = container
    let store = ElementStore(folder: folder)
    self.store = store
    files = try container.files.map { try store.reserve($0.byteCount) }
    steps = container.tensors.map { Array(repeating: 0, count: $0.segmentCount) }
    restIsThere = Array(repeating: false, count: container.restChunkCount)
    restStarts = container.rest.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.range.count) }
    for (index, t) in container.tensors.enumerated() {
      if isShared, t.range.count >= Self.segmentedBytes,
        let parts = try SegmentedElements(
          byteCount: t.range.count, segmentBytes: t.range.count / t.count * t.encoding.segmentLength, folder: folder)
      {
        segmented[index] = parts
        elements.append(try parts.map())
        continue
      }
      let file = files[t.file]
      elements.append(
        Buffer(borrowing: file.base + t.range.lowerBound, byteCount: t.range.count, isMapped: file.isMapped) { [left] in
          if left.contains(index) { sws_forget(file.base + t.range.lowerBound, t.range.count) }
        })
    }
  }

  /// The files of a container as far as `bytes` tell, from its beginning on.
  /// - Parameter check: called between pieces of work; ends it by throwing.
  /// - Throws: for damage, and when header and table aren't there.
  public static func read(
    _ bytes: Buffer, limits: ContainerReceiver.Limits = .init(), pool: ThreadPool? = nil, check: () throws -> Void = {}
  ) throws -> ContainerImage {
    let receiver = ContainerReceiver(limits: limits)
    var found: ContainerImage?
    // Piece by piece, so that little of the container is in memory beside the files.
    let piece = 4 << 20
    for start in stride(from: 0, to: bytes.byteCount, by: piece) {
      try check()
      let part = start..<min(start + piece, bytes.byteCount)
      let chunks = try receiver.append(
        UnsafeRawBufferPointer(start: bytes.base + part.lowerBound, count: part.count), at: part.lowerBound)
      if bytes.isMapped { sws_forget(bytes.base + part.lowerBound, part.count) }
      if found == nil, let container = receiver.container { found = try ContainerImage(container) }
      try found?.take(chunks, from: receiver, pool: pool)
    }
    guard let found else {
      throw SwiftletError(.parse, "header and table of the progressive model are not in its first \(bytes.byteCount) bytes")
    }
    return found
  }

  /// Whether everything but tensors has come: the model can be read.
  public var hasGraph: Bool { restChunks == restIsThere.count }
  /// Whether it has come, and at least one step of every tensor.
  public var isUsable: Bool { hasGraph && !steps.contains { $0.contains(0) } }
  public var isComplete: Bool {
    hasGraph && zip(steps, container.tensors).allSatisfy { s, t in s.allSatisfy { $0 == t.encoding.stepCount } }
  }

  /// Planes of the mantissa and the significance that a tensor has in all its segments.
  public func planes(of tensor: Int) -> Int {
    container.tensors[tensor].encoding.planes(ofSteps: Int(steps[tensor].min() ?? 0))
  }

  /// The first byte of a tensor's elements; valid until it is refined.
  public func address(of tensor: Int) -> UnsafeMutableRawPointer { elements[tensor].base }

  /// Takes over all that whole chunks of `receiver` add: the rest, and for each segment the steps that follow on what it
  /// has. Chunks that are used are released.
  /// - Parameter chunks: what the receiver has newly returned.
  public func take(_ chunks: [Int], from receiver: ContainerReceiver, pool: ThreadPool? = nil) throws {
    try note(chunks, from: receiver)
    try refine(upTo: .max, from: receiver, pool: pool)
  }

  /// Takes over what chunks add to the rest; tensors wait for `refine`, as chunks.
  public func note(_ chunks: [Int], from receiver: ContainerReceiver) throws {
    for index in chunks {
      let chunk = container.chunks[index]
      if let tensor = chunk.tensor {
        waiting[tensor, default: []].insert(chunk.segment)
      } else {
        try takeRest(chunk.segment, receiver.bytes(of: index))
        receiver.release(index)
      }
    }
  }

  /// Takes over what has come for tensors. Of those that models read a part: at least one segment or tensor, and more while
  /// their copies have at most `limit` bytes together.
  /// - Returns: whether none is left.
  @discardableResult
  public func refine(upTo limit: Int, from receiver: ContainerReceiver, pool: ThreadPool? = nil) throws -> Bool {
    var room = limit
    var work: [TensorSegment] = []
    // What tensors are copied from that a model reads.
    var old: [Int: Buffer] = [:]
    for (tensor, segments) in waiting.sorted(by: { $0.key < $1.key }) {
      let entry = container.tensors[tensor]
      var fresh = segments.sorted().filter { receiver.isWhole(nextChunk(TensorSegment(tensor: tensor, segment: $0))) }
      var left: Set<Int> = []
      if !fresh.isEmpty, !isKnownUniquelyReferenced(&elements[tensor]) {
        let before = elements[tensor]
        let most = max(room / (entry.range.count / entry.segmentCount), work.isEmpty ? 1 : 0)
        if segmented[tensor] != nil, most == 0 { break }
        if let copy = try segmented[tensor]?.copy(replacing: Array(fresh.prefix(most))) {
          left = Set(fresh.dropFirst(most))
          fresh = Array(fresh.prefix(most))
          elements[tensor] = copy
        } else {
          segmented[tensor] = nil
          guard work.isEmpty || entry.range.count <= room else { break }
          elements[tensor] = try store.allocate(entry.range.count)
          self.left.insert(tensor)
          fresh = Array(0..<entry.segmentCount)
        }
        old[tensor] = before
        room -= fresh.reduce(0) { $0 + entry.elements(ofSegment: $1).count } * (entry.range.count / entry.count)
      }
      work += fresh.map { TensorSegment(tensor: tensor, segment: $0) }
      waiting[tensor] = left.isEmpty ? nil : left
    }
    try refine(work, copying: old, from: receiver, pool)
    return waiting.isEmpty
  }

  /// The checksums of the files; only when all has come.
  public func verify() throws {
    for (index, file) in container.files.enumerated() {
      var sum: UInt32 = 0
      var at = 0
      func add(_ buffer: Buffer, from start: Int = 0, _ count: Int) {
        let piece = 1 << 20
        for begin in stride(from: start, to: start + count, by: piece) {
          let range = begin..<min(begin + piece, start + count)
          sum = Checksum.of(UnsafeRawBufferPointer(start: buffer.base + range.lowerBound, count: range.count), after: sum)
          forget(buffer, range)
        }
        at += count
      }
      for (tensor, t) in container.tensors.enumerated() where t.file == index {
        add(files[index], from: at, t.range.lowerBound - at)
        add(elements[tensor], t.range.count)
      }
      add(files[index], from: at, file.byteCount - at)
      guard sum == file.checksum else {
        throw SwiftletError(.parse, "damaged container: the file '\(file.name)' has another checksum than it should")
      }
    }
  }

  /// The model's bytes, with external data from the image too. Refining leaves tensors alone that it has read.
  public func modelSource() -> ModelSource {
    var detached: [String: [DetachedElements]] = [:]
    for (tensor, t) in container.tensors.enumerated() {
      let buffer = isApproximate(tensor) ? Self.approximation(elements[tensor]) : elements[tensor]
      detached[container.files[t.file].name, default: []].append(DetachedElements(range: t.range, elements: buffer))
    }
    let external = Dictionary(uniqueKeysWithValues: zip(container.files, files).dropFirst().map { ($0.name, $1) })
    return ModelSource(bytes: files[0], detached: detached) { external[$0] }
  }

  /// Weights of which so few planes have come are taken for approximate.
  private static let approximatePlanes = 8
  private func isApproximate(_ tensor: Int) -> Bool {
    let encoding = container.tensors[tensor].encoding
    return encoding.planes != nil && planes(of: tensor) <= min(Self.approximatePlanes, encoding.planeCount - 1)
  }
  private static func approximation(_ buffer: Buffer) -> Buffer {
    Buffer(borrowing: buffer.base, byteCount: buffer.byteCount, isMapped: buffer.isMapped, isApproximate: true) {
      withExtendedLifetime(buffer) {}
    }
  }

  private struct TensorSegment: Hashable {
    let tensor: Int
    let segment: Int
  }

  /// Tensors by number.
  private final class TensorSet: @unchecked Sendable {
    private let lock = Lock()
    private var tensors: Set<Int> = []
    func insert(_ tensor: Int) { lock.locked { _ = tensors.insert(tensor) } }
    func contains(_ tensor: Int) -> Bool { lock.locked { tensors.contains(tensor) } }
  }

  private func takeRest(_ segment: Int, _ chunk: UnsafeRawBufferPointer) throws {
    guard !restIsThere[segment] else { return }
    let start = segment * Container.restSegmentLength
    let count = min(Container.restSegmentLength, container.restByteCount - start)
    let plain = try Allocator.system.allocate(count)
    let source = chunk.baseAddress?.assumingMemoryBound(to: UInt8.self)
    if chunk.count == count {
      UnsafeMutableRawBufferPointer(start: plain.base, count: count).copyMemory(from: chunk)
    } else if swk_lz4_decompress(source, chunk.count, plain.base.assumingMemoryBound(to: UInt8.self), count) != 0 {
      throw SwiftletError(
        .parse, "damaged chunk: it doesn't decompress", byteOffset: container.chunks[container.chunk(rest: segment)].range.lowerBound)
    }
    var at = start
    var part = (restStarts.firstIndex { $0 > at } ?? restStarts.count) - 1
    while at < start + count {
      let (file, range) = container.rest[part]
      let place = range.lowerBound + (at - restStarts[part])
      let n = min(start + count - at, range.upperBound - place)
      (files[file].base + place).copyMemory(from: plain.base + (at - start), byteCount: n)
      at += n
      part += 1
    }
    restIsThere[segment] = true
    restChunks += 1
  }

  /// The chunk that a segment waits for; -1 when it has all.
  private func nextChunk(_ s: TensorSegment) -> Int {
    let step = Int(steps[s.tensor][s.segment])
    guard step < container.tensors[s.tensor].encoding.stepCount else { return -1 }
    return container.chunk(tensor: s.tensor, step: step, segment: s.segment)
  }

  /// Lets pages of a file go that can be read again.
  private func forget(_ buffer: Buffer, _ bytes: Range<Int>) {
    if buffer.isMapped { sws_forget(buffer.base + bytes.lowerBound, bytes.count) }
  }

  private func refine(
    _ work: [TensorSegment], copying old: [Int: Buffer], from receiver: ContainerReceiver, _ pool: ThreadPool?
  ) throws {
    // Segments are refined side by side; what they have is written down afterwards.
    var results = [Result<(step: Int, chunks: [Int]), SwiftletError>?](repeating: nil, count: work.count)
    let width = pool?.width ?? 1
    results.withUnsafeMutableBufferPointer { results in
      nonisolated(unsafe) let results = results
      let one = { [self] (index: Int, _: Int) in
        do {
          results[index] = .success(try refine(work[index], copying: old[work[index].tensor], from: receiver))
        } catch let e as SwiftletError {
          results[index] = .failure(e)
        } catch {
          results[index] = .failure(SwiftletError(.internal, "\(error)"))
        }
      }
      if let pool, width > 1 { pool.parallel(work.count, one) } else { for i in work.indices { one(i, 0) } }
    }
    var failure: SwiftletError?
    for (s, result) in zip(work, results) {
      switch result {
      case .success(let (step, chunks)):
        steps[s.tensor][s.segment] = UInt8(step)
        for chunk in chunks { receiver.release(chunk) }
      case .failure(let e): failure = e
      case nil: break
      }
    }
    if let failure { throw failure }
  }

  private func refine(
    _ s: TensorSegment, copying old: Buffer?, from receiver: ContainerReceiver
  ) throws -> (step: Int, chunks: [Int]) {
    let entry = container.tensors[s.tensor]
    let elements = entry.elements(ofSegment: s.segment)
    let width = entry.range.count / entry.count
    let bytes = elements.lowerBound * width..<elements.upperBound * width
    let place = self.elements[s.tensor]
    let weights = place.base + bytes.lowerBound
    if let old {
      weights.copyMemory(from: old.base + bytes.lowerBound, byteCount: bytes.count)
      forget(old, bytes)
    }
    defer { forget(place, bytes) }
    let scratch = try Allocator.system.allocate(elements.count + 16)
    var step = Int(steps[s.tensor][s.segment])
    var used: [Int] = []
    while step < entry.encoding.stepCount {
      let chunk = container.chunk(tensor: s.tensor, step: step, segment: s.segment)
      guard receiver.isWhole(chunk) else { break }
      do {
        try entry.encoding.refine(
          weights, count: elements.count, from: elements.lowerBound, step: step, chunk: try receiver.bytes(of: chunk), scratch: scratch.base.assumingMemoryBound(to: UInt8.self))
      } catch var e as SwiftletError {
        e.tensor = entry.name
        e.byteOffset = container.chunks[chunk].range.lowerBound
        throw e
      }
      used.append(chunk)
      step += 1
    }
    return (step, used)
  }
}
