import CKernels
import Tensors

/// Weights that are close to others still to come, as integers of 12 or 11 bits with a scale for each output, packed. At each
/// run inputs are rounded to integers of up to 16 bits: a product takes 0.5 to 0.7 of a float one's time, and its error
/// is small beside that of the weights.
///
/// Neighbours in a pair (see igemm.h) are half the input channels apart.
final class FixedPointWeights: @unchecked Sendable {
  /// Rows of the product that has `width` of them in a panel.
  let outputs: Int
  /// Input channels.
  let channels: Int
  let taps: Int
  /// Pairs of an output: `taps` times `channelPairs`.
  let units: Int
  let blockK: Int
  let table: UnsafePointer<swk_gemm_table>
  let panels: AlignedMemory
  /// The largest magnitude that an input's integers may have, so that no sum leaves 32 bits.
  let inputMost: Float
  var channelPairs: Int { channels / 2 + channels % 2 }
  var scales: UnsafePointer<Float> { UnsafePointer(scaleMemory.start.assumingMemoryBound(to: Float.self)) }
  /// Bytes held.
  var bytes: Int { panels.bytes + scaleMemory.bytes }
  static let kernelName = "fixed point"

  private let scaleMemory: AlignedMemory
  private let pairs: UnsafePointer<swk_pairs_table>
  /// What weights' integers have at most: the first for which inputs needn't be too coarse.
  private static let weightMosts: [Float] = [2047, 1023]
  private static let leastInputMost: Float = 2047

  /// Whether a product is faster in all kernels: with fewer weights rounding inputs and scaling sums take too much of it.
  static func suits(depth: Int, outputs: Int) -> Bool { depth >= 64 && outputs >= 32 }

  /// - Parameter weights: floats as the float kernels take them; k = tap * channels + channel.
  /// - Parameter side: of the product.
  /// - Returns: nil if inputs had to be too coarse, or if there is a weight that isn't finite.
  static func make(
    _ weights: swk_operand, _ side: PackedMatrix.Side, outputs: Int, channels: Int, taps: Int = 1,
    level: swk_level = .best, pool: ThreadPool?
  ) throws -> FixedPointWeights? {
    for most in weightMosts {
      let made = try FixedPointWeights(
        weights, side, outputs: outputs, channels: channels, taps: taps, most: most, level: level, pool: pool)
      if made.inputMost >= leastInputMost { return made }
    }
    return nil
  }

  private init(
    _ weights: swk_operand, _ side: PackedMatrix.Side, outputs: Int, channels: Int, taps: Int, most: Float,
    level: swk_level, pool: ThreadPool?
  ) throws {
    let table = try IntegerGemm.kernels(level)
    guard let floats = swk_gemm_f32(level), let pairs = swk_pairs(level), outputs >= 0, channels >= 0, taps >= 0 else {
      throw SwiftletError.invalid("no kernels for this processor")
    }
    (self.outputs, self.channels, self.taps, self.table, self.pairs) = (outputs, channels, taps, table, pairs)
    let half = channels / 2, odd = channels % 2
    let units = try Checked.multiply(half + odd, taps), depth = try Checked.multiply(channels, taps)
    let width = Int(side == .a ? table.pointee.mr : table.pointee.nr)
    let padded = try Checked.multiply(try Checked.add(outputs, width - 1) / width, width)
    let blockK = swk_gemm_block_k(units, table.pointee.kc)
    (self.units, self.blockK) = (units, blockK)
    panels = try AlignedMemory(bytes: try Checked.count([padded, units, 4]))
    scaleMemory = try AlignedMemory(bytes: try Checked.multiply(padded, 4))
    let scratchBytes = try Checked.multiply(width, try Checked.multiply(try Checked.add(depth, units), 4))
    let scratch = try AlignedMemory(bytes: try Checked.multiply(scratchBytes, pool?.width ?? 1))
    let sums = try AlignedMemory(bytes: try Checked.multiply(padded, 8))
    let scales = scaleMemory.start.assumingMemoryBound(to: Float.self)
    let magnitudes = sums.start.assumingMemoryBound(to: UInt64.self)
    let start = panels.start
    func pack(_ panel: Int, _ worker: Int) {
      let first = panel &* width, count = min(width, outputs &- first)
      let from = (scratch.start + worker &* scratchBytes).assumingMemoryBound(to: Float.self)
      let to = UnsafeMutableRawPointer(from + width &* depth).assumingMemoryBound(to: Int32.self)
      var operand = weights
      floats.pointee.pack(&operand, width, first, count, 0, depth, from)
      for i in 0..<count {
        let row = to + i &* units
        let (factor, scale) = Self.factor(pairs.pointee.largest(from + i, width, depth), most: most)
        for tap in 0..<taps {
          let low = from + tap &* channels &* width + i, out = row + tap &* (half &+ odd)
          pairs.pointee.join(low, low + (half &+ odd) &* width, width, half, factor, out)
          if odd != 0 { Self.joinLast(pairs, low + half &* width, factor, out + half) }
        }
        scales[first &+ i] = scale
        magnitudes[first &+ i] = pairs.pointee.sum(row, units)
      }
      operand = swk_operand()
      operand.data = UnsafeRawPointer(to)
      operand.type = SWK_S32
      (operand.stride, operand.k_stride) = (units, 1)
      for k0 in stride(from: 0, to: units, by: blockK) {
        let kc = min(blockK, units &- k0)
        table.pointee.pack(&operand, width, 0, count, k0, kc, start + (k0 &* padded &+ first &* kc) &* 4)
      }
    }
    let count = depth == 0 ? 0 : padded / width
    if let pool { pool.parallel(count, pack) } else { for panel in 0..<count { pack(panel, 0) } }
    var largest: UInt64 = 32767
    for i in 0..<(depth == 0 ? 0 : outputs) {
      largest = scales[i].isFinite ? min(largest, UInt64(Int32.max) / max(magnitudes[i], 1)) : 0
    }
    inputMost = Float(largest)
  }

  /// What numbers of at most `largest` are multiplied by to become integers of at most `most`, and what undoes that.
  private static func factor(_ largest: Float, most: Float) -> (factor: Float, scale: Float) {
    guard largest.isFinite else { return (0, .nan) }
    return largest > 1e-30 ? (most / largest, largest / most) : (0, 0)
  }

  private static func joinLast(
    _ pairs: UnsafePointer<swk_pairs_table>, _ low: UnsafePointer<Float>, _ factor: Float, _ out: UnsafeMutablePointer<Int32>
  ) {
    var zero: Float = 0
    pairs.pointee.join(low, &zero, 1, 1, factor, out)
  }

  /// Rounds a row of `channels` inputs to as many pairs as it takes.
  /// - Returns: its scale; NaN if one isn't finite.
  func round(_ x: UnsafePointer<Float>, stride: Int, to out: UnsafeMutablePointer<Int32>) -> Float {
    let half = channels / 2, odd = channels % 2
    let (factor, scale) = Self.factor(pairs.pointee.largest(x, stride, channels), most: inputMost)
    pairs.pointee.join(x, x + (half &+ odd) &* stride, stride, half, factor, out)
    if odd != 0 { Self.joinLast(pairs, x + half &* stride, factor, out + half) }
    return scale
  }

  /// Rounds `images` images [channels][plane], each with a scale of its own.
  /// - Parameter scales: `images`, then room for as many planes.
  func round(
    _ x: UnsafePointer<Float>, images: Int, plane: Int, to out: UnsafeMutablePointer<Int32>,
    scales: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let half = channels / 2, odd = channels % 2, largest = scales + images
    let grain = max(1, 65536 / max(plane, 1))
    pool.parallel(over: images &* channels, grain: grain) { planes in
      for p in planes { largest[p] = pairs.pointee.largest(x + p &* plane, 1, plane) }
    }
    for image in 0..<images {
      var most: Float = 0
      for channel in 0..<channels {
        let here = largest[image &* channels &+ channel]
        most = here <= most ? most : here
        if here.isNaN { break }
      }
      scales[image] = Self.factor(most, most: inputMost).scale
      largest[image] = Self.factor(most, most: inputMost).factor
    }
    pool.parallel(over: images &* (half &+ odd), grain: grain) { range in
      for p in range {
        let image = p / (half &+ odd), channel = p % (half &+ odd)
        let low = x + (image &* channels &+ channel) &* plane, to = out + p &* plane
        let isPair = channel < half
        // An odd channel is its own partner, whose weights are 0.
        pairs.pointee.join(low, isPair ? low + (half &+ odd) &* plane : low, 1, plane, largest[image], to)
      }
    }
  }
}

/// A matrix product with such weights on the right.
struct FixedPointProduct {
  private let weights: FixedPointWeights
  private let x: UnsafePointer<Float>
  private let rowStride: Int
  private let columnStride: Int
  private let m: Int
  private let batch: GemmBatch?
  private let product: BlockedProduct
  private let batchCount: Int
  private let residual: UnsafeRawPointer?

  init(
    _ weights: FixedPointWeights, _ x: UnsafePointer<Float>, rowStride: Int, columnStride: Int, m: Int,
    epilogue: swk_epilogue, batch: GemmBatch?
  ) throws {
    (self.weights, self.x, self.rowStride, self.columnStride, self.m) = (weights, x, rowStride, columnStride, m)
    self.batch = batch
    residual = epilogue.residual
    batchCount = try Checked.count(batch?.sizes ?? [])
    _ = try Checked.count([m, weights.units, 4])
    var a = swk_operand(), b = swk_operand(), epilogue = epilogue
    a.type = SWK_S32
    (a.stride, a.k_stride) = (weights.units, 1)
    b.packed = UnsafeRawPointer(weights.panels.start)
    epilogue.column_scales = weights.scales
    product = try BlockedProduct(
      m: m, n: weights.outputs, units: weights.units, a: a, b: b, epilogue: epilogue, batch: nil,
      elementBytes: (4, 4, 4), table: weights.table, holding: [])
  }

  private var pairBytes: Int { (m &* weights.units &* 4 &+ 63) & ~63 }
  private var scaleBytes: Int { (m &* 4 &+ 63) & ~63 }

  func scratchBytes(width: Int) -> Int { pairBytes + scaleBytes + product.scratchBytes(width: width) }

  func run(_ c: UnsafeMutablePointer<Float>, rowStride ldc: Int, pool: ThreadPool, scratch: UnsafeMutableRawPointer) {
    let pairs = scratch.assumingMemoryBound(to: Int32.self), units = weights.units
    let scales = (scratch + pairBytes).assumingMemoryBound(to: Float.self)
    for member in 0..<batchCount {
      let at = batch?.offsets(of: member) ?? (a: 0, b: 0, c: 0, residual: 0)
      pool.parallel(over: m, grain: max(1, 32768 / max(units, 1))) { rows in
        for row in rows {
          scales[row] = weights.round(x + (at.a &+ row &* rowStride), stride: columnStride, to: pairs + row &* units)
        }
      }
      var product = product
      product.problem.a.data = UnsafeRawPointer(pairs)
      product.problem.epilogue.row_scales = UnsafePointer(scales)
      product.problem.epilogue.residual = residual.map { $0 + at.residual &* 4 }
      product.run(
        UnsafeMutableRawPointer(c + at.c), rowStride: ldc, pool: pool, scratch: scratch + pairBytes + scaleBytes)
    }
  }
}
