/// Every failure of the library. `code` is stable; the other fields name the place.
public struct SwiftletError: Error, Equatable, CustomStringConvertible, Sendable {
  /// Stable numbers, the same as `swl_status` in include/swiftlet.h.
  public enum Code: Int32, Sendable {
    case invalidArgument = 1
    /// The bytes are no ONNX model, or a damaged one.
    case parse = 2
    /// A model that breaks the rules of ONNX.
    case invalidModel = 3
    /// An operator, version or type that isn't supported.
    case unsupported = 4
    /// An input whose shape doesn't fit.
    case shape = 5
    /// An input whose element type doesn't fit.
    case type = 6
    case outOfMemory = 7
    /// A limit that the host set was reached.
    case limit = 8
    case io = 9
    case cancelled = 10
    case deadline = 11
    case busy = 12
    /// An operator met a value that it can't work with (an index out of range, a division by zero...).
    case runtime = 13
    case `internal` = 14
  }

  public var code: Code
  public var message: String
  public var node: String?
  public var operatorName: String?
  public var tensor: String?
  public var byteOffset: Int?

  public init(
    _ code: Code, _ message: String, node: String? = nil, operatorName: String? = nil, tensor: String? = nil,
    byteOffset: Int? = nil
  ) {
    self.code = code
    self.message = message
    self.node = node
    self.operatorName = operatorName
    self.tensor = tensor
    self.byteOffset = byteOffset
  }

  /// The same error with the node named, unless a node deeper inside was named already.
  public func at(node: String, operatorName: String) -> SwiftletError {
    guard self.node == nil else { return self }
    var e = self
    e.node = node
    e.operatorName = operatorName
    return e
  }

  public var description: String {
    var s = message
    if let operatorName { s += " [operator \(operatorName)" + (node.map { $0.isEmpty ? "]" : ", node '\($0)']" } ?? "]") }
    if let tensor { s += " [tensor '\(tensor)']" }
    if let byteOffset { s += " [byte \(byteOffset)]" }
    return s
  }
}
