import FoundationEssentials
import Packing
import Swiftlet

/// How much each tensor's precision matters to a model's outputs, measured: one tensor at a time loses some of its planes,
/// and the model runs.
struct Calibration {
  /// What a tensor loses of its energy. Small enough that outputs answer in proportion, large enough to stand out.
  private static let loss = 1e-3

  private let source: PackSource
  private let folder: String
  private let pool: ThreadPool

  /// - Parameter folder: has `test_data_set_*/input_*.pb`, or `<input>.npy`.
  init(_ source: PackSource, folder: String, pool: ThreadPool) {
    self.source = source
    self.folder = folder
    self.pool = pool
  }

  /// For each piece of the source: relative squared error of the outputs over that of the weights.
  func gains(progress: (_ done: Int, _ total: Int) -> Void) throws -> [Double] {
    let files = try source.files.map { file in
      let copy = try Allocator.system.allocate(file.bytes.byteCount)
      copy.base.copyMemory(from: file.bytes.base, byteCount: file.bytes.byteCount)
      return copy
    }
    let external = Dictionary(uniqueKeysWithValues: zip(source.files, files).dropFirst().map { ($0.name, $1) })
    func model() throws -> Model { try Model(source: ModelSource(bytes: files[0]) { external[$0] }) }
    let inputs = try CalibrationInputs.read(folder, for: model())
    let references = try outputs(model(), inputs)
    return try source.pieces.enumerated().map { index, piece in
      progress(index, source.pieces.count)
      let place = files[piece.file].base + piece.range.lowerBound
      defer { place.copyMemory(from: source.address(of: piece), byteCount: piece.range.count) }
      let lost = try Truncation(piece, of: source).write(to: place, losing: Self.loss)
      guard lost > 0 else { return 1 }
      return try max(Self.error(outputs(model(), inputs), references) / lost, 1e-9)
    }
  }

  private func outputs(_ model: Model, _ inputs: [[String: Value]]) throws -> [[Double]] {
    var options = SessionOptions()
    options.pool = pool
    let session = try Session(model, options)
    return try inputs.flatMap { try session.run($0) }.compactMap { value in
      guard case .tensor(let t) = value, t.type != .string else { return nil }
      return try t.numbers()
    }
  }

  /// Squared error over variance, summed over all outputs.
  private static func error(_ outputs: [[Double]], _ references: [[Double]]) -> Double {
    zip(outputs, references).reduce(0) { sum, pair in
      let (y, due) = pair
      guard !due.isEmpty else { return sum }
      let mean = due.reduce(0, +) / Double(due.count)
      let variance = due.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      let error = zip(y, due).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      return variance > 0 && error.isFinite ? sum + error / variance : sum
    }
  }
}
