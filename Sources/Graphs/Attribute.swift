import Tensors

/// The value of a node's attribute (`AttributeProto`).
public enum Attribute {
  case int(Int)
  case float(Float)
  case string(String)
  case tensor(Tensor)
  case sparseTensor(SparseTensor)
  case graph(Graph)
  case type(ValueType)
  case ints([Int])
  case floats([Float])
  case strings([String])
  case tensors([Tensor])
  case sparseTensors([SparseTensor])
  case graphs([Graph])
  case types([ValueType])
  /// Inside a function's body: the value of the call's attribute of that name (`ref_attr_name`).
  case reference(String)

  /// The graphs that the attribute holds.
  public var graphs: [Graph] {
    switch self {
    case .graph(let g): [g]
    case .graphs(let g): g
    default: []
    }
  }
}

/// `SparseTensorProto`: values at coordinates.
public struct SparseTensor {
  /// [NNZ]
  public let values: Tensor
  /// int64, [NNZ] (linear indices) or [NNZ, rank]
  public let indices: Tensor
  public let shape: [Int]

  public init(values: Tensor, indices: Tensor, shape: [Int]) {
    self.values = values
    self.indices = indices
    self.shape = shape
  }

  /// All elements written out. Indices out of range, unsorted or duplicate are errors.
  public func dense() throws -> Tensor {
    guard values.rank == 1, let size = values.type.size else {
      throw SwiftletError(.invalidModel, "sparse tensor: values must be a vector of whole-byte elements")
    }
    let n = values.count
    guard indices.type == .int64, indices.shape == [n] || indices.shape == [n, shape.count] else {
      throw SwiftletError(.invalidModel, "sparse tensor: indices \(indices.type.name)\(indices.shape) for \(n) values")
    }
    let result = try Tensor(allocating: values.type, shape)
    result.data.initializeMemory(as: UInt8.self, repeating: 0, count: result.byteCount)
    let index = try indices.ints()
    var last = -1
    for i in 0..<n {
      var at = 0
      if indices.rank == 1 {
        at = index[i]
      } else {
        for (d, dimension) in shape.enumerated() {
          let x = index[i * shape.count + d]
          guard x >= 0, x < dimension else {
            throw SwiftletError(.invalidModel, "sparse tensor: index \(x) out of range for dimension \(d) of \(shape)")
          }
          at = at * dimension + x
        }
      }
      guard at < result.count else {
        throw SwiftletError(.invalidModel, "sparse tensor: index \(at) out of range for \(result.count) elements")
      }
      guard at > last else {
        throw SwiftletError(.invalidModel, "sparse tensor: indices are not in strictly ascending order at \(i)")
      }
      last = at
      (result.data + at * size).copyMemory(from: values.data + i * size, byteCount: size)
    }
    return result
  }
}
