import Tensors

/// Where the elements of a tensor stand as bytes, in the order and form of `Tensor`: in a model's file or in a file of
/// external data.
public struct TensorPayload {
  public let name: String
  public let type: ElementType
  public let shape: [Int]
  /// The location of its external data; nil: the model's own file.
  public let location: String?
  public let range: Range<Int>
}

extension Importer {
  /// Every tensor of a model whose elements stand in one range of bytes: initializers, values of sparse tensors, tensors
  /// of attributes, in subgraphs and functions too. Each place is named once, in no particular order.
  public static func payloads(of source: ModelSource) throws -> [TensorPayload] {
    let model = try parse(source)
    let finder = PayloadFinder(source: source)
    if let graph = model.graph { try finder.visit(graph) }
    for f in model.functions {
      try finder.visit(f.nodes)
      try finder.visit(f.attributeDefaults)
    }
    return finder.found
  }
}

private final class PayloadFinder {
  let source: ModelSource
  var found: [TensorPayload] = []
  private var places: Set<String> = []

  init(source: ModelSource) { self.source = source }

  func visit(_ graph: GraphProto) throws {
    for t in graph.initializers { try visit(t) }
    for s in graph.sparseInitializers { try visit(s) }
    try visit(graph.nodes)
  }
  func visit(_ nodes: [NodeProto]) throws {
    for n in nodes { try visit(n.attributes) }
  }
  func visit(_ attributes: [AttributeProto]) throws {
    for a in attributes {
      for t in (a.tensor.map { [$0] } ?? []) + a.tensors { try visit(t) }
      for s in (a.sparseTensor.map { [$0] } ?? []) + a.sparseTensors { try visit(s) }
      for g in (a.graph.map { [$0] } ?? []) + a.graphs { try visit(g) }
    }
  }
  private func visit(_ sparse: SparseTensorProto) throws {
    for t in [sparse.values, sparse.indices].compactMap({ $0 }) { try visit(t) }
  }
  private func visit(_ t: TensorProto) throws {
    let tensors = TensorReader(source: source)
    guard let type = ElementType(rawValue: Int32(truncatingIfNeeded: t.dataType)), type != .string,
      let place = try tensors.place(t, type), !place.range.isEmpty,
      places.insert("\(place.range) \(place.location ?? "")").inserted
    else { return }
    found.append(
      TensorPayload(
        name: t.name, type: type, shape: try tensors.shape(t.dims), location: place.location, range: place.range))
  }
}
