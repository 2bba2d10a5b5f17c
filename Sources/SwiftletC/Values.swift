// Section 9 of swiftlet.h: sequences, optionals and maps.
import CSwiftlet
import Swiftlet

@c @implementation public func swl_value_kind(_ value: OpaquePointer!) -> swl_kind {
  guard let v = object(value, ValueObject.self) else { return swl_kind(SWL_KIND_NONE) }
  return switch v.content {
  case .value(.tensor), .strided: swl_kind(SWL_KIND_TENSOR)
  case .value(.sequence): swl_kind(SWL_KIND_SEQUENCE)
  case .value(.optional): swl_kind(SWL_KIND_OPTIONAL)
  case .value(.map): swl_kind(SWL_KIND_MAP)
  }
}

/// The type that a sequence of such elements declares: extents may differ from element to element.
private func sequenceElementType(_ value: Value) throws -> ValueType {
  switch value {
  case .tensor(let t): .tensor(t.type, nil)
  case .map(let m): .map(key: m.keys.type, value: .tensor(m.values.type, nil))
  default: throw SwiftletError(.type, "a sequence holds tensors or maps")
  }
}

@c @implementation public func swl_sequence_create(
  _ type: swl_element_type, _ elements: UnsafePointer<OpaquePointer?>!, _ count: Int,
  _ sequence: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let out = try place(sequence, "sequence")
    let declared = type == swl_element_type(SWL_UNDEFINED) ? nil : ValueType.tensor(try elementType(type), nil)
    var found = declared
    let values = try array(elements, count, "elements").enumerated().map { i, e in
      let value = try required(e, "element \(i)", ValueObject.self).value()
      let type = try sequenceElementType(value)
      if let found, found != type { throw SwiftletError(.type, "element \(i) is \(type), not \(found)") }
      found = type
      return value
    }
    guard let found else { throw SwiftletError(.invalidArgument, "an empty sequence needs an element type") }
    out.pointee = try makeHandle(ValueObject(.sequence(values, elementType: found)))
  }
}

@c @implementation public func swl_sequence_count(_ sequence: OpaquePointer!) -> Int {
  guard let v = object(sequence, ValueObject.self), case .value(.sequence) = v.content else { return 0 }
  return v.children.count
}

/// Child `index` of a value of the kind that `isKind` tells.
private func child(_ value: OpaquePointer?, _ index: Int, _ isKind: (Value) -> Bool) -> OpaquePointer? {
  guard let v = object(value, ValueObject.self), case .value(let content) = v.content, isKind(content),
    index >= 0, index < v.children.count
  else { return nil }
  return v.children[index]
}

@c @implementation public func swl_sequence_element(_ sequence: OpaquePointer!, _ index: Int) -> OpaquePointer! {
  child(sequence, index) { if case .sequence = $0 { true } else { false } }
}

@c @implementation public func swl_optional_create(
  _ content: OpaquePointer!, _ optional: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let out = try place(optional, "optional")
    let value = try content.map { try required($0, "content", ValueObject.self).value() }
    let type: ValueType
    switch value {
    case nil: type = .tensor(.float, nil)  // a run takes the type that the model declares
    case .tensor(let t): type = .tensor(t.type, nil)
    case .sequence(_, let elementType): type = .sequence(elementType)
    default: throw SwiftletError(.type, "an optional holds a tensor or a sequence")
    }
    out.pointee = try makeHandle(ValueObject(.optional(value, type: type)))
  }
}

@c @implementation public func swl_optional_content(_ optional: OpaquePointer!) -> OpaquePointer! {
  child(optional, 0) { if case .optional = $0 { true } else { false } }
}

private func isMap(_ value: Value) -> Bool { if case .map = value { true } else { false } }

@c @implementation public func swl_map_create(
  _ keys: OpaquePointer!, _ values: OpaquePointer!, _ map: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<OpaquePointer?>!
) -> swl_status {
  status(error) {
    let out = try place(map, "map")
    func tensor(_ handle: OpaquePointer?, _ what: String) throws -> Tensor {
      guard case .tensor(let t) = try required(handle, what, ValueObject.self).value() else {
        throw SwiftletError(.invalidArgument, "\(what) is no tensor")
      }
      return t
    }
    let keys = try tensor(keys, "keys")
    let content = try MapValue(keys: keys, values: tensor(values, "values"))
    guard keys.type == .string || keys.type.isInteger, !keys.type.isPacked else {
      throw SwiftletError(.type, "keys are strings or integers, not \(keys.type.name)")
    }
    let distinct = keys.type == .string ? Set(keys.strings).count : Set(try keys.ints()).count
    guard distinct == keys.count else { throw SwiftletError(.invalidArgument, "a key occurs twice") }
    out.pointee = try makeHandle(ValueObject(.map(content)))
  }
}

@c @implementation public func swl_map_keys(_ map: OpaquePointer!) -> OpaquePointer! { child(map, 0, isMap) }
@c @implementation public func swl_map_values(_ map: OpaquePointer!) -> OpaquePointer! { child(map, 1, isMap) }
