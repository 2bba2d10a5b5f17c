import Kernels
import Tensors

/// Means that kernels share which take half-precision tensors themselves: constants are converted once, when they are
/// packed, and only activations at each run.
extension RunContext {
  /// A tensor over scratch memory: valid until the kernel returns, unlike `temporary` whether it is still referred to or
  /// not.
  func scratchTensor(_ type: ElementType, _ shape: [Int]) throws -> Tensor {
    let bytes = try type.byteCount(Checked.count(shape))
    return try Tensor(type, shape, buffer: Buffer(borrowing: scratch(bytes), byteCount: bytes, isTransient: true))
  }
  /// `t`, or its elements as float when its type has 16 bits.
  func widened(_ t: Tensor) throws -> Tensor {
    guard t.type.isHalf else { return t }
    let wide = try scratchTensor(.float, t.shape)
    try Cast.apply(t.type, t.data, to: .float, wide.data, t.count, pool: pool)
    return wide
  }
  func widenedInput(_ i: Int) throws -> Tensor { try widened(try input(i)) }
  func widenedOptional(_ i: Int) throws -> Tensor? { try optionalInput(i).map(widened) }
  /// Output `i` as memory to compute in: float for types of 16 bits, into which it is converted afterwards.
  func writing(_ i: Int, _ body: (Tensor) throws -> Void) throws {
    let y = try output(i)
    guard y.type.isHalf else { return try body(y) }
    let wide = try scratchTensor(.float, y.shape)
    try body(wide)
    try Cast.apply(.float, wide.data, to: y.type, y.data, y.count, pool: pool)
  }
}

extension ElementType {
  /// The type that sums of elements are computed in: float for types of 16 bits.
  var computed: ElementType { isHalf ? .float : self }
  /// What the packing of matrices calls a float type.
  func packedSource() throws -> PackedMatrix.Source {
    switch self {
    case .float: return .float
    case .double: return .double
    case .float16: return .float16
    case .bfloat16: return .bfloat16
    default: throw SwiftletError(.type, "a float type is due, not \(name)")
    }
  }
}

/// The float types that kernels compute in.
protocol KernelScalar: GemmScalar, BitwiseCopyable {
  static var elementType: ElementType { get }
}
extension Float: KernelScalar {
  static var elementType: ElementType { .float }
}
extension Double: KernelScalar {
  static var elementType: ElementType { .double }
}

/// Calls one of two bodies by the type that elements of `type` are computed in.
func dispatch<R>(
  _ type: ElementType, float: () throws -> R, double: () throws -> R
) throws -> R {
  switch type {
  case .float, .float16, .bfloat16: return try float()
  case .double: return try double()
  default: throw SwiftletError(.type, "a float type is due, not \(type.name)")
  }
}

extension InferenceContext {
  /// Input `i`'s shape, whose rank must be one of `ranks`; nil when it isn't known.
  func shape(_ i: Int, ranks: PartialRangeFrom<Int>) throws -> SymbolicShape? {
    guard let s = shape(i) else { return nil }
    guard ranks.contains(s.count) else {
      throw SwiftletError(.shape, "input \(i) must have at least \(ranks.lowerBound) dimensions, not the shape \(s)")
    }
    return s
  }
  func shape(_ i: Int, rank: Int) throws -> SymbolicShape? {
    guard let s = shape(i) else { return nil }
    guard s.count == rank else {
      throw SwiftletError(.shape, "input \(i) must have \(rank) dimensions, not the shape \(s)")
    }
    return s
  }
  /// Throws when both dimensions are known and differ.
  func same(_ a: Dimension, _ b: Dimension, _ what: @autoclosure () -> String) throws -> Dimension {
    guard let m = a.merged(b) else { throw SwiftletError(.shape, "\(what()): \(a) and \(b) differ") }
    return m
  }
}

/// Throws an error about shapes unless `condition` holds.
@inline(__always)
func checkShape(_ condition: Bool, _ message: @autoclosure () -> String) throws {
  if !condition { throw SwiftletError(.shape, message()) }
}
@inline(__always)
func checkModel(_ condition: Bool, _ message: @autoclosure () -> String) throws {
  if !condition { throw SwiftletError(.invalidModel, message()) }
}
