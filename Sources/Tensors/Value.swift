/// What flows along an edge of the graph.
public enum Value: @unchecked Sendable {
  case tensor(Tensor)
  /// Elements and, for an empty sequence, what they would be.
  case sequence([Value], elementType: ValueType)
  indirect case optional(Value?, type: ValueType)
  case map(MapValue)

  public var tensor: Tensor? {
    if case .tensor(let t) = self { t } else { nil }
  }
  /// The type with all dimensions known.
  public var type: ValueType {
    switch self {
    case .tensor(let t): .tensor(t.type, SymbolicShape(t.shape))
    case .sequence(_, let e): .sequence(e)
    case .optional(_, let t): .optional(t)
    case .map(let m): .map(key: m.keys.type, value: .tensor(m.values.type, [.known(m.values.count)]))
    }
  }
}

/// A map of ai.onnx.ml: keys (int64 or string vector) and as many values (a vector).
public struct MapValue: @unchecked Sendable {
  public let keys: Tensor
  public let values: Tensor
  public init(keys: Tensor, values: Tensor) throws {
    guard keys.rank == 1, values.rank == 1, keys.count == values.count else {
      throw SwiftletError(.shape, "a map needs as many values as keys")
    }
    self.keys = keys
    self.values = values
  }
}

extension Value {
  /// The value in memory that lasts: transient tensors are copied.
  public func kept() throws -> Value {
    switch self {
    case .tensor(let t): t.buffer.isTransient ? .tensor(try t.copied()) : self
    case .sequence(let v, let e): .sequence(try v.map { try $0.kept() }, elementType: e)
    case .optional(let v, let t): .optional(try v?.kept(), type: t)
    case .map: self
    }
  }
}
