import CSystem
import Glibc
import ONNX
import Progressive
import Tensors

/// What is packed: the files of a model, and the tensors in them that are coded by themselves.
public struct PackSource {
  public struct File {
    public let name: String
    public let bytes: Buffer

    func part(_ range: Range<Int>) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(start: bytes.base + range.lowerBound, count: range.count)
    }
    /// Gives back the memory of pages that can be read again from a mapped file.
    func forget(_ range: Range<Int>) {
      // A page, perhaps a huge one, that this range shares with the one before it has come back with it.
      let start = max(0, range.lowerBound - (2 << 20))
      if bytes.isMapped { sws_forget(bytes.base + start, range.upperBound - start) }
    }
  }
  public struct Piece {
    public let name: String
    public let type: ElementType
    public let shape: [Int]
    public let count: Int
    public let file: Int
    public let range: Range<Int>

    /// Whether it is sent in planes; else its elements have a byte each.
    public var isInPlanes: Bool { PlaneEncoding.bits(of: type) != nil }
  }

  /// Smaller tensors go with the rest.
  public static let fewestWeights = 256
  /// What a tensor in planes takes beside its planes, about: entries of the table, frequencies, lanes.
  private static let tableBytes = 200.0

  public let files: [File]
  /// Floats, sent in planes, and bytes. By file and place; they don't overlap.
  public let pieces: [Piece]
  /// Keeps the mappings.
  private let source: ModelSource

  /// Reads where the tensors of a model stand, without touching them.
  public init(_ source: ModelSource) throws {
    self.source = source
    var files = [File(name: "", bytes: source.bytes)]
    var candidates: [Piece] = []
    for p in try Importer.payloads(of: source) {
      var file = 0
      if let location = p.location {
        file = files.firstIndex { $0.name == location } ?? files.count
        if file == files.count { files.append(File(name: location, bytes: try source.external(location))) }
      }
      let count = try Checked.count(p.shape)
      if PlaneEncoding.bits(of: p.type) != nil || p.type.bits == 8, count >= Self.fewestWeights {
        candidates.append(Piece(name: p.name, type: p.type, shape: p.shape, count: count, file: file, range: p.range))
      }
    }
    candidates.sort { ($0.file, $0.range.lowerBound, $1.range.upperBound) < ($1.file, $1.range.lowerBound, $0.range.upperBound) }
    var pieces: [Piece] = []
    for c in candidates {
      if let last = pieces.last, last.file == c.file, last.range.upperBound > c.range.lowerBound { continue }
      pieces.append(c)
    }
    self.files = files
    self.pieces = try pieces.filter { piece in
      // What is regular is smaller, and exact at once, when it is compressed with the rest; noise isn't made larger.
      let file = files[piece.file]
      let beginning = file.part(piece.range.prefix(Container.restSegmentLength))
      let compressed = try Compression.compress([beginning])
      let scale = Double(piece.range.count) / Double(beginning.count)
      if !piece.isInPlanes { return Double(compressed.count) > 1.02 * Self.estimatedBytes(beginning) + Self.tableBytes }
      let planes = try PlanePlan.estimatedBytes(of: piece, in: file)
      guard planes + Self.tableBytes < 0.98 * Double(piece.range.count) else { return false }
      return Double(compressed.count) * scale > 0.7 * planes
    }
  }

  /// About what bytes take, coded by their frequencies.
  private static func estimatedBytes(_ bytes: UnsafeRawBufferPointer) -> Double {
    var counts = [Int](repeating: 0, count: 256)
    for b in bytes { counts[Int(b)] += 1 }
    let n = Double(bytes.count)
    return counts.reduce(64) { $1 > 0 ? $0 + 2 + Double($1) * log2(n / Double($1)) / 8 : $0 }
  }

  /// Whether a stream takes the model as it is too: one file, with the first byte that tells it from a container.
  var canBePlain: Bool {
    files.count == 1 && files[0].bytes.byteCount > 0 && files[0].part(0..<1).first == Container.firstByteOfModels
  }

  public func address(of piece: Piece) -> UnsafeMutableRawPointer { files[piece.file].bytes.base + piece.range.lowerBound }

  /// What belongs to no piece, cut into segments: parts of files.
  func restSegments() -> [[(file: File, range: Range<Int>)]] {
    var segments: [[(file: File, range: Range<Int>)]] = []
    var room = 0
    for (f, file) in files.enumerated() {
      var at = 0
      for piece in pieces.filter({ $0.file == f }).map(\.range) + [file.bytes.byteCount..<file.bytes.byteCount] {
        while at < piece.lowerBound {
          if room == 0 {
            segments.append([])
            room = Container.restSegmentLength
          }
          let n = min(room, piece.lowerBound - at)
          segments[segments.count - 1].append((file, at..<at + n))
          at += n
          room -= n
        }
        at = piece.upperBound
      }
    }
    return segments
  }
}
