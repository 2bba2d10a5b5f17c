import Tensors

extension SwiftletError {
  /// Sizes, strides or attributes that make no sense together or overflow.
  static func invalid(_ message: String) -> SwiftletError { SwiftletError(.invalidArgument, message) }
  static func outOfMemory(bytes: Int) -> SwiftletError { SwiftletError(.outOfMemory, "out of memory: \(bytes) bytes") }
}
