import CKernels
import Tensors

/// Operators of two tensors; see Sources/CKernels/include/binary.h for what each computes.
public enum BinaryOperator: UInt32, CaseIterable, Sendable {
  case add, subtract, multiply, divide, min, max
  /// The sign of the divisor (Python).
  case modulus
  /// The sign of the dividend (C).
  case remainder
  case prelu
  case equal, less, greater, lessOrEqual, greaterOrEqual
  case and, or, xor
  case bitAnd, bitOr, bitXor, shiftLeft, shiftRight

  /// Whether results are booleans.
  public var isPredicate: Bool {
    switch self {
    case .equal, .less, .greater, .lessOrEqual, .greaterOrEqual, .and, .or, .xor: true
    default: false
    }
  }
}

public enum Binary {
  /// `out[...] = a[...] op b[...]`, both broadcast to `outShape`. `out` has the operands' type, or bool for predicates.
  /// `out` may be an operand itself if that has `outShape` and elements of the same size.
  /// Throws where the operator has no such type, shapes don't broadcast, or an integer is divided by zero (or the lowest by -1).
  public static func apply(
    _ op: BinaryOperator, _ type: ElementType, _ a: UnsafeRawPointer, _ aShape: [Int], _ b: UnsafeRawPointer,
    _ bShape: [Int], to out: UnsafeMutableRawPointer, _ outShape: [Int], pool: ThreadPool? = nil,
    level: swk_level = .best
  ) throws {
    let code = swk_binary_op(op.rawValue)
    let function: (UnsafeRawPointer?, UnsafeRawPointer?, UnsafeMutableRawPointer?, UnsafePointer<swk_binary_shape>) -> UInt32
    if type.isHalf {
      guard swk_binary_get(level, code, SWK_T_F32) != nil else { throw unsupported("\(op)", type) }
      function = { swk_binary_half(level, code, type.swk, $0, $1, $2, $3) ? 0 : 1 }
    } else {
      guard let f = swk_binary_get(level, code, type.swk) else { throw unsupported("\(op)", type) }
      function = { f($0, $1, $2, $3) }
    }
    let size = type.bits / 8
    let failed = try run(
      a, aShape, size, b, bShape, size, out, outShape, op.isPredicate ? 1 : size, pool: pool, function)
    if failed { throw SwiftletError(.runtime, "an integer is divided by zero, or the lowest one by -1") }
  }

  /// `out[...] = base[...] ^ exponent[...]` in the type of the base: any float of 16 bits or more, int32 or int64.
  /// The exponent may be any numeric type.
  public static func power(
    _ type: ElementType, _ base: UnsafeRawPointer, _ baseShape: [Int], exponentType: ElementType,
    _ exponent: UnsafeRawPointer, _ exponentShape: [Int], to out: UnsafeMutableRawPointer, _ outShape: [Int],
    pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    let baseCount = try Checked.count(baseShape), exponentCount = try Checked.count(exponentShape)
    let wideBase: ElementType = type.isHalf ? .float : type
    let wideExponent: ElementType =
      exponentType == .double || exponentType == .float
      ? exponentType : exponentType.isFloat ? .float : .int64
    guard let f = swk_pow_get(wideBase.swk, wideExponent.swk) else { throw unsupported("power", type) }
    let converted = try Cast.converted(exponentType, exponent, to: wideExponent, exponentCount, pool: pool)
    let e = UnsafeRawPointer(converted?.base) ?? exponent
    if type.isHalf {
      let outCount = try Checked.count(outShape)
      let b = try Cast.converted(type, base, to: .float, baseCount, pool: pool)
      let result = try Allocator.system.allocate(try ElementType.float.byteCount(outCount))
      _ = try run(
        UnsafeRawPointer(b?.base) ?? base, baseShape, 4, e, exponentShape, wideExponent.bits / 8, result.base, outShape, 4,
        pool: pool, { f($0, $1, $2, $3) })
      try Cast.apply(.float, result.base, to: type, out, outCount, pool: pool, level: level)
      withExtendedLifetime(b) {}
    } else {
      _ = try run(
        base, baseShape, wideBase.bits / 8, e, exponentShape, wideExponent.bits / 8, out, outShape, wideBase.bits / 8,
        pool: pool, { f($0, $1, $2, $3) })
    }
    withExtendedLifetime(converted) {}
  }

  /// Sizes are bytes of an element. Returns whether a call of the function failed.
  static func run(
    _ a: UnsafeRawPointer, _ aShape: [Int], _ aSize: Int, _ b: UnsafeRawPointer, _ bShape: [Int], _ bSize: Int,
    _ out: UnsafeMutableRawPointer, _ outShape: [Int], _ outSize: Int, pool: ThreadPool?,
    _ function: (
      UnsafeRawPointer?, UnsafeRawPointer?, UnsafeMutableRawPointer?, UnsafePointer<swk_binary_shape>
    ) -> UInt32
  ) throws -> Bool {
    let count = try Checked.count(outShape)
    if count == 0 { return false }
    let bytes = count &* (aSize &+ bSize &+ outSize)
    // Failures are rare and only ever set, by any thread.
    let failures = FailureFlag()
    if aShape == outShape && bShape == outShape {
      Parallel.ranges(count, bytes: bytes, multipleOf: 64, pool: pool) { start, end in
        var shape = swk_binary_shape(rows: 1, n: end - start, a_row: 0, b_row: 0, a_step: 1, b_step: 1)
        if function(a + start * aSize, b + start * bSize, out + start * outSize, &shape) != 0 { failures.set() }
      }
      return failures.isSet
    }
    let nest = Nest(
      outShape, [try Broadcast.strides(of: aShape, as: outShape), try Broadcast.strides(of: bShape, as: outShape)])
    if nest.rows == 1 {  // a scalar beside a whole tensor (or two scalars)
      let aStep = nest.step(0) == 0 && nest.n > 1 ? 0 : 1, bStep = nest.step(1) == 0 && nest.n > 1 ? 0 : 1
      if aStep + bStep > 0 {
        Parallel.ranges(count, bytes: bytes, multipleOf: 64, pool: pool) { start, end in
          var shape = swk_binary_shape(
            rows: 1, n: end - start, a_row: 0, b_row: 0, a_step: Int32(aStep), b_step: Int32(bStep))
          let failed = function(
            a + start * aStep * aSize, b + start * bStep * bSize, out + start * outSize, &shape)
          if failed != 0 { failures.set() }
        }
        return failures.isSet
      }
    }
    if nest.step(0) == 0 && nest.step(1) == 0 {
      throw SwiftletError(.shape, "neither \(aShape) nor \(bShape) has the last axis of \(outShape)")
    }
    Parallel.ranges(nest.rows, bytes: bytes, pool: pool) { start, end in
      nest.forEachRun(start, end) { offsets, row, rows in
        var shape = swk_binary_shape(
          rows: rows, n: nest.n, a_row: nest.row(0), b_row: nest.row(1), a_step: Int32(nest.step(0)),
          b_step: Int32(nest.step(1)))
        let failed = function(
          a + offsets[0] * aSize, b + offsets[1] * bSize, out + row * nest.n * outSize, &shape)
        if failed != 0 { failures.set() }
      }
    }
    return failures.isSet
  }

  static func unsupported(_ what: String, _ type: ElementType) -> SwiftletError {
    SwiftletError(.unsupported, "\(what) of \(type.name)")
  }
}

/// Set by any of the threads that work together, read when they are done.
final class FailureFlag: @unchecked Sendable {
  private(set) var isSet = false
  func set() { isSet = true }
}
