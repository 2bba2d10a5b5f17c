import Tensors

/// Small integer vectors and scalars whose elements are dimensions: the values of shape computations, which are followed
/// through inference although some elements are known by name only.
extension InferenceContext {
  private static let limit = 64

  /// The elements of the given inputs, when all can be told as dimensions and not all are constants (then the core
  /// computes the node itself).
  func shapeData(_ inputs: [Int]) throws -> [[Dimension]]? {
    guard inputs.contains(where: { constant($0) == nil }) else { return nil }
    var result: [[Dimension]] = []
    for i in inputs {
      if let t = constant(i), t.count > Self.limit { return nil }
      guard let d = try dimensions(i), d.count <= Self.limit else { return nil }
      result.append(d)
    }
    return result
  }

  /// Output `i` is an integer scalar or vector with these elements.
  func setShapeData(_ i: Int, _ type: ElementType?, _ shape: [Int], _ data: [Dimension]) throws {
    guard let type, shape.reduce(1, { $0 &* $1 }) == data.count else { return }
    if let known = data.known, type == .int64 || type == .int32 {
      if type == .int64 {
        setConstant(i, try Tensor(known.map(Int64.init), shape))
      } else if known.allSatisfy({ Int32(exactly: $0) != nil }) {
        setConstant(i, try Tensor(known.map { Int32(truncatingIfNeeded: $0) }, shape))
      }
    } else {
      setDimensions(i, data)
    }
  }

  /// The elements of input `i` pass unchanged to output 0, of rank 0 or 1.
  func passShapeData(_ i: Int, rank: Int?) throws {
    guard let rank, rank <= 1, let data = try shapeData([i])?.first else { return }
    try setShapeData(0, elementType(i), rank == 0 ? [] : [data.count], data)
  }
}

/// Axes from an attribute (older versions) or an input.
enum Axes {
  /// nil when the input isn't known yet.
  static func read(_ c: InferenceContext, input i: Int, attribute: String = "axes", from version: Int) throws -> Given? {
    if c.version < version { return try c.optionalInts(attribute).map(Given.axes) ?? .absent }
    guard c.hasInput(i) else { return .absent }
    return try c.constantInts(i).map(Given.axes)
  }
  static func read(_ r: RunContext, _ attribute: [Int]?, input i: Int) throws -> [Int]? {
    if let attribute { return attribute }
    return try r.optionalInput(i)?.ints()
  }
  enum Given {
    case absent
    case axes([Int])
    var list: [Int]? {
      if case .axes(let a) = self { a } else { nil }
    }
  }
}
