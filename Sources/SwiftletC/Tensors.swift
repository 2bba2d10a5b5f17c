// Section 4 of swiftlet.h: tensors.
import CSwiftlet
import Glibc
import Swiftlet

/// ONNX itself knows no limit; nothing real comes near.
private let maximumRank = 64
/// Strings stand one by one in memory: more than this many is a mistake or an attack.
private let maximumStrings = 1 << 28

func elementType(_ raw: swl_element_type) throws -> ElementType {
  guard let type = ElementType(rawValue: raw) else {
    throw SwiftletError(.invalidArgument, "\(raw) is no element type")
  }
  return type
}

/// A shape from C, its number of elements and their bytes.
private func checkedShape(_ type: ElementType, _ extents: UnsafePointer<Int64>?, _ rank: Int) throws
  -> (shape: [Int], count: Int, bytes: Int)
{
  guard rank >= 0, rank <= maximumRank else {
    throw SwiftletError(.invalidArgument, "a tensor has 0 to \(maximumRank) axes")
  }
  let shape = try array(extents, rank, "the shape").map { Int($0) }
  do {
    let count = try Checked.count(shape)
    return (shape, count, try type.byteCount(count))
  } catch let e as SwiftletError {
    throw SwiftletError(.invalidArgument, e.message)
  }
}

/// Calls the caller's function once, when the last one that needs it lets go.
private final class Releaser {
  private let release: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?
  private let userdata: UnsafeMutableRawPointer?
  init(_ release: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?, _ userdata: UnsafeMutableRawPointer?) {
    self.release = release
    self.userdata = userdata
  }
  deinit { release?(userdata) }
}

/// Strides from C, or nil if they are those of dense elements; checks that `byteCount` bytes are enough.
private func checkedStrides(
  _ pointer: UnsafePointer<Int64>?, _ type: ElementType, _ shape: [Int], _ count: Int, _ byteCount: Int
) throws -> [Int]? {
  guard let pointer else { return nil }
  guard let size = type.size else {
    throw SwiftletError(.invalidArgument, "strides of \(type.name), whose elements are smaller than a byte")
  }
  let strides = UnsafeBufferPointer(start: pointer, count: shape.count).map { Int($0) }
  var last = 0
  for (n, stride) in zip(shape, strides) {
    guard stride >= 0 else { throw SwiftletError(.invalidArgument, "a negative stride") }
    let (reach, wraps) = max(n - 1, 0).multipliedReportingOverflow(by: stride)
    let (sum, wrapsToo) = last.addingReportingOverflow(reach)
    guard !wraps, !wrapsToo else { throw SwiftletError(.invalidArgument, "strides that wrap") }
    last = sum
  }
  guard count == 0 || last < byteCount / size else {
    throw SwiftletError(.invalidArgument, "the strides reach element \(last), which is beyond the \(byteCount) bytes given")
  }
  var dense = 1
  for (n, stride) in zip(shape, strides).reversed() {
    if stride != dense && n > 1 { return strides }
    dense *= max(n, 1)
  }
  return nil
}

@c @implementation public func swl_tensor_borrow(
  _ type: swl_element_type, _ shape: UnsafePointer<Int64>!, _ rank: Int, _ strides: UnsafePointer<Int64>!,
  _ data: UnsafeMutableRawPointer!, _ size: Int, _ release: (@convention(c) (UnsafeMutableRawPointer?) -> Void)!,
  _ userdata: UnsafeMutableRawPointer!, _ tensor: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let releaser = Releaser(release, userdata)
    let out = try place(tensor, "tensor")
    let type = try elementType(type)
    guard type != .string else { throw SwiftletError(.invalidArgument, "strings can't be borrowed") }
    let (shape, count, bytes) = try checkedShape(type, shape, rank)
    let given = size < 0 ? Int.max : size
    let strides = try checkedStrides(strides, type, shape, count, given)
    guard strides != nil || bytes <= given else {
      throw SwiftletError(.invalidArgument, "\(type.name)\(shape) needs \(bytes) bytes, \(given) are given")
    }
    guard data != nil || count == 0 else { throw SwiftletError(.invalidArgument, "data is NULL") }
    let alignment = type.isComplex ? (type.size ?? 1) / 2 : type.size ?? 1
    guard Int(bitPattern: data) % alignment == 0 else {
      throw SwiftletError(.invalidArgument, "the data isn't aligned to \(alignment) bytes")
    }
    let buffer = data.map { data in
      Buffer(borrowing: data, byteCount: given, isTransient: true) { withExtendedLifetime(releaser) {} }
    } ?? .empty
    if let strides, let elementSize = type.size {
      let t = StridedTensor(
        type: type, elementSize: elementSize, shape: shape, strides: strides, count: count, buffer: buffer)
      out.pointee = try makeHandle(ValueObject(t))
    } else {
      out.pointee = try makeHandle(ValueObject(.tensor(Tensor(type, shape, buffer: buffer))))
    }
  }
}

@c @implementation public func swl_tensor_create(
  _ type: swl_element_type, _ shape: UnsafePointer<Int64>!, _ rank: Int,
  _ tensor: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let out = try place(tensor, "tensor")
    let type = try elementType(type)
    let (shape, count, _) = try checkedShape(type, shape, rank)
    guard type != .string || count <= maximumStrings else {
      throw SwiftletError(.outOfMemory, "no memory for \(count) strings")
    }
    let t = try Tensor(allocating: type, shape)
    if t.byteCount > 0 { memset(t.data, 0, t.byteCount) }
    out.pointee = try makeHandle(ValueObject(.tensor(t)))
  }
}

@c @implementation public func swl_tensor_create_strings(
  _ shape: UnsafePointer<Int64>!, _ rank: Int, _ strings: UnsafePointer<UnsafePointer<CChar>?>!,
  _ lengths: UnsafePointer<Int>!, _ tensor: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let out = try place(tensor, "tensor")
    let (shape, count, _) = try checkedShape(.string, shape, rank)
    guard count <= maximumStrings else { throw SwiftletError(.outOfMemory, "no memory for \(count) strings") }
    let given = try array(strings, count, "strings")
    let values = try (0..<count).map { i in
      guard let text = given[i] else { throw SwiftletError(.invalidArgument, "string \(i) is NULL") }
      let length = lengths?[i] ?? strlen(text)
      guard length >= 0 else { throw SwiftletError(.invalidArgument, "the length of string \(i) is out of range") }
      return try string(text, length, "string \(i)")
    }
    out.pointee = try makeHandle(ValueObject(.tensor(Tensor(strings: values, shape))))
  }
}

@c @implementation public func swl_value_free(_ value: OpaquePointer!) { freeHandle(value, ValueObject.self) }

private func info(_ tensor: OpaquePointer?) -> (type: ElementType, shape: [Int], count: Int)? {
  object(tensor, ValueObject.self)?.tensorInfo
}

@c @implementation public func swl_tensor_type(_ tensor: OpaquePointer!) -> swl_element_type {
  info(tensor)?.type.rawValue ?? swl_element_type(SWL_UNDEFINED)
}
@c @implementation public func swl_tensor_rank(_ tensor: OpaquePointer!) -> Int { info(tensor)?.shape.count ?? 0 }
@c @implementation public func swl_tensor_shape(_ tensor: OpaquePointer!) -> UnsafePointer<Int64>! {
  object(tensor, ValueObject.self)?.shape
}
@c @implementation public func swl_tensor_strides(_ tensor: OpaquePointer!) -> UnsafePointer<Int64>! {
  object(tensor, ValueObject.self)?.strides
}
@c @implementation public func swl_tensor_count(_ tensor: OpaquePointer!) -> Int { info(tensor)?.count ?? 0 }
@c @implementation public func swl_tensor_size(_ tensor: OpaquePointer!) -> Int {
  info(tensor).flatMap { try? $0.type.byteCount($0.count) } ?? 0
}
@c @implementation public func swl_tensor_data(_ tensor: OpaquePointer!) -> UnsafeRawPointer! {
  (object(tensor, ValueObject.self)?.bytes).map { UnsafeRawPointer($0) }
}
@c @implementation public func swl_tensor_mutable_data(_ tensor: OpaquePointer!) -> UnsafeMutableRawPointer! {
  object(tensor, ValueObject.self)?.bytes
}
@c @implementation public func swl_tensor_string(
  _ tensor: OpaquePointer!, _ index: Int, _ length: UnsafeMutablePointer<Int>!
) -> UnsafePointer<CChar>! {
  let text = object(tensor, ValueObject.self)?.strings?[index]
  length?.pointee = text?.count ?? 0
  return text?.baseAddress
}
