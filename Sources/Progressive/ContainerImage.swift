import CKernels
import CSystem
import Kernels
import ONNX
import Tensors

/// The files of a container as far as they have come: bytes of the rest in their places, tensors at the planes that they
/// have, 0 where nothing has come. When all has come they are the original files, byte for byte.
///
/// Refining writes in place. Used by one thread at a time, apart from readers of tensors that aren't being refined.
public final class ContainerImage {
  public let container: Container
  /// One buffer for each file.
  public let files: [Buffer]
  /// For each tensor, the steps that each of its segments has.
  public private(set) var steps: [[UInt8]]
  private var restChunks: Int = 0
  private var restIsThere: [Bool]
  /// Where in its file each chunk of the rest begins.
  private let restStarts: [Int]

  public init(_ container: Container) throws {
    self.container = container
    files = try container.files.map(Self.reserve)
    steps = container.tensors.map { Array(repeating: 0, count: $0.segmentCount) }
    restIsThere = Array(repeating: false, count: container.restChunkCount)
    restStarts = container.rest.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.range.count) }
  }

  /// Whether everything but tensors has come: the model can be read.
  public var hasGraph: Bool { restChunks == restIsThere.count }
  /// Whether it has come, and at least one step of every tensor.
  public var isUsable: Bool { hasGraph && !steps.contains { $0.contains(0) } }
  public var isComplete: Bool {
    hasGraph && zip(steps, container.tensors).allSatisfy { s, t in s.allSatisfy { $0 == t.encoding.steps.count } }
  }

  /// Planes of the mantissa and the significance that a tensor has in all its segments.
  public func planes(of tensor: Int) -> Int {
    let least = Int(steps[tensor].min() ?? 0)
    return least == 0 ? 0 : container.tensors[tensor].encoding.steps[least - 1].upperBound
  }

  /// The first byte of a tensor's elements.
  public func address(of tensor: Int) -> UnsafeMutableRawPointer {
    let t = container.tensors[tensor]
    return files[t.file].base + t.range.lowerBound
  }

  /// Takes over all that whole chunks of `receiver` add: the rest, and for each segment the steps that follow on what it
  /// has. Chunks that are used are released.
  /// - Parameter chunks: what the receiver has newly returned.
  /// - Returns: the tensors that have changed.
  @discardableResult
  public func take(_ chunks: [Int], from receiver: ContainerReceiver, pool: ThreadPool? = nil) throws -> Set<Int> {
    var segments: Set<TensorSegment> = []
    for index in chunks {
      let chunk = container.chunks[index]
      guard let tensor = chunk.tensor else {
        try takeRest(chunk.segment, receiver.bytes(of: index))
        receiver.release(index)
        continue
      }
      segments.insert(TensorSegment(tensor: tensor, segment: chunk.segment))
    }
    let work = segments.filter { receiver.isWhole(nextChunk($0)) }
    try refine(Array(work), from: receiver, pool)
    return Set(work.map(\.tensor))
  }

  /// The checksums of the files; only when all has come.
  public func verify() throws {
    for (file, buffer) in zip(container.files, files) {
      let sum = Checksum.of(UnsafeRawBufferPointer(start: buffer.base, count: buffer.byteCount))
      guard sum == file.checksum else {
        throw SwiftletError(.parse, "damaged container: the file '\(file.name)' has another checksum than it should")
      }
    }
  }

  /// The model's bytes, with external data from the image too.
  public func modelSource() -> ModelSource { modelSource(files) }

  /// The same over a copy of the files, which refining doesn't change.
  public func copiedModelSource() throws -> ModelSource {
    let copies = try zip(container.files, files).map { file, buffer in
      let copy = try Self.reserve(file)
      copy.base.copyMemory(from: buffer.base, byteCount: buffer.byteCount)
      return copy
    }
    return modelSource(copies)
  }
  private func modelSource(_ files: [Buffer]) -> ModelSource {
    let external = Dictionary(uniqueKeysWithValues: zip(container.files, files).dropFirst().map { ($0.name, $1) })
    return ModelSource(bytes: files[0]) { external[$0] }
  }

  /// Memory for a file, all 0.
  private static func reserve(_ file: Container.File) throws -> Buffer {
    if file.byteCount == 0 { return .empty }
    guard let p = sws_reserve(file.byteCount) else {
      throw SwiftletError(.outOfMemory, "no memory for '\(file.name)', \(file.byteCount) bytes")
    }
    let length = file.byteCount
    return Buffer(borrowing: p, byteCount: length) { sws_unmap(p, length) }
  }

  private struct TensorSegment: Hashable {
    let tensor: Int
    let segment: Int
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
    guard step < container.tensors[s.tensor].encoding.steps.count else { return -1 }
    return container.chunk(tensor: s.tensor, step: step, segment: s.segment)
  }

  private func refine(_ work: [TensorSegment], from receiver: ContainerReceiver, _ pool: ThreadPool?) throws {
    // Segments are refined side by side; what they have is written down afterwards.
    var results = [Result<(step: Int, chunks: [Int]), SwiftletError>?](repeating: nil, count: work.count)
    let width = pool?.width ?? 1
    results.withUnsafeMutableBufferPointer { results in
      nonisolated(unsafe) let results = results
      let one = { [self] (index: Int, _: Int) in
        do {
          results[index] = .success(try refine(work[index], from: receiver))
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

  private func refine(_ s: TensorSegment, from receiver: ContainerReceiver) throws -> (step: Int, chunks: [Int]) {
    let entry = container.tensors[s.tensor]
    let elements = entry.elements(ofSegment: s.segment)
    let width = entry.range.count / entry.count
    let scratch = try Allocator.system.allocate(elements.count + 16)
    var step = Int(steps[s.tensor][s.segment])
    var used: [Int] = []
    while step < entry.encoding.steps.count {
      let chunk = container.chunk(tensor: s.tensor, step: step, segment: s.segment)
      guard receiver.isWhole(chunk) else { break }
      do {
        try entry.encoding.refine(
          address(of: s.tensor) + elements.lowerBound * width, count: elements.count, from: elements.lowerBound,
          step: step, chunk: try receiver.bytes(of: chunk), scratch: scratch.base.assumingMemoryBound(to: UInt8.self))
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
