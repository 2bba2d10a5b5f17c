import FoundationEssentials
import Swiftlet

/// How large the features are that weights are multiplied with, measured on inputs.
enum FeatureNorms {
  /// For each weight, the root of the sum of squares of each feature.
  static func measure(
    _ weights: [PrunableWeight], source: ModelSource, path: String, folder: String
  ) throws -> [String: [Double]] {
    let plain = try Model(source: source)
    let known = Set(plain.inputs.map(\.name) + plain.outputs.map(\.name))
    let wanted = Set(weights.map(\.activation)).subtracting(known).sorted()
    let bytes = try ModelRewriter(source: source, outputs: wanted).model()
    let buffer = try Allocator.system.allocate(bytes.count)
    bytes.withUnsafeBytes { if let p = $0.baseAddress { buffer.base.copyMemory(from: p, byteCount: $0.count) } }
    let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
    let session = try Session(Model(source: ModelSource(bytes: buffer, folder: parent)))
    let names = plain.outputs.map(\.name) + wanted
    var sums: [String: [Double]] = [:]
    for inputs in try CalibrationInputs.read(folder, for: plain) {
      let values = inputs.merging(zip(names, try session.run(inputs))) { $1 }
      for weight in weights { try add(values[weight.activation], weight, to: &sums[weight.name, default: []]) }
    }
    return sums.mapValues { $0.map { $0.squareRoot() } }
  }

  private static func add(_ value: Value?, _ weight: PrunableWeight, to sums: inout [Double]) throws {
    guard case .tensor(let t)? = value else { return }
    let axis = weight.featureAxis < 0 ? t.rank + weight.featureAxis : weight.featureAxis
    let features = weight.view.inputs / weight.view.taps
    guard axis >= 0, axis < t.rank, t.shape[axis] > 0, features % t.shape[axis] == 0 || t.shape[axis] % features == 0 else {
      throw SwiftletError(.shape, "'\(weight.activation)' of the shape \(t.shape) doesn't fit the weight '\(weight.name)'")
    }
    if sums.isEmpty { sums = [Double](repeating: 0, count: features) }
    let inner = t.shape[(axis + 1)...].reduce(1, *)
    // A grouped convolution's weights meet the features of their group: those of all groups count together.
    for (i, x) in try t.doubles().enumerated() { sums[i / inner % t.shape[axis] % features] += x * x }
  }
}
