import CKernels
import Glibc
import Progressive
import Tensors

/// Chooses how a tensor is cut into planes and steps.
public enum PlanePlan {
  /// Weights of a segment: 512 KB of float32, so that a segment stays in a core's cache while it is refined.
  static let segmentLength = 1 << 17
  /// Weights that are looked at before their memory is given back.
  private static let blockLength = 1 << 20

  /// How many weights have each exponent, by channel.
  struct Exponents {
    var tops: [UInt16]
    /// Weights by the plane at which they become significant; the last entry has all that are smaller.
    var planes: [Int]
    /// Weights that are neither zero nor without a plane.
    var weights: Int
    /// Others that aren't zero: subnormal ones, infinities, NaN, -0.
    var others: Int

    /// So many planes that next to nothing is left that has to be sent as it is.
    var significance: Int {
      var result = 1
      var left = weights - planes[0]
      while result < 40, left > weights >> 11 {
        left -= planes[result]
        result += 1
      }
      return result
    }
  }

  /// - Parameter axis: the axis whose positions have a top exponent each; nil: one for the tensor.
  public static func encoding(
    of piece: PackSource.Piece, in file: PackSource.File, axis: Int?
  ) throws -> PlaneEncoding {
    guard let bits = PlaneEncoding.bits(of: piece.type) else { throw SwiftletError(.internal, "\(piece.type.name) has no planes") }
    let e = exponents(piece, file, axis, bits)
    let significance = e.significance
    return try PlaneEncoding(
      type: piece.type, shape: piece.shape, significance: significance, segmentLength: segmentLength,
      steps: steps(significance, bits.mantissa, e, piece.count), axis: axis, tops: e.tops)
  }

  /// About the bytes that a tensor takes: the entropy of the planes at which weights become significant, signs, mantissas.
  static func estimatedBytes(of piece: PackSource.Piece, in file: PackSource.File) throws -> Double {
    guard let bits = PlaneEncoding.bits(of: piece.type) else { throw SwiftletError(.internal, "\(piece.type.name) has no planes") }
    let e = exponents(piece, file, nil, bits)
    let planes = e.planes[..<e.significance]
    let significant = planes.reduce(0, +)
    let literals = e.weights - significant + e.others
    let entropy = (planes + [literals, piece.count - e.weights - e.others]).filter { $0 > 0 }.reduce(0.0) {
      $0 + Double($1) * log2(Double(piece.count) / Double($1))
    }
    let raw = Double(significant * (1 + bits.mantissa)) + Double(literals * (1 + bits.mantissa + bits.exponent))
    return (entropy + raw) / 8
  }

  /// The planes of each step: a first one of several planes, until some of the weights are significant; then single planes
  /// while they make a difference; then ever more, so that decoding all is fast.
  private static func steps(_ significance: Int, _ mantissa: Int, _ e: Exponents, _ count: Int) -> [Int] {
    let planes = significance + mantissa
    var first = 1
    var significant = e.planes[0]
    while first < significance, significant < count / 32 {
      significant += e.planes[first]
      first += 1
    }
    let then = count < 1 << 12 ? [1, 1, 2, 2, 3, 4] : [1, 1, 1, 1, 1, 1, 2, 3]
    var steps = [min(first, planes)]
    var left = planes - steps[0]
    for n in then where left > n + 2 {
      steps.append(n)
      left -= n
    }
    return left > 0 ? steps + [left] : steps
  }

  private static func exponents(
    _ piece: PackSource.Piece, _ file: PackSource.File, _ axis: Int?, _ bits: (mantissa: Int, exponent: Int)
  ) -> Exponents {
    let channels = axis.map { piece.shape[$0] } ?? 1
    let inner = axis.map { piece.shape[($0 + 1)...].reduce(1, *) } ?? piece.count
    let most = (1 << bits.exponent) - 1
    var others = 0
    var counts = [Int](repeating: 0, count: channels * (most + 1))
    func count<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) {
      let first = piece.range.lowerBound
      counts.withUnsafeMutableBufferPointer { counts in
        for outer in stride(from: 0, to: piece.count, by: channels * inner) {
          for channel in 0..<channels {
            let end = outer + (channel + 1) * inner
            for start in stride(from: outer + channel * inner, to: end, by: blockLength) {
              let width = MemoryLayout<T>.size
              let stop = min(start + blockLength, end)
              for i in start..<stop {
                let u = file.bytes.base.loadUnaligned(fromByteOffset: first + i * width, as: T.self)
                let e = Int(truncatingIfNeeded: u >> T(bits.mantissa)) & most
                counts[channel * (most + 1) + e] += 1
                if e == most || (e == 0 && u != 0) { others += 1 }
              }
              file.forget(first + start * width..<first + stop * width)
            }
          }
        }
      }
    }
    switch bits.mantissa + bits.exponent + 1 {
    case 16: count(UInt16.self)
    case 32: count(UInt32.self)
    default: count(UInt64.self)
    }
    var result = Exponents(tops: [], planes: Array(repeating: 0, count: 64), weights: 0, others: others)
    for channel in 0..<channels {
      let row = counts[channel * (most + 1)..<(channel + 1) * (most + 1)]
      let top = (1..<most).last { row[row.startIndex + $0] > 0 } ?? 0
      result.tops.append(UInt16(top))
      for e in 1..<max(top + 1, 2) where row[row.startIndex + e] > 0 {
        result.planes[min(top - e, 63)] += row[row.startIndex + e]
        result.weights += row[row.startIndex + e]
      }
    }
    return result
  }
}
