import Progressive
import Tensors

/// Writes header, table and chunks; docs/progressive-format.md says how.
struct ContainerWriter {
  private let source: PackSource
  private let tensors: [PackedTensor]
  private let steps: [(tensor: Int, step: Int)]
  private(set) var byteCount = 0

  init(_ source: PackSource, _ tensors: [PackedTensor], _ steps: [(tensor: Int, step: Int)]) {
    self.source = source
    self.tensors = tensors
    self.steps = steps
  }

  mutating func write(to output: Int32, scratch: Int32) throws {
    let rest = restSegments()
    let table = self.table(rest)
    let header = Container.Header.bytes(table: table, chunks: chunksLength(rest))
    var writer = FileWriter(output)
    _ = try writer.append(header)
    _ = try writer.append(table)
    for segment in rest { for part in segment { _ = try writer.append(part) } }
    for (tensor, step) in steps {
      let t = tensors[tensor]
      for chunk in t.chunks[step * t.segmentCount..<(step + 1) * t.segmentCount] {
        _ = try writer.append(FileWriter.read(scratch, at: chunk.place, count: chunk.length))
      }
    }
    try writer.flush()
    byteCount = writer.position
  }

  /// The bytes of the files that belong to no tensor, cut into chunks; each chunk may have several parts.
  private func restSegments() -> [[UnsafeRawBufferPointer]] {
    var parts: [UnsafeRawBufferPointer] = []
    for (f, file) in source.files.enumerated() {
      var at = 0
      for range in source.pieces.filter({ $0.file == f }).map(\.range) + [file.bytes.byteCount..<file.bytes.byteCount] {
        if at < range.lowerBound {
          parts.append(UnsafeRawBufferPointer(start: file.bytes.base + at, count: range.lowerBound - at))
        }
        at = range.upperBound
      }
    }
    var segments: [[UnsafeRawBufferPointer]] = []
    var room = 0
    for part in parts {
      var left = part
      while !left.isEmpty {
        if room == 0 {
          segments.append([])
          room = Container.restSegmentLength
        }
        let n = min(room, left.count)
        segments[segments.count - 1].append(UnsafeRawBufferPointer(rebasing: left[..<n]))
        left = UnsafeRawBufferPointer(rebasing: left[n...])
        room -= n
      }
    }
    return segments
  }

  private func chunksLength(_ rest: [[UnsafeRawBufferPointer]]) -> Int {
    rest.reduce(0) { $1.reduce($0) { $0 + $1.count } } + tensors.reduce(0) { $1.chunks.reduce($0) { $0 + $1.length } }
  }

  private func table(_ rest: [[UnsafeRawBufferPointer]]) -> [UInt8] {
    var w = ByteWriter()
    w.varint(source.files.count)
    for file in source.files {
      w.string(file.name)
      w.varint(file.bytes.byteCount)
      w.fixed(Checksum.of(UnsafeRawBufferPointer(start: file.bytes.base, count: file.bytes.byteCount)))
    }
    w.varint(tensors.count)
    for (piece, tensor) in zip(source.pieces, tensors) { write(piece, tensor.encoding, to: &w) }
    if !rest.isEmpty {
      for n in [0, 0, 0, rest.count] { w.varint(n) }
      for segment in rest {
        w.varint(segment.reduce(0) { $0 + $1.count })
        w.fixed(segment.reduce(UInt32(0)) { Checksum.of($1, after: $0) })
      }
    }
    for (tensor, step) in steps {
      let t = tensors[tensor]
      for n in [tensor + 1, step, 0, t.segmentCount] { w.varint(n) }
      for chunk in t.chunks[step * t.segmentCount..<(step + 1) * t.segmentCount] {
        w.varint(chunk.length)
        w.fixed(chunk.checksum)
      }
    }
    return w.bytes
  }

  private func write(_ piece: PackSource.Piece, _ encoding: PlaneEncoding, to w: inout ByteWriter) {
    w.string(String(piece.name.prefix(1024)))
    w.varint(piece.file)
    w.varint(piece.range.lowerBound)
    w.varint(Int(piece.type.rawValue))
    w.varint(piece.shape.count)
    for d in piece.shape { w.varint(d) }
    w.varint(PlaneEncoding.number)
    var parameters = ByteWriter()
    parameters.varint(encoding.significance)
    parameters.varint(encoding.segmentLength.trailingZeroBitCount)
    parameters.varint(encoding.steps.count)
    for step in encoding.steps { parameters.varint(step.count) }
    parameters.varint(encoding.axis.map { $0 + 1 } ?? 0)
    for top in encoding.tops { parameters.varint(Int(top)) }
    w.varint(parameters.bytes.count)
    w.append(parameters.bytes)
  }
}

extension Container.Header {
  /// A header for a table and the chunks behind it.
  static func bytes(table: [UInt8], chunks: Int) -> [UInt8] {
    var w = ByteWriter()
    w.append(magic)
    w.fixed(version)
    w.append([0, 0, 0])
    w.fixed(table.withUnsafeBytes { Checksum.of($0) })
    w.fixed(UInt32(table.count))
    w.fixed(UInt64(byteCount + table.count + chunks))
    w.fixed(w.bytes.withUnsafeBytes { Checksum.of($0) })
    return w.bytes
  }
}
