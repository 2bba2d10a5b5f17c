import Tensors

extension Container {
  /// Bytes of the rest in each of its chunks but the last.
  public static let restSegmentLength = 1 << 20
  /// A chunk has at least a byte for so many bytes of its weights: work is bounded by what arrives.
  public static let mostBytesPerByte = 1 << 14
  static let mostFiles = 1 << 16

  /// Reads the table.
  public init(_ header: Header, table: UnsafeRawBufferPointer) throws {
    guard table.count == header.tableLength, Checksum.of(table) == header.tableChecksum else {
      throw SwiftletError(.parse, "damaged container: the table's checksum", byteOffset: Header.byteCount)
    }
    var r = ByteReader(table, at: Header.byteCount)
    files = try Self.readFiles(&r)
    tensors = try Self.readTensors(&r, files)
    (rest, restByteCount) = try Self.findRest(files, tensors)
    var slots = Slots()
    chunks = try Self.readChunks(&r, tensors, restByteCount, from: Header.byteCount + table.count, &slots)
    guard r.remaining == 0 else { throw r.fail("\(r.remaining) bytes follow the table") }
    guard chunks.last?.range.upperBound ?? (Header.byteCount + table.count) == header.containerLength else {
      throw r.fail("the chunks don't fill the container")
    }
    guard !slots.rest.contains(-1), !slots.tensors.contains(where: { $0.contains(-1) }) else {
      throw r.fail("a chunk is missing")
    }
    chunkOfRest = slots.rest
    chunkOfTensor = slots.tensors
    byteCount = header.containerLength
  }

  /// Which chunk holds what; -1 until it is known.
  private struct Slots {
    var rest: [Int] = []
    var tensors: [[Int]] = []
  }

  private static func readFiles(_ r: inout ByteReader) throws -> [File] {
    let count = try r.varint(upTo: mostFiles, "the number of files")
    guard count > 0 else { throw r.fail("no files") }
    var names: Set<String> = []
    var total = 0
    return try (0..<count).map { i in
      let name = try r.string("the name of a file")
      guard name.isEmpty == (i == 0), names.insert(name).inserted else { throw r.fail("the file name '\(name)'") }
      let bytes = try r.varint("the size of '\(name)'")
      total = try Checked.add(total, bytes, "the size of all files")
      return File(name: name, byteCount: bytes, checksum: try r.fixed(UInt32.self))
    }
  }

  private static func readTensors(_ r: inout ByteReader, _ files: [File]) throws -> [Entry] {
    // Each takes at least ten bytes.
    let count = try r.varint(upTo: r.remaining / 10, "the number of tensors")
    var end = (file: 0, offset: 0)
    return try (0..<count).map { _ in
      let name = try r.string("the name of a tensor")
      do {
        let file = try r.varint(upTo: files.count - 1, "the file of a tensor")
        let offset = try r.varint("the place of a tensor")
        guard let type = ElementType(rawValue: Int32(try r.varint(upTo: 1 << 16, "an element type"))) else {
          throw SwiftletError(.unsupported, "an element type that is not known")
        }
        let rank = try r.varint(upTo: 64, "a rank")
        let shape = try (0..<rank).map { _ in try r.varint("a dimension") }
        let elements = try Checked.count(shape)
        let bytes = try type.byteCount(elements)
        let upper = try Checked.add(offset, bytes)
        guard elements > 0, upper <= files[file].byteCount, (file, offset) >= end else {
          throw r.fail("its bytes \(offset)..<\(upper) of file \(file)")
        }
        end = (file, upper)
        let encoding = try r.varint("an encoding")
        let length = try r.varint(upTo: r.remaining, "the length of the parameters")
        var parameters = ByteReader(try r.take(length), at: Header.byteCount + r.position - length)
        let coded = try Encoding(encoding, &parameters, type: type, shape: shape)
        guard parameters.remaining == 0 else { throw r.fail("parameters that are too long") }
        return Entry(
          name: name, type: type, shape: shape, count: elements, file: file, range: offset..<upper, encoding: coded)
      } catch var e as SwiftletError {
        e.tensor = e.tensor ?? name
        throw e
      }
    }
  }

  private static func findRest(_ files: [File], _ tensors: [Entry]) throws -> ([(file: Int, range: Range<Int>)], Int) {
    var rest: [(file: Int, range: Range<Int>)] = []
    var next = 0
    for (f, file) in files.enumerated() {
      var at = 0
      while next < tensors.count, tensors[next].file == f {
        let range = tensors[next].range
        if at < range.lowerBound { rest.append((f, at..<range.lowerBound)) }
        at = range.upperBound
        next += 1
      }
      if at < file.byteCount { rest.append((f, at..<file.byteCount)) }
    }
    return (rest, rest.reduce(0) { $0 + $1.range.count })
  }

  private static func readChunks(
    _ r: inout ByteReader, _ tensors: [Entry], _ restBytes: Int, from start: Int, _ slots: inout Slots
  ) throws -> [Chunk] {
    // A chunk takes at least five bytes of the table: what is declared must be there before anything is allocated.
    let restSegments = restBytes / restSegmentLength + (restBytes % restSegmentLength == 0 ? 0 : 1)
    var due = restSegments
    for t in tensors {
      due = try Checked.add(due, try Checked.multiply(t.segmentCount, t.encoding.stepCount))
      guard due <= r.remaining / 5 else { throw r.fail("\(due) chunks are due, the table is too short") }
    }
    guard due <= r.remaining / 5 else { throw r.fail("\(due) chunks are due, the table is too short") }
    slots.rest = Array(repeating: -1, count: restSegments)
    for t in tensors { slots.tensors.append(Array(repeating: -1, count: t.segmentCount * t.encoding.stepCount)) }
    var chunks: [Chunk] = []
    chunks.reserveCapacity(due)
    var at = start
    while r.remaining > 0 {
      let tensor = try r.varint(upTo: tensors.count, "the tensor of a chunk") - 1
      let step = try r.varint(upTo: tensor < 0 ? 0 : tensors[tensor].encoding.stepCount - 1, "a step")
      let segments = tensor < 0 ? slots.rest.count : tensors[tensor].segmentCount
      let first = try r.varint(upTo: segments, "a segment")
      let count = try r.varint(upTo: segments - first, "the number of segments")
      for segment in first..<first + count {
        let length = try r.varint("the length of a chunk")
        let end = try Checked.add(at, length)
        let bytes =
          try tensor < 0
          ? min(restSegmentLength, restBytes - segment * restSegmentLength)
          : tensors[tensor].type.byteCount(tensors[tensor].elements(ofSegment: segment).count)
        guard length >= bytes / mostBytesPerByte, tensor >= 0 || length <= bytes else {
          throw r.fail("a chunk of \(length) bytes for \(bytes)")
        }
        let slot = tensor < 0 ? segment : step * segments + segment
        guard (tensor < 0 ? slots.rest[slot] : slots.tensors[tensor][slot]) < 0 else { throw r.fail("a chunk twice") }
        if tensor < 0 { slots.rest[slot] = chunks.count } else { slots.tensors[tensor][slot] = chunks.count }
        chunks.append(
          Chunk(
            tensor: tensor < 0 ? nil : tensor, step: step, segment: segment, range: at..<end,
            checksum: try r.fixed(UInt32.self)))
        at = end
      }
    }
    return chunks
  }
}
