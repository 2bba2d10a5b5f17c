import CSwiftlet
import Glibc
import Swiftlet

/// A value as C programs see it: the value itself and what the header lets them point into.
final class ValueObject: HandleObject {
  static let magic = magicWord("swlvalue")

  enum Content {
    case value(Value)
    case strided(StridedTensor)
  }
  private(set) var content: Content
  /// Extents and then, unless elements are smaller than a byte, strides.
  private let dimensions: UnsafeMutablePointer<Int64>?
  private(set) var strings: StringTable?
  /// Handles of a sequence's elements, an optional's content, a map's keys and values.
  let children: [OpaquePointer]

  init(_ value: Value) throws {
    var children: [OpaquePointer] = []
    do {
      switch value {
      case .tensor: break
      case .sequence(let elements, _): for e in elements { children.append(try makeHandle(ValueObject(e))) }
      case .optional(let inside, _): if let inside { children.append(try makeHandle(ValueObject(inside))) }
      case .map(let m):
        children.append(try makeHandle(ValueObject(.tensor(m.keys))))
        children.append(try makeHandle(ValueObject(.tensor(m.values))))
      }
      if case .tensor(let t) = value {
        dimensions = try Self.dimensions(t.type, t.shape, nil)
        strings = t.type == .string ? try StringTable(t.strings) : nil
      } else {
        dimensions = nil
      }
    } catch {
      for c in children { freeHandle(c, ValueObject.self) }
      throw error
    }
    self.content = .value(value)
    self.children = children
  }

  init(_ tensor: StridedTensor) throws {
    content = .strided(tensor)
    children = []
    dimensions = try Self.dimensions(tensor.type, tensor.shape, tensor.strides)
  }

  deinit {
    free(dimensions)
    for c in children { freeHandle(c, ValueObject.self) }
  }

  private static func dimensions(_ type: ElementType, _ shape: [Int], _ strides: [Int]?) throws
    -> UnsafeMutablePointer<Int64>
  {
    guard let memory = malloc(max(shape.count, 1) * 2 * MemoryLayout<Int64>.size) else {
      throw SwiftletError(.outOfMemory, "no memory for a tensor's shape")
    }
    let d = memory.bindMemory(to: Int64.self, capacity: max(shape.count, 1) * 2)
    var dense = 1
    for i in shape.indices.reversed() {
      d[i] = Int64(shape[i])
      d[shape.count + i] = Int64(strides?[i] ?? dense)
      dense = dense &* max(shape[i], 1)
    }
    return d
  }

  // MARK: Tensors

  /// A tensor's type and shape, dense or not.
  var tensorInfo: (type: ElementType, shape: [Int], count: Int)? {
    switch content {
    case .value(.tensor(let t)): (t.type, t.shape, t.count)
    case .strided(let t): (t.type, t.shape, t.count)
    default: nil
    }
  }
  var shape: UnsafePointer<Int64>? { dimensions.map { UnsafePointer($0) } }
  var strides: UnsafePointer<Int64>? {
    guard let dimensions, let t = tensorInfo, !t.type.isPacked else { return nil }
    return UnsafePointer(dimensions + t.shape.count)
  }
  /// The elements' bytes; nil for strings and for what is no tensor.
  var bytes: UnsafeMutableRawPointer? {
    switch content {
    case .value(.tensor(let t)): t.type == .string ? nil : t.data
    case .strided(let t): t.buffer.base
    default: nil
    }
  }

  /// New elements for a tensor of strings.
  func replaceStrings(by tensor: Tensor) throws {
    strings = try StringTable(tensor.strings)
    content = .value(.tensor(tensor))
  }

  /// The value as the core takes it; elements that don't lie densely are copied.
  func value() throws -> Value {
    switch content {
    case .value(let v): v
    case .strided(let t): .tensor(try t.dense())
    }
  }
}

/// The strings of a tensor, one after the other in one block, each with a NUL at its end.
final class StringTable {
  private let bytes: UnsafeMutablePointer<CChar>
  private let ends: [Int]

  init(_ strings: [String]) throws {
    var ends: [Int] = []
    ends.reserveCapacity(strings.count)
    var end = 0
    for s in strings {
      end += s.utf8.count + 1
      ends.append(end)
    }
    guard let memory = malloc(max(end, 1)) else { throw SwiftletError(.outOfMemory, "no memory for strings") }
    bytes = memory.bindMemory(to: CChar.self, capacity: max(end, 1))
    var at = 0
    for s in strings {
      for b in s.utf8 {
        bytes[at] = CChar(bitPattern: b)
        at += 1
      }
      bytes[at] = 0
      at += 1
    }
    self.ends = ends
  }
  deinit { free(bytes) }

  subscript(index: Int) -> UnsafeBufferPointer<CChar>? {
    guard index >= 0, index < ends.count else { return nil }
    let start = index == 0 ? 0 : ends[index - 1]
    return UnsafeBufferPointer(start: bytes + start, count: ends[index] - start - 1)
  }
}
