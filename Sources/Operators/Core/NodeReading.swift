import Graphs
import Tensors

/// Reads a node's attributes; an attribute that isn't given has the schema's default.
public protocol NodeReading {
  var node: Node { get }
  var definition: OperatorDefinition { get }
}

extension NodeReading {
  /// The version of the operator set by which the node is to be read.
  public var version: Int { node.version }
  public func has(_ name: String) -> Bool { node.attributes[name] != nil }

  private func value(_ name: String) -> Attribute? { node.attributes[name] ?? definition.attribute(name)?.defaultValue }
  private func missing(_ name: String) -> SwiftletError {
    SwiftletError(.invalidModel, "the attribute '\(name)' must be given and of the right type")
  }

  public func optionalInt(_ name: String) throws -> Int? {
    guard let v = value(name) else { return nil }
    guard case .int(let i) = v else { throw missing(name) }
    return i
  }
  public func optionalFloat(_ name: String) throws -> Float? {
    guard let v = value(name) else { return nil }
    guard case .float(let f) = v else { throw missing(name) }
    return f
  }
  public func optionalString(_ name: String) throws -> String? {
    guard let v = value(name) else { return nil }
    guard case .string(let s) = v else { throw missing(name) }
    return s
  }
  public func optionalInts(_ name: String) throws -> [Int]? {
    guard let v = value(name) else { return nil }
    switch v {
    case .ints(let i): return i
    case .floats(let f) where f.isEmpty: return []
    default: throw missing(name)
    }
  }
  public func optionalFloats(_ name: String) throws -> [Float]? {
    guard let v = value(name) else { return nil }
    switch v {
    case .floats(let f): return f
    case .ints(let i) where i.isEmpty: return []
    default: throw missing(name)
    }
  }
  public func optionalStrings(_ name: String) throws -> [String]? {
    guard let v = value(name) else { return nil }
    switch v {
    case .strings(let s): return s
    case .ints(let i) where i.isEmpty: return []
    default: throw missing(name)
    }
  }
  public func optionalTensor(_ name: String) throws -> Tensor? {
    guard let v = value(name) else { return nil }
    guard case .tensor(let t) = v else { throw missing(name) }
    return t
  }
  public func int(_ name: String) throws -> Int {
    guard let v = try optionalInt(name) else { throw missing(name) }
    return v
  }
  public func bool(_ name: String) throws -> Bool { try int(name) != 0 }
  public func float(_ name: String) throws -> Float {
    guard let v = try optionalFloat(name) else { throw missing(name) }
    return v
  }
  public func string(_ name: String) throws -> String {
    guard let v = try optionalString(name) else { throw missing(name) }
    return v
  }
  public func ints(_ name: String) throws -> [Int] {
    guard let v = try optionalInts(name) else { throw missing(name) }
    return v
  }
  public func floats(_ name: String) throws -> [Float] {
    guard let v = try optionalFloats(name) else { throw missing(name) }
    return v
  }
  public func strings(_ name: String) throws -> [String] {
    guard let v = try optionalStrings(name) else { throw missing(name) }
    return v
  }
  public func tensor(_ name: String) throws -> Tensor {
    guard let v = try optionalTensor(name) else { throw missing(name) }
    return v
  }
  public func graph(_ name: String) throws -> Graph {
    guard let v = value(name), case .graph(let g) = v else { throw missing(name) }
    return g
  }
  /// The element type that an attribute such as `to` or `dtype` names.
  public func optionalElementType(_ name: String) throws -> ElementType? {
    guard let raw = try optionalInt(name) else { return nil }
    guard let type = ElementType(rawValue: Int32(truncatingIfNeeded: raw)) else {
      throw SwiftletError(.invalidModel, "the attribute '\(name)' names the unknown element type \(raw)")
    }
    return type
  }
  public func elementType(_ name: String) throws -> ElementType {
    guard let t = try optionalElementType(name) else { throw missing(name) }
    return t
  }
}
