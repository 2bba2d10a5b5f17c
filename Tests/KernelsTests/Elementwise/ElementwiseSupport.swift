import Kernels
import Tensors

extension Generator {
  mutating func floats(_ count: Int, in range: ClosedRange<Float> = -4...4) -> [Float] {
    (0..<count).map { _ in Float.random(in: range, using: &self) }
  }
}

/// Values at which functions go wrong.
let specialFloats: [Float] = [
  0, -0.0, 1, -1, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, .leastNormalMagnitude,
  .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 0.5, -0.5, 1.5, 2.5, -2.5, 88.7, -88.7, -103.9, 20, 1e-20,
]

func product(_ shape: [Int]) -> Int { shape.reduce(1, *) }

/// The position in a tensor of `shape`, broadcast to `outShape`, of the element `i` of the result.
func sourceIndex(_ i: Int, _ shape: [Int], _ outShape: [Int]) -> Int {
  var rest = i, index = 0, stride = 1
  for k in outShape.indices.reversed() {
    let position = rest % outShape[k]
    rest /= outShape[k]
    let s = k - (outShape.count - shape.count)
    if s >= 0 {
      if shape[s] != 1 { index += position * stride }
      stride *= shape[s]
    }
  }
  return index
}

/// The same bits, or both NaN.
func same(_ a: Float, _ b: Float) -> Bool { a.isNaN ? b.isNaN : a.bitPattern == b.bitPattern }

/// Runs `body` with room for `count` values and returns them.
func output<T: BitwiseCopyable>(_ count: Int, of zero: T, _ body: (UnsafeMutableRawPointer) throws -> Void) rethrows -> [T] {
  var out = [T](repeating: zero, count: count)
  try out.withUnsafeMutableBytes { try body($0.baseAddress ?? UnsafeMutableRawPointer(bitPattern: 64)!) }
  return out
}
