import Tensors

/// A model as read: the main graph, its functions, and what the file says about itself.
public final class ModelGraph {
  public var graph: Graph
  public var functions: [FunctionKey: Function] = [:]
  public var irVersion = 0
  /// Operator set version per domain ("" is ai.onnx).
  public var opsets: [String: Int] = [:]
  public var producerName = ""
  public var producerVersion = ""
  public var domain = ""
  public var modelVersion = 0
  public var documentation = ""
  public var metadata: [(key: String, value: String)] = []
  /// Initializers that are also graph inputs: constants that a caller may replace.
  public var overridable: [(name: String, type: ValueType)] = []
  /// Bytes of all initializers.
  public var weightBytes = 0

  public init(graph: Graph) { self.graph = graph }
}

public struct FunctionKey: Hashable {
  public var domain: String
  public var name: String
  public var overload: String
  public init(domain: String, name: String, overload: String) {
    self.domain = domain
    self.name = name
    self.overload = overload
  }
}

/// A model-local function (`FunctionProto`): a graph without types, whose attributes may refer to the call's.
public final class Function {
  public let key: FunctionKey
  public let body: Graph
  public let attributes: [String]
  public let defaults: [String: Attribute]

  public init(key: FunctionKey, body: Graph, attributes: [String], defaults: [String: Attribute]) {
    self.key = key
    self.body = body
    self.attributes = attributes
    self.defaults = defaults
  }
}
