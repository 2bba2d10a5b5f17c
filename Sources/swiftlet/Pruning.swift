import Swiftlet

/// A weight that can be pruned: a constant that a convolution or matrix product reads.
struct PrunableWeight {
  let name: String
  let tensor: Tensor
  let view: View
  /// The value that the product reads beside the weight.
  let activation: String
  /// The dimension of that value whose elements are the features; negative: from the end.
  let featureAxis: Int

  /// A weight as a matrix: element (output channel, input) is at channel * channelStride + input * inputStride.
  struct View {
    let channels: Int
    let inputs: Int
    let channelStride: Int
    let inputStride: Int
    /// Inputs that read the same feature: a convolution's taps.
    let taps: Int
  }

  /// Smaller weights aren't worth it.
  private static let least = 1024

  /// The weights of all convolutions (but depthwise ones) and matrix products of a graph as it was read.
  static func all(in graph: Graph) throws -> [PrunableWeight] {
    var seen = Set<ValueID>()
    return try graph.nodes.compactMap { node in
      guard node.domain.isEmpty, let id = node.input(1), let x = node.input(0), let tensor = graph[id].constant,
        tensor.type == .float || tensor.type == .float16, tensor.count >= least,
        let view = try view(node, tensor.shape), seen.insert(id).inserted
      else { return nil }
      return PrunableWeight(name: graph[id].name, tensor: tensor, view: view, activation: graph[x].name,
        featureAxis: node.opType == "Conv" ? 1 : try node.int("transA", default: 0) != 0 ? 0 : -1)
    }
  }

  private static func view(_ node: Node, _ shape: [Int]) throws -> View? {
    switch node.opType {
    case "Conv":
      guard shape.count >= 3, shape[1] > 1 else { return nil }
      let inputs = shape.dropFirst().reduce(1, *)
      return View(channels: shape[0], inputs: inputs, channelStride: inputs, inputStride: 1, taps: inputs / shape[1])
    case "Gemm", "MatMul":
      guard shape.count == 2 else { return nil }
      if node.opType == "Gemm", try node.int("transB", default: 0) != 0 {
        return View(channels: shape[0], inputs: shape[1], channelStride: shape[1], inputStride: 1, taps: 1)
      }
      return View(channels: shape[1], inputs: shape[0], channelStride: 1, inputStride: shape[1], taps: 1)
    default: return nil
    }
  }
}

/// Sets the least important elements of weights to 0.
struct Pruning {
  /// The share of elements to become 0.
  let sparsity: Double
  /// Output channels that are pruned together.
  let block: Int

  /// A pruned copy.
  /// - Parameter norms: how large the features are that the weight is multiplied with; nil: all alike.
  func apply(to weight: PrunableWeight, norms: [Double]? = nil) throws -> Tensor {
    let view = weight.view, result = try weight.tensor.copied()
    let all = try result.doubles()
    func at(_ channel: Int, _ input: Int) -> Int { channel * view.channelStride + input * view.inputStride }
    let blocks = (view.channels + block - 1) / block
    var scores = [Float](repeating: 0, count: blocks * view.inputs)
    for b in 0..<blocks {
      for i in 0..<view.inputs {
        let channels = b * block..<min((b + 1) * block, view.channels)
        let sum = channels.reduce(0.0) { $0 + all[at($1, i)] * all[at($1, i)] } / Double(channels.count)
        let norm = norms.map { $0[i / view.taps] } ?? 1
        let score = Float(sum.squareRoot() * norm)
        scores[b * view.inputs + i] = score.isNaN ? .infinity : score
      }
    }
    // Wanda compares the weights of one output with each other, magnitude pruning all of a tensor.
    let each = norms == nil ? scores.count : view.inputs
    let size = result.type.bits / 8
    for start in stride(from: 0, to: scores.count, by: max(each, 1)) {
      let order = (start..<start + each).sorted { (scores[$0], $0) < (scores[$1], $1) }
      for score in order.prefix(Int((Double(each) * sparsity).rounded())) {
        let (b, i) = (score / view.inputs, score % view.inputs)
        for channel in b * block..<min((b + 1) * block, view.channels) {
          (result.data + at(channel, i) * size).initializeMemory(as: UInt8.self, repeating: 0, count: size)
        }
      }
    }
    return result
  }
}
