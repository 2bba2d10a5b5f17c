import CKernels
import Testing

@testable import Kernels

@Suite struct ProductsOfVectorsAndRows {
  @Test(arguments: [(1, 1, 1), (1, 9, 64), (4, 5, 128), (5, 33, 80), (8, 2, 3), (11, 7, 37)])
  func agreeWithPlainLoops(vectors: Int, count: Int, size: Int) {
    var random = Generator(seed: UInt64(vectors * 1000 + count * 10 + size))
    let xStride = size + 3, stride = size + 1, outStride = count + 2
    let x: [Float] = random.reals(vectors * xStride), rows: [Float] = random.reals(count * stride)
    for level in levels {
      let products = RowProducts(size: size, level: level)
      var scores = [Float](repeating: 9, count: vectors * outStride)
      products.dots(
        x, stride: xStride, vectors: vectors, rows: rows, stride: stride, count: count, scale: 0.5, to: &scores,
        stride: outStride)
      for v in 0..<vectors {
        for j in 0..<outStride {
          let sum = j < count ? (0..<size).reduce(Float(0)) { $0 + x[v * xStride + $1] * rows[j * stride + $1] } / 2 : 9
          #expect(abs(scores[v * outStride + j] - sum) < 1e-4)
        }
      }
      var sums = x
      products.mix(
        scores, stride: outStride, vectors: vectors, rows: rows, stride: stride, count: count, to: &sums,
        stride: xStride)
      for v in 0..<vectors {
        for d in 0..<xStride {
          var sum = x[v * xStride + d]
          if d < size { for j in 0..<count { sum += scores[v * outStride + j] * rows[j * stride + d] } }
          #expect(abs(sums[v * xStride + d] - sum) < 1e-4)
        }
      }
    }
  }
}
