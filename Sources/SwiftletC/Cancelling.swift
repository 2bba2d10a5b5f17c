// Cancelling, and the clock of deadlines: the first part of section 8 of swiftlet.h.
import CSwiftlet
import CSystem
import Swiftlet

final class CancellerObject: HandleObject {
  static let magic = magicWord("swlcancl")
  let cancellation = Cancellation()
}

@c @implementation public func swl_canceller_create() -> OpaquePointer! { try? makeHandle(CancellerObject()) }
@c @implementation public func swl_canceller_free(_ canceller: OpaquePointer!) {
  freeHandle(canceller, CancellerObject.self)
}
@c @implementation public func swl_cancel(_ canceller: OpaquePointer!) {
  object(canceller, CancellerObject.self)?.cancellation.cancel()
}
@c @implementation public func swl_canceller_reset(_ canceller: OpaquePointer!) {
  object(canceller, CancellerObject.self)?.cancellation.reset()
}

@c @implementation public func swl_clock() -> UInt64 { sws_now() }

/// The moment `time` from now, at most the end of time.
func deadline(after time: UInt64) -> UInt64 {
  let (moment, wraps) = sws_now().addingReportingOverflow(time)
  return wraps ? .max : moment
}
