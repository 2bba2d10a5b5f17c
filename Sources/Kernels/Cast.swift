import CKernels
import Tensors

/// How float8e8m0 rounds; ONNX's `round_mode`.
public enum ScaleRounding: UInt32, Sendable {
  case up, down, nearest
}

public enum Cast {
  /// Converts `count` elements between any two types other than strings and complex numbers. `x` and `out` must not
  /// overlap. Integers wrap; floats truncate to integers, out of range as x86 and numpy do; to narrower floats every
  /// value is rounded once, to nearest even. Sources/CKernels/include/cast.h has the details.
  /// - Parameter saturate: overflow to an 8-bit float gives the greatest value (else NaN or infinity).
  public static func apply(
    _ type: ElementType, _ x: UnsafeRawPointer, to outType: ElementType, _ out: UnsafeMutableRawPointer, _ count: Int,
    saturate: Bool = true, roundMode: ScaleRounding = .up, pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    var options = swk_cast_options(no_saturate: !saturate, round_mode: swk_round_mode(roundMode.rawValue))
    guard swk_cast(level, type.swk, x, outType.swk, out, 0, &options) else {
      throw SwiftletError(.unsupported, "a cast from \(type.name) to \(outType.name)")
    }
    let bytes = count / 8 &* (type.bits &+ outType.bits)
    Parallel.ranges(count, bytes: bytes, multipleOf: 64, pool: pool) { start, end in
      var options = options
      _ = swk_cast(
        level, type.swk, x + start * type.bits / 8, outType.swk, out + start * outType.bits / 8, end - start, &options)
    }
  }

  /// The elements as `wide` in memory of their own; nil if they have that type already.
  static func converted(
    _ type: ElementType, _ x: UnsafeRawPointer, to wide: ElementType, _ count: Int, pool: ThreadPool?
  ) throws -> Buffer? {
    if type == wide { return nil }
    let buffer = try Allocator.system.allocate(try wide.byteCount(count))
    try apply(type, x, to: wide, buffer.base, count, pool: pool)
    return buffer
  }
}
