import CKernels
import Kernels
import Tensors

/// How a tensor of floats is cut into bit planes and steps (encoding 1 of docs/progressive-format.md).
///
/// The planes of a weight with exponent e lie below the top exponent E of its channel: it becomes significant at plane
/// E - e, when its sign comes too, and each later plane adds a bit of its mantissa.
public struct PlaneEncoding: Sendable {
  public static let number = 1
  public static let mostSteps = 64
  /// Powers of two that a segment's length may have.
  public static let segmentBits = 10...20

  /// Bits of the mantissa and the exponent of a type, nil for types without planes.
  public static func bits(of type: ElementType) -> (mantissa: Int, exponent: Int)? {
    switch type {
    case .float: (23, 8)
    case .float16: (10, 5)
    case .bfloat16: (7, 8)
    case .double: (52, 11)
    default: nil
    }
  }

  public let mantissa: Int
  public let exponent: Int
  /// Planes at which weights may become significant.
  public let significance: Int
  public let segmentLength: Int
  /// The planes of each step; they follow each other from 0 to `planeCount`.
  public let steps: [Range<Int>]
  /// The axis whose positions have a top exponent each; nil: one for the tensor.
  public let axis: Int?
  public let tops: [UInt16]
  /// Weights from one position of the axis to the next.
  public let inner: Int

  public var planeCount: Int { significance + mantissa }

  /// - Parameter steps: the number of planes of each step.
  public init(
    type: ElementType, shape: [Int], significance: Int, segmentLength: Int, steps: [Int], axis: Int?, tops: [UInt16]
  ) throws {
    guard let bits = Self.bits(of: type) else { throw SwiftletError(.unsupported, "\(type.name) has no planes") }
    (mantissa, exponent) = bits
    guard (1...Int(SWK_PLANES_MOST)).contains(significance) else {
      throw SwiftletError(.parse, "\(significance) planes of significance")
    }
    guard segmentLength > 0, segmentLength & (segmentLength - 1) == 0,
      Self.segmentBits.contains(segmentLength.trailingZeroBitCount)
    else { throw SwiftletError(.parse, "segments of \(segmentLength) weights") }
    self.significance = significance
    self.segmentLength = segmentLength
    var next = 0
    var ranges: [Range<Int>] = []
    for planes in steps {
      guard planes > 0, planes <= significance + mantissa - next else { throw SwiftletError(.parse, "a step of \(planes) planes") }
      ranges.append(next..<next + planes)
      next += planes
    }
    guard next == significance + mantissa, ranges.count <= Self.mostSteps else {
      throw SwiftletError(.parse, "\(ranges.count) steps of \(next) planes where \(significance + mantissa) are due")
    }
    self.steps = ranges
    self.axis = axis
    if let axis {
      guard axis >= 0, axis < shape.count, tops.count == shape[axis] else {
        throw SwiftletError(.parse, "\(tops.count) exponents for axis \(axis) of \(shape)")
      }
      inner = try Checked.count(Array(shape[(axis + 1)...]))
    } else {
      guard tops.count == 1 else { throw SwiftletError(.parse, "\(tops.count) exponents for one channel") }
      inner = try Checked.count(shape)
    }
    self.tops = tops
  }

  init(_ r: inout ByteReader, type: ElementType, shape: [Int]) throws {
    let significance = try r.varint(upTo: 255, "the planes of significance")
    let segmentBits = try r.varint(upTo: 32, "the length of segments")
    let steps = try (0..<r.varint(upTo: Self.mostSteps, "the number of steps")).map { _ in
      try r.varint(upTo: 255, "the planes of a step")
    }
    let axis = try r.varint(upTo: shape.count, "an axis") - 1
    let channels = axis < 0 ? 1 : shape[axis]
    guard channels <= r.remaining else { throw r.fail("\(channels) exponents are due, \(r.remaining) bytes remain") }
    let most = (1 << (Self.bits(of: type)?.exponent ?? 0)) - 1
    let tops = try (0..<channels).map { _ in UInt16(try r.varint(upTo: most, "an exponent")) }
    try self.init(
      type: type, shape: shape, significance: significance, segmentLength: 1 << segmentBits, steps: steps,
      axis: axis < 0 ? nil : axis, tops: tops)
  }

  /// The step as the kernels take it.
  public func kernelStep(_ step: Int) -> swk_planes_step {
    swk_planes_step(
      mantissa: UInt32(mantissa), exponent: UInt32(exponent), significance: UInt32(significance),
      first: UInt32(steps[step].lowerBound), last: UInt32(steps[step].upperBound))
  }
  /// Calls `body` with the channels as the kernels take them, for weights from `start` on.
  public func withKernelChannels<R>(from start: Int, _ body: (swk_planes_channels) throws -> R) rethrows -> R {
    try tops.withUnsafeBufferPointer {
      try body(swk_planes_channels(top: $0.baseAddress, channels: tops.count, inner: max(inner, 1), start: start))
    }
  }

  /// Refines a segment in place by one step. Before step 0 its weights are 0.
  /// - Parameter start: index of the segment's first weight in the tensor.
  /// - Parameter scratch: at least `segmentLength` + 16 bytes.
  public func refine(
    _ weights: UnsafeMutableRawPointer, count: Int, from start: Int, step: Int, chunk: UnsafeRawBufferPointer,
    scratch: UnsafeMutablePointer<UInt8>, level: swk_level = .best
  ) throws {
    guard let kernel = swk_planes_refine_get(level, (mantissa + exponent + 1) / 8) else {
      throw SwiftletError(.internal, "no kernel for planes of \(mantissa + exponent + 1) bits")
    }
    var step = kernelStep(step)
    let status = withKernelChannels(from: start) { channels in
      withUnsafePointer(to: channels) {
        kernel(&step, $0, weights, count, chunk.baseAddress?.assumingMemoryBound(to: UInt8.self), chunk.count, scratch)
      }
    }
    try Self.check(status)
  }

  /// - Throws: what is wrong with a chunk.
  static func check(_ status: swk_planes_status) throws {
    switch status {
    case SWK_PLANES_OK: return
    case SWK_PLANES_SHORT: throw SwiftletError(.parse, "damaged chunk: it ends too early")
    case SWK_PLANES_FREQUENCIES: throw SwiftletError(.parse, "damaged chunk: its frequencies don't add up")
    default: throw SwiftletError(.parse, "damaged chunk: its symbols don't end where they should")
    }
  }
}
