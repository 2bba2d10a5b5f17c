import CKernels
import Tensors

/// 8-bit integers less their zero points, as floats: what products with sparse weights read.
enum WidenedIntegers {
  /// Of `rows` rows of `count` elements each, with one zero point for all, or one of their type for each row.
  static func widen(
    _ data: UnsafeRawPointer, signed: Bool, rows: Int, count: Int, rowStride: Int, columnStride: Int, zero: Int32,
    zeros: UnsafeRawPointer?, to floats: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let type: ElementType = signed ? .int8 : .uint8
    guard count > 0, let contiguous = swk_dequantize_get(.best, type.swk) else { return }
    func value(_ data: UnsafeRawPointer, _ at: Int) -> Int32 {
      signed ? Int32(data.load(fromByteOffset: at, as: Int8.self)) : Int32(data.load(fromByteOffset: at, as: UInt8.self))
    }
    pool.parallel(over: rows, grain: max(1, 16384 / count)) { range in
      for row in range {
        let from = data + row &* rowStride, to = floats + row &* count
        var point = zeros.map { value($0, row) } ?? zero
        if columnStride == 1 {
          var one: Float = 1
          withUnsafePointer(to: &one) { scale in
            withUnsafePointer(to: &point) { point in
              var scales = swk_scales(scale: scale, zero: point, step: 0)
              contiguous(from, to, count, &scales)
            }
          }
        } else {
          for i in 0..<count { to[i] = Float(value(from, i &* columnStride) &- point) }
        }
      }
    }
  }

  /// Bytes that `count` floats take at the start of a scratch.
  static func bytes(_ count: Int) -> Int { (count &* 4 &+ 63) & ~63 }
}

/// A matrix product of 8-bit integers with sparse weights on the right; exact, see `SparseSource.isExactInFloat`.
struct SparseIntegerProduct {
  private let product: SparseProduct
  private let m: Int
  private let k: Int
  private let widen: (UnsafeMutablePointer<Float>, ThreadPool) -> Void

  init(_ weights: SparseWeights, m: Int, n: Int, k: Int, a: IntegerGemm.Operand) throws {
    guard case .strided(let data, let signed, let rowStride, let columnStride, let zero, let zeros) = a,
      weights.rows == n, weights.k == k, weights.packed.type == SWK_S8, m >= 0
    else { throw SwiftletError.invalid("a packed matrix doesn't fit the product") }
    _ = try Checked.count([m, k, 4])
    (self.m, self.k) = (m, k)
    widen = {
      WidenedIntegers.widen(
        data, signed: signed, rows: m, count: k, rowStride: rowStride, columnStride: columnStride, zero: zero,
        zeros: zeros, to: $0, pool: $1)
    }
    var x = swk_operand(), epilogue = swk_epilogue()
    x.type = SWK_F32
    (x.stride, x.k_stride) = (k, 1)
    epilogue.alpha = 1
    product = try SparseProduct(weights, x: x, n: m, transposed: true, epilogue: epilogue, count: 1)
  }

  func scratchBytes(width: Int) -> Int { WidenedIntegers.bytes(m * k) + product.scratchBytes(width: width) }

  func run(_ c: UnsafeMutableRawPointer, rowStride: Int, pool: ThreadPool, scratch: UnsafeMutableRawPointer) {
    let floats = scratch.assumingMemoryBound(to: Float.self)
    widen(floats, pool)
    product.run(
      UnsafeRawPointer(floats), c, ldc: rowStride, pool: pool, scratch: scratch + WidenedIntegers.bytes(m * k))
  }
}
