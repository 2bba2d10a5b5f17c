// Sections 1 and 2 of swiftlet.h: version, status, errors.
import CSwiftlet
import Swiftlet

final class ErrorObject: HandleObject {
  static let magic = magicWord("swlerror")
  let code: swl_status
  let byteOffset: Int64
  let message: CText
  let node, operatorName, tensor: CText?

  init(_ e: SwiftletError) {
    code = e.code.rawValue
    byteOffset = e.byteOffset.map(Int64.init) ?? -1
    message = CText(e.description)
    node = e.node.map(CText.init)
    operatorName = e.operatorName.map(CText.init)
    tensor = e.tensor.map(CText.init)
  }
}

@c @implementation public func swl_version() -> UnsafePointer<CChar>! { cText("1.0.0") }
@c @implementation public func swl_abi_version() -> UInt32 { SWL_ABI_VERSION }

@c @implementation public func swl_status_name(_ status: swl_status) -> UnsafePointer<CChar>! {
  switch Int(status) {
  case SWL_OK: cText("OK")
  case SWL_INVALID_ARGUMENT: cText("INVALID_ARGUMENT")
  case SWL_NOT_A_MODEL: cText("NOT_A_MODEL")
  case SWL_INVALID_MODEL: cText("INVALID_MODEL")
  case SWL_UNSUPPORTED: cText("UNSUPPORTED")
  case SWL_SHAPE_MISMATCH: cText("SHAPE_MISMATCH")
  case SWL_TYPE_MISMATCH: cText("TYPE_MISMATCH")
  case SWL_OUT_OF_MEMORY: cText("OUT_OF_MEMORY")
  case SWL_MEMORY_LIMIT: cText("MEMORY_LIMIT")
  case SWL_IO: cText("IO")
  case SWL_CANCELLED: cText("CANCELLED")
  case SWL_DEADLINE: cText("DEADLINE")
  case SWL_BUSY: cText("BUSY")
  case SWL_RUNTIME: cText("RUNTIME")
  case SWL_INTERNAL: cText("INTERNAL")
  default: cText("UNKNOWN")
  }
}

@c @implementation public func swl_error_code(_ error: OpaquePointer!) -> swl_status {
  object(error, ErrorObject.self)?.code ?? swl_status(SWL_OK)
}
@c @implementation public func swl_error_message(_ error: OpaquePointer!) -> UnsafePointer<CChar>! {
  object(error, ErrorObject.self)?.message.pointer ?? cText("")
}
@c @implementation public func swl_error_node(_ error: OpaquePointer!) -> UnsafePointer<CChar>! {
  object(error, ErrorObject.self)?.node?.pointer
}
@c @implementation public func swl_error_operator(_ error: OpaquePointer!) -> UnsafePointer<CChar>! {
  object(error, ErrorObject.self)?.operatorName?.pointer
}
@c @implementation public func swl_error_tensor(_ error: OpaquePointer!) -> UnsafePointer<CChar>! {
  object(error, ErrorObject.self)?.tensor?.pointer
}
@c @implementation public func swl_error_byte_offset(_ error: OpaquePointer!) -> Int64 {
  object(error, ErrorObject.self)?.byteOffset ?? -1
}
@c @implementation public func swl_error_free(_ error: OpaquePointer!) { freeHandle(error, ErrorObject.self) }
