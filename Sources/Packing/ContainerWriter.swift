import Progressive
import Tensors

/// Writes header, table and chunks; docs/progressive-format.md says how.
struct ContainerWriter {
  private let source: PackSource
  private let rest: [PackedChunk]
  private let tensors: [PackedTensor]
  private let steps: [(tensor: Int, step: Int)]
  private(set) var byteCount = 0

  init(_ source: PackSource, _ rest: [PackedChunk], _ tensors: [PackedTensor], _ steps: [(tensor: Int, step: Int)]) {
    self.source = source
    self.rest = rest
    self.tensors = tensors
    self.steps = steps
  }

  mutating func write(to output: Int32, scratch: Int32) throws {
    let table = self.table()
    let chunks = rest + steps.flatMap { tensors[$0.tensor].chunks(ofStep: $0.step) }
    var writer = FileWriter(output)
    _ = try writer.append(Container.Header.bytes(table: table, chunks: chunks.reduce(0) { $0 + $1.length }))
    _ = try writer.append(table)
    for chunk in chunks { _ = try writer.append(FileWriter.read(scratch, at: chunk.place, count: chunk.length)) }
    try writer.flush()
    byteCount = writer.position
  }

  private func table() -> [UInt8] {
    var w = ByteWriter()
    w.varint(source.files.count)
    for file in source.files {
      w.string(file.name)
      w.varint(file.bytes.byteCount)
      w.fixed(checksum(of: file))
    }
    w.varint(tensors.count)
    for (piece, tensor) in zip(source.pieces, tensors) { write(piece, tensor.encoding, to: &w) }
    if !rest.isEmpty { write(rest, [0, 0, 0], to: &w) }
    for (tensor, step) in steps { write(tensors[tensor].chunks(ofStep: step), [tensor + 1, step, 0], to: &w) }
    return w.bytes
  }

  private func checksum(of file: PackSource.File) -> UInt32 {
    let block = 16 << 20
    return stride(from: 0, to: file.bytes.byteCount, by: block).reduce(0) { sum, start in
      let range = start..<min(start + block, file.bytes.byteCount)
      defer { file.forget(range) }
      return Checksum.of(file.part(range), after: sum)
    }
  }

  /// A group: what it is of (tensor, step, first segment), and its chunks.
  private func write(_ chunks: some Collection<PackedChunk>, _ what: [Int], to w: inout ByteWriter) {
    for n in what + [chunks.count] { w.varint(n) }
    for chunk in chunks {
      w.varint(chunk.length)
      w.fixed(chunk.checksum)
    }
  }

  private func write(_ piece: PackSource.Piece, _ encoding: Encoding, to w: inout ByteWriter) {
    w.string(String(piece.name.prefix(1024)))
    w.varint(piece.file)
    w.varint(piece.range.lowerBound)
    w.varint(Int(piece.type.rawValue))
    w.varint(piece.shape.count)
    for d in piece.shape { w.varint(d) }
    var parameters = ByteWriter()
    switch encoding {
    case .planes(let planes):
      w.varint(PlaneEncoding.number)
      parameters.varint(planes.significance)
      parameters.varint(planes.segmentLength.trailingZeroBitCount)
      parameters.varint(planes.steps.count)
      for step in planes.steps { parameters.varint(step.count) }
      parameters.varint(planes.axis.map { $0 + 1 } ?? 0)
      for top in planes.tops { parameters.varint(Int(top)) }
    case .bytes(let bytes):
      w.varint(ByteEncoding.number)
      parameters.varint(bytes.segmentLength.trailingZeroBitCount)
    }
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
