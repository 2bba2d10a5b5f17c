/// The type of a value in a graph (`TypeProto`). A tensor's shape is nil when not even the rank is known.
public indirect enum ValueType: Equatable, Sendable, CustomStringConvertible {
  case tensor(ElementType, SymbolicShape?)
  case sparseTensor(ElementType, SymbolicShape?)
  case sequence(ValueType)
  case optional(ValueType)
  case map(key: ElementType, value: ValueType)

  public var elementType: ElementType? {
    switch self {
    case .tensor(let e, _), .sparseTensor(let e, _): e
    default: nil
    }
  }
  public var shape: SymbolicShape? {
    switch self {
    case .tensor(_, let s), .sparseTensor(_, let s): s
    default: nil
    }
  }
  public var description: String {
    switch self {
    case .tensor(let e, let s): e.name + (s.map { "[" + $0.map(\.description).joined(separator: ",") + "]" } ?? "[...]")
    case .sparseTensor(let e, let s):
      "sparse(" + e.name + (s.map { "[" + $0.map(\.description).joined(separator: ",") + "]" } ?? "") + ")"
    case .sequence(let t): "seq(\(t))"
    case .optional(let t): "optional(\(t))"
    case .map(let k, let v): "map(\(k.name),\(v))"
    }
  }
}
