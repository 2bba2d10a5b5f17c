import CKernels
import Tensors

/// Dense weights with zeros: element (row, k) is data[row * rowStride + k * kStride]; rows are output channels.
struct SparseSource {
  let data: UnsafeRawPointer
  let type: swk_type
  let rows: Int
  let k: Int
  let rowStride: Int
  let kStride: Int
  private var zero: Int32 = 0
  private var zeros: UnsafeRawPointer?

  init(data: UnsafeRawPointer, type: PackedMatrix.Source, rows: Int, k: Int, rowStride: Int, kStride: Int) {
    (self.data, self.type, self.rows, self.k, self.rowStride, self.kStride) = (data, type.c, rows, k, rowStride, kStride)
  }

  /// 8-bit integers less their zero points: one for each row, of the same type, or `zero`.
  init(
    integers data: UnsafeRawPointer, signed: Bool, zero: Int32, zeros: UnsafeRawPointer?, rows: Int, k: Int,
    rowStride: Int, kStride: Int
  ) {
    (self.data, type, self.rows, self.k, self.rowStride, self.kStride) = (
      data, signed ? SWK_S8 : SWK_U8, rows, k, rowStride, kStride
    )
    (self.zero, self.zeros) = (zero, zeros)
  }

  var c: swk_sparse_source {
    swk_sparse_source(
      data: data, type: type, stride: rowStride, k_stride: kStride, scale: nil, zero: zero, zeros: zeros)
  }

  var isIntegers: Bool { type == SWK_S8 || type == SWK_U8 }

  /// Can float hold each sum of products with 8-bit integers less a zero point, in whatever order?
  var isExactInFloat: Bool {
    guard isIntegers else { return true }
    var c = c
    return (0..<rows).allSatisfy { swk_sparse_reach(&c, $0, k) <= (1 << 24) / 255 }
  }

  /// A quick look at some elements: could there be enough zeros?
  var seemsSparse: Bool {
    guard rows >= 8, k >= 8, type != SWK_F64 else { return false }
    let (rowStep, kStep) = (max(1, rows / 16), max(1, k / 64))
    var (seen, zeros) = (0, 0)
    for row in stride(from: 0, to: rows, by: rowStep) {
      for i in stride(from: row % kStep, to: k, by: kStep) {
        seen += 1
        zeros += isZero(row, i) ? 1 : 0
      }
    }
    return zeros &* 5 >= seen
  }

  private func isZero(_ row: Int, _ i: Int) -> Bool {
    let at = row &* rowStride &+ i &* kStride
    switch type {
    case SWK_F32: return data.loadUnaligned(fromByteOffset: at &* 4, as: Float.self) == 0
    case SWK_S8, SWK_U8: return byte(data, at) == (zeros.map { byte($0, row) } ?? zero)
    default: return data.loadUnaligned(fromByteOffset: at &* 2, as: UInt16.self) & 0x7fff == 0
    }
  }

  private func byte(_ data: UnsafeRawPointer, _ at: Int) -> Int32 {
    type == SWK_S8 ? Int32(data.load(fromByteOffset: at, as: Int8.self)) : Int32(data.load(fromByteOffset: at, as: UInt8.self))
  }
}
