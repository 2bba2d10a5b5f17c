import Glibc
import Kernels
import Progressive
import Tensors

/// Writes a model as a container. Memory is bounded: files are read some megabytes at a time, chunks go to a scratch
/// file as they are made, and from there to their places.
public final class Packer {
  public struct Result {
    public let originalBytes: Int
    public let packedBytes: Int
    /// Whether the model is left as it is, because a container would be larger by more than a hundredth.
    public let isPlain: Bool
    public let planeTensors: Int
    /// Bytes after which every tensor has its first step.
    public let usableBytes: Int
    /// What the weights lack after so many bytes.
    public let curve: [Point]
  }
  public struct Point {
    public let bytes: Int
    /// Squared error of the weights over their sum of squares, averaged over tensors by their gains.
    public let error: Double
  }

  private let source: PackSource
  private let pool: ThreadPool
  private let progress: (_ done: Int, _ total: Int) -> Void

  /// - Parameter progress: called with bytes of weights that are done and that there are.
  public init(_ source: PackSource, pool: ThreadPool, progress: @escaping (_ done: Int, _ total: Int) -> Void = { _, _ in }) {
    self.source = source
    self.pool = pool
    self.progress = progress
  }

  /// - Parameter gains: for each piece of the source, how much a relative squared error of it matters; nil: all alike.
  /// - Parameter output: a descriptor to write to, at its beginning.
  /// - Parameter scratch: a descriptor of an empty file to read and write.
  public func pack(order: PackOrder, gains: [Double]? = nil, to output: Int32, scratch: Int32) throws -> Result {
    var tensors: [PackedTensor] = []
    let total = source.pieces.reduce(0) { $0 + $1.range.count }
    var done = 0
    var writer = FileWriter(scratch)
    for piece in source.pieces {
      do {
        tensors.append(try encode(piece, &writer, done, total))
      } catch var e as SwiftletError {
        e.tensor = piece.name
        throw e
      }
      done += piece.range.count
    }
    let rest = try source.restSegments().map { parts in
      defer { for part in parts { part.file.forget(part.range) } }
      return try writer.append(chunk: Compression.compress(parts.map { $0.file.part($0.range) }))
    }
    try writer.flush()
    let gains = gains ?? source.pieces.map { _ in 1 }
    let steps = order.steps(tensors, gains: gains)
    var container = ContainerWriter(source, rest, tensors, steps)
    try container.write(to: output, scratch: scratch)
    let originalBytes = source.files.reduce(0) { $0 + $1.bytes.byteCount }
    let isPlain = source.canBePlain && container.byteCount - originalBytes > originalBytes / 100
    if isPlain { try FileWriter.replace(output, by: source.files[0].part(0..<originalBytes)) }
    let curve = Self.curve(tensors, steps, gains, size: container.byteCount)
    return Result(
      originalBytes: originalBytes, packedBytes: isPlain ? originalBytes : container.byteCount, isPlain: isPlain,
      planeTensors: source.pieces.count { $0.isInPlanes },
      usableBytes: curve[(steps.lastIndex { $0.step == 0 } ?? -1) + 1].bytes, curve: curve)
  }

  private static func curve(
    _ tensors: [PackedTensor], _ steps: [(tensor: Int, step: Int)], _ gains: [Double], size: Int
  ) -> [Point] {
    var bytes = size - tensors.reduce(0) { sum, t in t.chunks.reduce(sum) { $0 + $1.length } }
    let total = zip(tensors, gains).reduce(0) { $0 + ($1.0.energy > 0 ? $1.1 : 0) }
    var left = total
    var points = [Point(bytes: bytes, error: total > 0 ? 1 : 0)]
    for (tensor, step) in steps {
      let t = tensors[tensor]
      bytes += t.bytes(ofStep: step)
      if t.energy > 0 { left -= gains[tensor] * (t.errors[step] - t.errors[step + 1]) / t.energy }
      points.append(Point(bytes: bytes, error: bytes == size || total <= 0 ? 0 : max(left / total, 0)))
    }
    return points
  }

  private func encode(_ piece: PackSource.Piece, _ writer: inout FileWriter, _ done: Int, _ total: Int) throws -> PackedTensor {
    let weights = source.address(of: piece)
    let width = piece.range.count / piece.count
    let file = source.files[piece.file]
    let encoding: Encoding =
      piece.isInPlanes
      ? .planes(try PlanePlan.encoding(of: piece, in: file, axis: nil))
      : .bytes(ByteEncoding(segmentLength: PlanePlan.segmentLength))
    var packed = PackedTensor(encoding, count: piece.count)
    let starts = Array(stride(from: 0, to: piece.count, by: encoding.segmentLength))
    // So many at a time that every thread has work, and few enough that they fit in memory.
    let group = max(pool.width * 2, 1)
    for first in stride(from: 0, to: starts.count, by: group) {
      let part = Array(starts[first..<min(first + group, starts.count)])
      for (i, segment) in try encode(part, piece, encoding, weights, width).enumerated() {
        for (s, chunk) in segment.chunks.enumerated() {
          packed.chunks[s * packed.segmentCount + first + i] = try writer.append(chunk: chunk)
        }
        for (s, e) in segment.errors.enumerated() { packed.errors[s] += e }
      }
      let end = min((first + group) * encoding.segmentLength * width, piece.range.count)
      file.forget(piece.range.lowerBound + first * encoding.segmentLength * width..<piece.range.lowerBound + end)
      progress(done + end, total)
    }
    packed.energy = packed.errors[0]
    return packed
  }

  private func encode(
    _ starts: [Int], _ piece: PackSource.Piece, _ encoding: Encoding, _ weights: UnsafeRawPointer, _ width: Int
  ) throws -> [PackedSegment] {
    var results = [Swift.Result<PackedSegment, any Error>?](repeating: nil, count: starts.count)
    results.withUnsafeMutableBufferPointer { results in
      nonisolated(unsafe) let results = results
      pool.parallel(starts.count) { i, _ in
        results[i] = Swift.Result {
          let count = min(encoding.segmentLength, piece.count - starts[i])
          return switch encoding {
          case .planes(let e): try PackedSegment(e, piece.type, weights + starts[i] * width, count: count, from: starts[i])
          case .bytes(let e): try PackedSegment(e, weights + starts[i], count: count)
          }
        }
      }
    }
    return try results.map {
      guard let r = $0 else { throw SwiftletError(.internal, "a segment was left out") }
      return try r.get()
    }
  }
}

extension FileWriter {
  fileprivate mutating func append(chunk: [UInt8]) throws -> PackedChunk {
    PackedChunk(place: try append(chunk), length: chunk.count, checksum: chunk.withUnsafeBytes { Checksum.of($0) })
  }
}
