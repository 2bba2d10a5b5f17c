import Progressive
import Tensors

/// Weights as they are when only their first planes have come; what a decoder gives, without coding anything.
public struct Truncation {
  private let piece: PackSource.Piece
  private let encoding: PlaneEncoding?
  private let weights: UnsafeRawPointer

  public init(_ piece: PackSource.Piece, of source: PackSource) throws {
    self.piece = piece
    weights = UnsafeRawPointer(source.address(of: piece))
    encoding = piece.isInPlanes ? try PlanePlan.encoding(of: piece, in: source.files[piece.file], axis: nil) : nil
  }

  /// Writes the weights to `memory` with so few planes that about `target` of their energy is lost.
  /// - Returns: how much is lost, as a part of their sum of squares.
  public func write(to memory: UnsafeMutableRawPointer, losing target: Double) throws -> Double {
    // What is sent whole loses nothing.
    guard let encoding else { return 0 }
    var loss = 0.0
    for planes in 1...encoding.planeCount {
      switch piece.type {
      case .float16: loss = write(memory, encoding, planes, UInt16.self) { Double(Half.float($0)) }
      case .bfloat16: loss = write(memory, encoding, planes, UInt16.self) { Double(Float(bitPattern: UInt32($0) << 16)) }
      case .float: loss = write(memory, encoding, planes, UInt32.self) { Double(Float(bitPattern: $0)) }
      default: loss = write(memory, encoding, planes, UInt64.self) { Double(bitPattern: $0) }
      }
      if loss <= target { break }
    }
    return loss
  }

  private func write<T: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ memory: UnsafeMutableRawPointer, _ encoding: PlaneEncoding, _ planes: Int, _: T.Type, _ value: (T) -> Double
  ) -> Double {
    let mantissa = encoding.mantissa
    let exponents = (1 << encoding.exponent) - 1
    var energy = 0.0
    var lost = 0.0
    for i in 0..<piece.count {
      let u = weights.loadUnaligned(fromByteOffset: i * MemoryLayout<T>.size, as: T.self)
      let e = Int(truncatingIfNeeded: u >> T(mantissa)) & exponents
      let d = Int(encoding.tops[i / max(encoding.inner, 1) % encoding.tops.count]) - e
      var v: T = 0
      if e > 0, d >= 0, d < encoding.significance, d < planes {
        let rest = T(mantissa - min(planes - 1 - d, mantissa))
        v = rest == 0 ? u : ((u >> rest) << rest) | (1 << (rest - 1))
      }
      memory.storeBytes(of: v, toByteOffset: i * MemoryLayout<T>.size, as: T.self)
      let (x, y) = (value(u), value(v))
      if x.isFinite {
        energy += x * x
        lost += (x - y) * (x - y)
      }
    }
    return energy > 0 ? lost / energy : 0
  }
}
