/// In which order the steps of the tensors are sent.
public enum PackOrder: String, CaseIterable, Sendable {
  /// What removes most error from the outputs per byte comes first.
  case sensitivity
  /// Plane after plane, all tensors side by side.
  case planes

  /// - Parameter gains: how much a relative squared error of each tensor's weights matters to the outputs.
  /// - Returns: tensors and steps; each tensor's steps in order.
  func steps(_ tensors: [PackedTensor], gains: [Double]) -> [(tensor: Int, step: Int)] {
    let keyed = tensors.indices.flatMap { t in
      keys(tensors[t], gains[t]).enumerated().map { (key: $1, tensor: t, step: $0) }
    }
    return keyed.sorted { ($1.key, $0.tensor, $0.step) < ($0.key, $1.tensor, $1.step) }.map { ($0.tensor, $0.step) }
  }

  /// A number for each step; never larger than that of the step before.
  private func keys(_ t: PackedTensor, _ gain: Double) -> [Double] {
    // What is sent whole comes first.
    guard let steps = t.encoding.planes?.steps else { return [.infinity] }
    switch self {
    case .planes: return steps.map { -Double($0.upperBound) }
    case .sensitivity:
      guard t.energy > 0 else { return steps.map { _ in 0 } }
      // The slopes of the upper hull of error removed over bytes: a step that brings little by itself counts together
      // with the steps behind it.
      var hull: [(count: Int, bytes: Double, removed: Double)] = []
      for s in steps.indices {
        var part = (1, Double(max(t.bytes(ofStep: s), 1)), max(t.errors[s] - t.errors[s + 1], 0) / t.energy * gain)
        while let last = hull.last, last.removed * part.1 <= part.2 * last.bytes {
          part = (part.0 + last.count, part.1 + last.bytes, part.2 + last.removed)
          hull.removeLast()
        }
        hull.append(part)
      }
      return hull.flatMap { part in Array(repeating: part.removed / part.bytes, count: part.count) }
    }
  }
}
