// Element types, and swl_type of section 6 of swiftlet.h.
import CSwiftlet
import Swiftlet

@c @implementation public func swl_element_type_name(_ type: swl_element_type) -> UnsafePointer<CChar>! {
  switch ElementType(rawValue: type) {
  case .float: cText("float")
  case .uint8: cText("uint8")
  case .int8: cText("int8")
  case .uint16: cText("uint16")
  case .int16: cText("int16")
  case .int32: cText("int32")
  case .int64: cText("int64")
  case .string: cText("string")
  case .bool: cText("bool")
  case .float16: cText("float16")
  case .double: cText("double")
  case .uint32: cText("uint32")
  case .uint64: cText("uint64")
  case .complex64: cText("complex64")
  case .complex128: cText("complex128")
  case .bfloat16: cText("bfloat16")
  case .float8e4m3fn: cText("float8e4m3fn")
  case .float8e4m3fnuz: cText("float8e4m3fnuz")
  case .float8e5m2: cText("float8e5m2")
  case .float8e5m2fnuz: cText("float8e5m2fnuz")
  case .uint4: cText("uint4")
  case .int4: cText("int4")
  case .float4e2m1: cText("float4e2m1")
  case .float8e8m0: cText("float8e8m0")
  case .uint2: cText("uint2")
  case .int2: cText("int2")
  case .float6e2m3: cText("float6e2m3")
  case .float6e3m2: cText("float6e3m2")
  case nil: cText("undefined")
  }
}

@c @implementation public func swl_element_type_bits(_ type: swl_element_type) -> Int {
  ElementType(rawValue: type)?.bits ?? 0
}

/// A type as C programs see it; nil: not known.
final class TypeObject: HandleObject {
  static let magic = magicWord("swl_type")
  let type: ValueType?
  let text: CText
  let inside: OpaquePointer?
  private let extentNames: [CText?]

  init(_ type: ValueType?) throws {
    self.type = type
    text = CText(type?.description ?? "?")
    extentNames = (type?.shape ?? []).map { if case .symbol(let name) = $0 { CText(name) } else { nil } }
    inside =
      switch type {
      case .sequence(let t), .optional(let t), .map(_, let t): try makeHandle(TypeObject(t))
      default: nil
      }
  }
  deinit { freeHandle(inside, TypeObject.self) }

  private var shape: SymbolicShape? { if case .tensor(_, let shape) = type { shape } else { nil } }
  var rank: Int? { shape?.count }
  func extent(_ axis: Int) -> Int? {
    guard let shape, shape.indices.contains(axis) else { return nil }
    return shape[axis].value
  }
  func extentName(_ axis: Int) -> UnsafePointer<CChar>? {
    extentNames.indices.contains(axis) ? extentNames[axis]?.pointer : nil
  }
}

@c @implementation public func swl_type_kind(_ type: OpaquePointer!) -> swl_kind {
  switch object(type, TypeObject.self)?.type {
  case .tensor: swl_kind(SWL_KIND_TENSOR)
  case .sequence: swl_kind(SWL_KIND_SEQUENCE)
  case .optional: swl_kind(SWL_KIND_OPTIONAL)
  case .map: swl_kind(SWL_KIND_MAP)
  case .sparseTensor, nil: swl_kind(SWL_KIND_NONE)
  }
}
@c @implementation public func swl_type_element_type(_ type: OpaquePointer!) -> swl_element_type {
  switch object(type, TypeObject.self)?.type {
  case .tensor(let e, _), .map(let e, _): e.rawValue
  default: swl_element_type(SWL_UNDEFINED)
  }
}
@c @implementation public func swl_type_inside(_ type: OpaquePointer!) -> OpaquePointer! {
  object(type, TypeObject.self)?.inside
}
@c @implementation public func swl_type_rank(_ type: OpaquePointer!) -> Int64 {
  object(type, TypeObject.self)?.rank.map(Int64.init) ?? -1
}
@c @implementation public func swl_type_extent(_ type: OpaquePointer!, _ axis: Int) -> Int64 {
  object(type, TypeObject.self)?.extent(axis).map(Int64.init) ?? -1
}
@c @implementation public func swl_type_extent_name(_ type: OpaquePointer!, _ axis: Int) -> UnsafePointer<CChar>! {
  object(type, TypeObject.self)?.extentName(axis)
}
@c @implementation public func swl_type_text(_ type: OpaquePointer!) -> UnsafePointer<CChar>! {
  object(type, TypeObject.self)?.text.pointer ?? cText("")
}
