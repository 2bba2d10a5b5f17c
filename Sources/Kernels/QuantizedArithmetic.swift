import CKernels
import Tensors

/// Arithmetic of uint8 and int8 tensors that stand for scale * (x - zero).
public enum QuantizedArithmetic {
  /// A scale and a zero point for a whole tensor.
  public struct Parameters: Sendable {
    public var scale: Float
    public var zero: Int32

    public init(scale: Float, zero: Int32) {
      self.scale = scale
      self.zero = zero
    }
  }

  /// `out` = a + b, or a * b if `multiplies`, broadcast to `outShape`; `out` may be an operand that isn't broadcast.
  public static func apply(
    multiplies: Bool, _ type: ElementType, _ a: UnsafeRawPointer, _ aShape: [Int], _ aIs: Parameters,
    _ b: UnsafeRawPointer, _ bShape: [Int], _ bIs: Parameters, to out: UnsafeMutableRawPointer, _ outShape: [Int],
    _ outIs: Parameters, pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    let kernel = multiplies ? swk_quantized_multiply_get(level, type.swk) : swk_quantized_add_get(level, type.swk)
    guard let kernel else { throw Binary.unsupported("quantised arithmetic", type) }
    var p = swk_quantized_binary(
      a: aIs.scale / outIs.scale, b: bIs.scale / outIs.scale, a_zero: aIs.zero, b_zero: bIs.zero, zero: outIs.zero)
    if multiplies { p.a = aIs.scale * bIs.scale / outIs.scale }
    let parameters = p
    _ = try Binary.run(a, aShape, 1, b, bShape, 1, out, outShape, 1, pool: pool) { a, b, out, shape in
      var p = parameters
      kernel(a, b, out, shape, &p)
      return 0
    }
  }

  /// y[i] = table[x[i]], for functions of one number of 8 bits; `table` has 256 elements. y may be x.
  public static func lookup(
    _ x: UnsafePointer<UInt8>, to y: UnsafeMutablePointer<UInt8>, _ count: Int, _ table: [UInt8], pool: ThreadPool? = nil,
    level: swk_level = .best
  ) throws {
    guard table.count == 256 else { throw SwiftletError(.internal, "a table of \(table.count) bytes") }
    guard let kernel = swk_lookup_get(level) else { throw SwiftletError(.internal, "no lookup") }
    table.withUnsafeBufferPointer { table in
      Parallel.ranges(count, bytes: count &* 4, multipleOf: 64, pool: pool) { start, end in
        kernel(x + start, y + start, end - start, table.baseAddress)
      }
    }
  }
}
