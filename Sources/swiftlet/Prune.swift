import ArgumentParser
import FoundationEssentials
import Swiftlet

/// `swiftlet prune`
struct Prune: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Set the least important weights of a model to 0.",
    discussion: """
      Prunes the weights of convolutions (but depthwise ones) and matrix products, each tensor by itself, and writes an \
      ONNX file that any runtime can run. Swiftlet runs what has enough zeros with sparse kernels (docs/sparse.md); \
      `swiftlet inspect` shows which. Nothing is trained again: at high sparsity a model that wasn't trained for it is no \
      longer accurate.

      METHOD: magnitude compares the weights of a tensor; wanda those of an output channel, each multiplied with how large \
      the feature is that it meets (arXiv 2306.11695), which is measured on the inputs in DIR.

      PATTERN, as in 1x4: so many output channels have their zeros in the same places, which is faster.

      EXAMPLES
        swiftlet prune m.onnx --sparsity 0.9 -o p.onnx
        swiftlet prune m.onnx --sparsity 0.6 --method wanda --calibrate DIR -o p.onnx
        swiftlet prune m.onnx --sparsity 0.8 --pattern 1x4 --sparse-format -o p.onnx
      """)

  enum Pattern: String, CaseIterable, ExpressibleByArgument {
    case unstructured, blocks4 = "1x4", blocks8 = "1x8", blocks16 = "1x16"

    var block: Int {
      switch self {
      case .unstructured: 1
      case .blocks4: 4
      case .blocks8: 8
      case .blocks16: 16
      }
    }
  }

  enum Method: String, CaseIterable, ExpressibleByArgument { case magnitude, wanda }

  @Argument(help: "The ONNX file.", completion: .file(extensions: ["onnx"]))
  var model: String
  @Option(help: ArgumentHelp("The share of weights to become 0, from 0 to 1.", valueName: "share"))
  var sparsity: Double
  @Option(name: .shortAndLong, help: "The file to write.", completion: .file())
  var output: String
  @Option(help: "What is pruned together: unstructured, 1x4, 1x8 or 1x16.")
  var pattern = Pattern.unstructured
  @Option(help: "How weights are compared: magnitude or wanda.")
  var method = Method.magnitude
  @Option(
    help: ArgumentHelp("For wanda: a folder of test_data_set_*/input_*.pb or <input>.npy.", valueName: "dir"),
    completion: .directory)
  var calibrate: String?
  @Option(name: .customLong("keep"), parsing: .singleValue, help: "The name of a weight to leave as it is (repeat).")
  var kept: [String] = []
  @Flag(help: "Write sparse_initializer instead of zeros where that is smaller: from two thirds of zeros on (float).")
  var sparseFormat = false

  func validate() throws {
    guard sparsity >= 0, sparsity <= 1 else { throw ValidationError("--sparsity must be from 0 to 1.") }
    guard (method == .wanda) == (calibrate != nil) else {
      throw ValidationError("--method wanda and --calibrate go together.")
    }
  }

  func run() throws {
    let source = try ModelSource(path: model)
    let graph = try Importer.importModel(from: source).graph
    let all = try PrunableWeight.all(in: graph)
    for name in kept where !all.contains(where: { $0.name == name }) {
      throw SwiftletError(.invalidArgument, "no weight that could be pruned has the name '\(name)'")
    }
    let weights = all.filter { !kept.contains($0.name) }
    guard !weights.isEmpty else { throw SwiftletError(.invalidModel, "'\(model)' has no weights that could be pruned") }
    let pruning = Pruning(sparsity: sparsity, block: pattern.block)
    var pruned: [String: Tensor] = [:]
    let norms = try calibrate.map { try FeatureNorms.measure(weights, source: source, path: model, folder: $0) }
    for weight in weights { pruned[weight.name] = try pruning.apply(to: weight, norms: norms?[weight.name]) }
    let rewriter = ModelRewriter(source: source, form: sparseFormat ? .sparse : .dense, tensors: pruned)
    try ValueFiles.write(try rewriter.model(), output)
    let count = weights.reduce(0) { $0 + $1.tensor.count }
    print("\(weights.count) weights with \(count) elements, \(Int((Double(count) * sparsity).rounded())) of them now 0")
  }
}
