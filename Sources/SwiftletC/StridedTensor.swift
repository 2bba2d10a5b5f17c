import Swiftlet

/// A caller's tensor whose elements don't lie one after the other; the core works on dense ones.
struct StridedTensor {
  let type: ElementType
  let elementSize: Int
  let shape: [Int]
  /// In elements, not negative, checked against the buffer.
  let strides: [Int]
  let count: Int
  let buffer: Buffer

  /// A copy of the elements in row-major order.
  func dense() throws -> Tensor {
    let result = try Tensor(allocating: type, shape)
    guard count > 0 else { return result }
    guard let columns = shape.last, let step = strides.last else {
      result.data.copyMemory(from: buffer.base, byteCount: elementSize)
      return result
    }
    let rows = count / columns
    var index = [Int](repeating: 0, count: shape.count - 1)
    var from = UnsafeRawPointer(buffer.base)
    var to = result.data
    for _ in 0..<rows {
      if step == 1 {
        to.copyMemory(from: from, byteCount: columns * elementSize)
      } else {
        for i in 0..<columns {
          (to + i * elementSize).copyMemory(from: from + i * step * elementSize, byteCount: elementSize)
        }
      }
      to += columns * elementSize
      // The next row, as an odometer counts.
      var axis = index.count - 1
      while axis >= 0 {
        index[axis] += 1
        from += strides[axis] * elementSize
        if index[axis] < shape[axis] { break }
        from -= shape[axis] * strides[axis] * elementSize
        index[axis] = 0
        axis -= 1
      }
    }
    return result
  }
}
