import CKernels
import Tensors

/// Where the elements of a resized axis come from.
public struct AxisSampling: Sendable {
  /// Elements of the axis before and after.
  public let input: Int
  public let output: Int
  /// Source elements that each result is a sum of.
  public let taps: Int
  /// By tap, then by result: [taps, output].
  fileprivate let index: [Int32]
  fileprivate let weights: [Double]
  /// Results that lie outside of the source and get the fill value.
  fileprivate let outside: [Bool]?

  /// - Parameters:
  ///   - indices: for each result its `taps` source elements in [0, input); the first is negative outside of the source.
  ///   - weights: as many; ignored by `nearest`.
  public init(input: Int, taps: Int, indices: [Int], weights: [Double]) throws {
    guard taps > 0, indices.count % taps == 0, weights.count == indices.count, input <= Int(Int32.max),
      indices.allSatisfy({ $0 < input })
    else { throw SwiftletError(.internal, "\(indices.count) indices of \(taps) taps for an axis of \(input)") }
    let output = indices.count / taps
    var index = [Int32](repeating: 0, count: indices.count), weight = [Double](repeating: 0, count: indices.count)
    for j in 0..<output {
      for k in 0..<taps {
        index[k * output + j] = Int32(max(indices[j * taps + k], 0))
        weight[k * output + j] = weights[j * taps + k]
      }
    }
    let outside = (0..<output).map { indices[$0 * taps] < 0 }
    self.input = input
    self.output = output
    self.taps = taps
    self.index = index
    self.weights = weight
    self.outside = outside.contains(true) ? outside : nil
  }
}

public enum Resample {
  /// Resizes one axis of `x`, seen as [outer, axis.input, inner]: each element of `out`, [outer, axis.output, inner], is a
  /// weighted sum of `axis.taps` elements, or `fill`. float or double; `out` is not `x`.
  public static func interpolate(
    _ type: ElementType, _ x: UnsafeRawPointer, outer: Int, _ axis: AxisSampling, inner: Int,
    to out: UnsafeMutableRawPointer, fill: Double = 0, pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    guard let table = swk_resample_get(level, type.swk) else { throw Binary.unsupported("interpolation", type) }
    let kernels = table.pointee, size = type.bits / 8, n = axis.output
    let bytes = outer &* n &* inner &* size &* axis.taps
    if bytes == 0 { return }
    func run<T: BinaryFloatingPoint>(_: T.Type) {
      let weights = axis.weights.map { T($0) }, fill = T(fill)
      weights.withUnsafeBufferPointer { weights in
        axis.index.withUnsafeBufferPointer { index in
          guard let weight = weights.baseAddress, let index = index.baseAddress else { return }
          nonisolated(unsafe) let (w, i) = (weight, index)
          if inner == 1 {
            Parallel.ranges(outer, bytes: bytes, pool: pool) { start, end in
              let to = out + start * n * size
              kernels.row(x + start * axis.input * size, to, end - start, axis.input, n, axis.taps, i, w)
              guard let outside = axis.outside else { return }
              let result = to.assumingMemoryBound(to: T.self)
              for k in 0..<(end - start) * n where outside[k % n] { result[k] = fill }
            }
            return
          }
          Parallel.ranges(outer * n, bytes: bytes, pool: pool) { start, end in
            for row in start..<end {
              let j = row % n, to = out + row * inner * size
              if axis.outside?[j] == true {
                to.assumingMemoryBound(to: T.self).update(repeating: fill, count: inner)
              } else {
                kernels.column(x + row / n * axis.input * inner * size, to, inner, axis.taps, n, i + j, w + j)
              }
            }
          }
        }
      }
    }
    if type == .float { run(Float.self) } else { run(Double.self) }
  }

  /// Takes one element of `x` for each of `out`: along each axis the first tap of its sampling; nil: the axis stays.
  /// `fill` points to the element for what is outside of the source.
  public static func nearest(
    _ x: UnsafeRawPointer, _ shape: [Int], _ axes: [AxisSampling?], to out: UnsafeMutableRawPointer, elementSize: Int,
    fill: UnsafeRawPointer, pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    guard let table = swk_movement_get(level, elementSize) else {
      throw SwiftletError(.unsupported, "elements of \(elementSize) bytes")
    }
    guard axes.count == shape.count else { throw SwiftletError(.internal, "\(axes.count) axes for \(shape)") }
    let kernels = table.pointee
    // Axes that stay at the end are moved as runs.
    let kept = axes.reversed().prefix { $0 == nil }.count
    let run = try Checked.count(Array(shape.suffix(kept))), rank = shape.count - kept
    guard rank > 0 else { return out.copyMemory(from: x, byteCount: run &* elementSize) }
    let outShape = (0..<rank).map { axes[$0]?.output ?? shape[$0] }
    if try Checked.count(outShape) &* run == 0 { return }
    let strides = Broadcast.strides(of: Array(shape[..<rank]))
    let last = axes[rank - 1], n = outShape[rank - 1], rows = outShape.dropLast().reduce(1, &*)
    let rowBytes = n &* run &* elementSize
    let columns = (0..<n).map { j in last.map { Int64($0.index[j]) } ?? Int64(j) }
    Parallel.ranges(rows, bytes: rows &* rowBytes &* 2, pool: pool) { start, end in
      var previous = -1
      for row in start..<end {
        var rest = row, place = 0, isOutside = false
        for a in (0..<rank - 1).reversed() {
          let j = rest % outShape[a]
          rest /= outShape[a]
          if axes[a]?.outside?[j] == true { isOutside = true }
          place &+= (axes[a].map { Int($0.index[j]) } ?? j) &* strides[a]
        }
        let to = out + row * rowBytes
        if isOutside {
          kernels.copy(to, 0, 1, fill, 0, 0, 1, n * run)
        } else if place == previous {
          to.copyMemory(from: to - rowBytes, byteCount: rowBytes)
        } else {
          let from = x + place * run * elementSize
          if run == 1 {
            kernels.gather(to, from, columns, 1, 0, n)
          } else {
            swk_gather_rows(to, from, columns, 1, 0, n, run * elementSize)
          }
          if let outside = last?.outside {
            for j in 0..<n where outside[j] { kernels.copy(to + j * run * elementSize, 0, 1, fill, 0, 0, 1, run) }
          }
        }
        previous = isOutside ? -1 : place
      }
    }
  }

  /// Weighted sums at single points, the same for all of `planes` planes of `plane` elements:
  /// `out[p, j] = Σ_k weights[k, j] · x[p, index[k, j]]` for j < points, k < taps. float or double.
  public static func points(
    _ type: ElementType, _ x: UnsafeRawPointer, planes: Int, plane: Int, points: Int, taps: Int,
    index: UnsafePointer<Int32>, weights: UnsafeRawPointer, to out: UnsafeMutableRawPointer, level: swk_level = .best
  ) throws {
    guard let table = swk_resample_get(level, type.swk) else { throw Binary.unsupported("interpolation", type) }
    table.pointee.row(x, out, planes, plane, points, taps, index, weights)
  }
}
