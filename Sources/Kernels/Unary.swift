import CKernels
import Tensors

/// Operators of one tensor; see Sources/CKernels/include/unary.h for what each computes.
public enum UnaryOperator: UInt32, CaseIterable, Sendable {
  case negate, abs, sign
  case sqrt, reciprocal, square
  case ceil, floor, round
  case exp, log, erf
  case sin, cos, tan, asin, acos, atan, sinh, cosh, tanh, asinh, acosh, atanh
  case sigmoid, relu, leakyRelu, elu, selu, celu, softplus, softsign, hardSigmoid, hardSwish, thresholdedRelu
  /// With erf, and with its approximation by tanh.
  case gelu, geluTanh
  /// x sigmoid(alpha x); alpha = 1 is silu.
  case swish
  case mish
  /// alpha is `lambd`, beta is `bias`.
  case shrink
  case clip
  /// alpha x + beta
  case scale
  case not, bitNot
  case isNaN
  /// alpha and beta: not 0 where negative and positive infinities count.
  case isInf

  /// Whether results are booleans.
  public var isPredicate: Bool { self == .isNaN || self == .isInf || self == .not }
}

/// `alpha`, `beta`, and the bounds of a clip.
public struct UnaryParameters: @unchecked Sendable {
  var raw = swk_unary_params()

  public init(alpha: Double = 0, beta: Double = 0) {
    raw.alpha = alpha
    raw.beta = beta
  }

  /// Bounds for `clip` of tensors of `type`; each points to one element, nil is no bound.
  public init(clip type: ElementType, low: UnsafeRawPointer?, high: UnsafeRawPointer?) throws {
    func float<T: BinaryFloatingPoint & BitwiseCopyable>(_: T.Type) -> (T, T) {
      (low?.loadUnaligned(as: T.self) ?? -.infinity, high?.loadUnaligned(as: T.self) ?? .infinity)
    }
    func signed<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) {
      raw.low.i = Int64(low?.loadUnaligned(as: T.self) ?? .min)
      raw.high.i = Int64(high?.loadUnaligned(as: T.self) ?? .max)
    }
    func unsigned<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) {
      raw.low.u = UInt64(low?.loadUnaligned(as: T.self) ?? .min)
      raw.high.u = UInt64(high?.loadUnaligned(as: T.self) ?? .max)
    }
    func half(_ p: UnsafeRawPointer?) -> Float? {
      guard let p else { return nil }
      var x: Float = 0
      swk_convert_get(SWK_PLAIN, type.swk, SWK_T_F32)(p, &x, 1)
      return x
    }
    switch type {
    case .float: (raw.low.f, raw.high.f) = float(Float.self)
    case .double: (raw.low.d, raw.high.d) = float(Double.self)
    case .float16, .bfloat16:
      raw.low.f = half(low) ?? -.infinity
      raw.high.f = half(high) ?? .infinity
    case .int8: signed(Int8.self)
    case .int16: signed(Int16.self)
    case .int32: signed(Int32.self)
    case .int64: signed(Int64.self)
    case .uint8: unsigned(UInt8.self)
    case .uint16: unsigned(UInt16.self)
    case .uint32: unsigned(UInt32.self)
    case .uint64: unsigned(UInt64.self)
    default: throw Binary.unsupported("clip", type)
    }
  }
}

public enum Unary {
  /// `out[i] = op(x[i])`. `out` has the type of `x`, or bool for predicates, and may be `x` itself if the element size is
  /// the same. Throws where the operator has no such type.
  public static func apply(
    _ op: UnaryOperator, _ type: ElementType, _ x: UnsafeRawPointer, to out: UnsafeMutableRawPointer, _ count: Int,
    _ parameters: UnaryParameters = .init(), pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    let code = swk_unary_op(op.rawValue)
    let size = type.bits / 8, outSize = op.isPredicate ? 1 : size
    let f = swk_unary_get(level, code, type.isHalf ? SWK_T_F32 : type.swk)
    guard let f else { throw Binary.unsupported("\(op)", type) }
    Parallel.ranges(count, bytes: count &* (size &+ outSize) &* op.weight, multipleOf: 64, pool: pool) { start, end in
      var raw = parameters.raw
      if type.isHalf {
        _ = swk_unary_half(level, code, type.swk, x + start * size, out + start * outSize, end - start, &raw)
      } else {
        f(x + start * size, out + start * outSize, end - start, &raw)
      }
    }
  }

  /// `out[r, i] = op(x[r, i] + bias[i])` for i < n, a piece at a time, so that the sums don't leave the cache. float or
  /// double; `out` may be `x`.
  public static func apply(
    _ op: UnaryOperator, _ type: ElementType, _ x: UnsafeRawPointer, rows: Int, plus bias: UnsafeRawPointer, _ n: Int,
    to out: UnsafeMutableRawPointer, _ parameters: UnaryParameters = .init(), pool: ThreadPool? = nil,
    level: swk_level = .best
  ) throws {
    guard let f = swk_unary_get(level, swk_unary_op(op.rawValue), type.swk),
      let add = swk_binary_get(level, SWK_OP_ADD, type.swk), !op.isPredicate, type == .float || type == .double
    else { throw Binary.unsupported("\(op)", type) }
    let size = type.bits / 8, piece = 4096, count = rows &* n
    if count == 0 { return }
    Parallel.ranges(rows, bytes: count &* size &* 2 &* op.weight, pool: pool) { start, end in
      var raw = parameters.raw
      let most = max(1, piece / n)
      for r in stride(from: start, to: end, by: most) {
        for i in stride(from: 0, to: n, by: piece) {
          let m = min(most, end - r), width = min(piece, n - i), at = (r &* n &+ i) &* size
          var shape = swk_binary_shape(rows: m, n: width, a_row: n, b_row: 0, a_step: 1, b_step: 1)
          _ = add(x + at, bias + i &* size, out + at, &shape)
          f(out + at, out + at, m &* width, &raw)
        }
      }
    }
  }
}

extension UnaryOperator {
  /// How much more an element costs than moving it, roughly.
  fileprivate var weight: Int {
    switch self {
    case .exp, .log, .erf, .tanh, .sigmoid, .elu, .selu, .celu, .softplus, .gelu, .geluTanh, .swish, .mish: 4
    case .sin, .cos, .tan, .asin, .acos, .atan, .sinh, .cosh, .asinh, .acosh, .atanh: 16
    default: 1
    }
  }
}
