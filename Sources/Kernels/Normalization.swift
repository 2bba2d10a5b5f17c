import CKernels
import Tensors

/// Normalisations of float, double, float16 and bfloat16 tensors. Scales and biases have the type of the tensor.
public enum Normalization {
  /// LayerNormalization and RMSNormalization over the axes from `axis` on:
  /// `out` = (x - mean) / sqrt(variance + epsilon) · scale + bias; with `rms` the mean counts as 0.
  /// - Parameters:
  ///   - scale, bias: one element for each of the normalised elements, or nil.
  ///   - mean, deviation: one float (double for double tensors) a row: the mean and 1 / sqrt(variance + epsilon).
  public static func layer(
    _ type: ElementType, _ x: UnsafeRawPointer, _ shape: [Int], axis: Int, scale: UnsafeRawPointer?,
    bias: UnsafeRawPointer?, epsilon: Double, rms: Bool = false, to out: UnsafeMutableRawPointer,
    mean: UnsafeMutableRawPointer? = nil, deviation: UnsafeMutableRawPointer? = nil, pool: ThreadPool? = nil,
    level: swk_level = .best
  ) throws {
    guard axis >= 0, axis <= shape.count else { throw SwiftletError(.shape, "axis \(axis) for the shape \(shape)") }
    let rows = try Checked.count(Array(shape[..<axis])), n = try Checked.count(Array(shape[axis...]))
    if rows == 0 || n == 0 { return }
    let work: ElementType = type.isHalf ? .float : type
    let wideScale = try scale.flatMap { try Cast.converted(type, $0, to: work, n, pool: nil) }
    let wideBias = try bias.flatMap { try Cast.converted(type, $0, to: work, n, pool: nil) }
    try InFloat.run(type, x, to: out, rows &* n, "a normalisation", pool, level) { kernels, size, x, out in
      let scale = UnsafeRawPointer(wideScale?.base) ?? scale, bias = UnsafeRawPointer(wideBias?.base) ?? bias
      Parallel.ranges(rows, bytes: rows &* n &* size &* 2, pool: pool) { start, end in
        let offset = start * n * size
        kernels.normalize(
          x + offset, end - start, n, scale, bias, epsilon, rms, out + offset, mean.map { $0 + start * size },
          deviation.map { $0 + start * size })
      }
    }
    withExtendedLifetime((wideScale, wideBias)) {}
  }

  /// GroupNormalization of [N, C, ...] with `groups` dividing C: each group of channels of each image is normalised by
  /// itself, then every channel scaled and shifted. InstanceNormalization is groups = C.
  public static func group(
    _ type: ElementType, _ x: UnsafeRawPointer, _ shape: [Int], groups: Int, scale: UnsafeRawPointer,
    bias: UnsafeRawPointer, epsilon: Double, to out: UnsafeMutableRawPointer, pool: ThreadPool? = nil,
    level: swk_level = .best
  ) throws {
    guard shape.count >= 2, groups > 0, shape[1] % groups == 0 else {
      throw SwiftletError(.shape, "\(groups) groups of the channels of \(shape)")
    }
    let (images, channels) = (shape[0], shape[1]), plane = try Checked.count(Array(shape[2...]))
    if images &* channels &* plane == 0 { return }
    let work: ElementType = type.isHalf ? .float : type
    let wideScale = try Cast.converted(type, scale, to: work, channels, pool: nil)
    let wideBias = try Cast.converted(type, bias, to: work, channels, pool: nil)
    let scale = UnsafeRawPointer(wideScale?.base) ?? scale, bias = UnsafeRawPointer(wideBias?.base) ?? bias
    let runs = images &* groups, perGroup = channels / groups
    let statistics = try Allocator.system.allocate(try work.byteCount(2 &* runs &+ 2 &* images &* channels))
    try InFloat.run(type, x, to: out, images &* channels &* plane, "a normalisation", pool, level) {
      kernels, size, x, out in
      let base = statistics.base
      let n = perGroup &* plane, bytes = images &* channels &* plane &* size
      Parallel.ranges(runs, bytes: bytes, pool: pool) { start, end in
        kernels.moments(
          x + start * n * size, end - start, n, base + start * size, base + (runs + start) * size)
      }
      let factors = base + 2 * runs * size, shifts = factors + images * channels * size
      func coefficients<T: BinaryFloatingPoint & BitwiseCopyable>(_: T.Type) {
        let mean = base.assumingMemoryBound(to: T.self), factor = factors.assumingMemoryBound(to: T.self)
        let shift = shifts.assumingMemoryBound(to: T.self)
        for i in 0..<images * channels {
          let group = i / perGroup, c = i % channels
          factor[i] = scale.loadUnaligned(fromByteOffset: c * size, as: T.self)
            / (mean[runs + group] + T(epsilon)).squareRoot()
          shift[i] = bias.loadUnaligned(fromByteOffset: c * size, as: T.self) - mean[group] * factor[i]
        }
      }
      if size == 4 { coefficients(Float.self) } else { coefficients(Double.self) }
      Parallel.ranges(images * channels, bytes: bytes * 2, pool: pool) { start, end in
        kernels.affine_planes(x, start, end - start, plane, images * channels, factors, shifts, out)
      }
    }
    withExtendedLifetime((wideScale, wideBias, statistics)) {}
  }

  /// `out` = x · scale[c] + shift[c] for each channel c of [N, C, ...]; `out` may be `x`. BatchNormalization with its four
  /// vectors made into two. The vectors are of the tensor's type, float for the 16-bit floats.
  public static func affine(
    _ type: ElementType, _ x: UnsafeRawPointer, _ shape: [Int], scale: UnsafeRawPointer, shift: UnsafeRawPointer,
    to out: UnsafeMutableRawPointer, pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    guard shape.count >= 2 else { throw SwiftletError(.shape, "channels of \(shape)") }
    let (images, channels) = (shape[0], shape[1]), plane = try Checked.count(Array(shape[2...]))
    let count = images &* channels &* plane
    if count == 0 { return }
    try InFloat.run(type, x, to: out, count, "a normalisation", pool, level) { kernels, size, x, out in
      if plane == 1 {
        Parallel.ranges(images, bytes: count &* size &* 2, pool: pool) { start, end in
          let offset = start * channels * size
          kernels.affine_rows(x + offset, end - start, channels, scale, shift, out + offset)
        }
      } else {
        Parallel.ranges(images * channels, bytes: count &* size &* 2, pool: pool) { start, end in
          kernels.affine_planes(x, start, end - start, plane, channels, scale, shift, out)
        }
      }
    }
  }

  /// LRN of [N, C, ...] over windows of `size` channels; `out` is not `x`.
  public static func localResponse(
    _ type: ElementType, _ x: UnsafeRawPointer, _ shape: [Int], size: Int, alpha: Double, beta: Double, bias: Double,
    to out: UnsafeMutableRawPointer, pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    guard shape.count >= 2, size > 0 else { throw SwiftletError(.shape, "LRN over \(size) channels of \(shape)") }
    let (images, channels) = (shape[0], shape[1]), plane = try Checked.count(Array(shape[2...]))
    let count = images &* channels &* plane
    if count == 0 { return }
    try InFloat.run(type, x, to: out, count, "LRN", pool, level) { kernels, elementSize, x, out in
      Parallel.ranges(images, bytes: count &* elementSize &* 4, pool: pool) { start, end in
        for image in start..<end {
          let offset = image * channels * plane * elementSize
          kernels.lrn(x + offset, channels, plane, size, alpha, beta, bias, out + offset)
        }
      }
    }
  }

  /// LpNormalization: `out` = x divided by its p-norm (p = 1 or 2) along `axis`; 0 where that is 0. `out` is not `x`.
  public static func lp(
    _ type: ElementType, _ x: UnsafeRawPointer, _ shape: [Int], axis: Int, p: Int, to out: UnsafeMutableRawPointer,
    pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    guard p == 1 || p == 2 else { throw SwiftletError(.unsupported, "LpNormalization with p = \(p)") }
    let (outer, n, inner) = try Reduction.split(shape, axis)
    let count = outer &* n &* inner
    if count == 0 { return }
    let work: ElementType = type == .double ? .double : .float
    guard type == work || type.isHalf else { throw Binary.unsupported("LpNormalization", type) }
    let norms = try Allocator.system.allocate(try work.byteCount(outer &* inner))
    try InFloat.run(type, x, to: out, count, "LpNormalization", pool, level) { _, size, x, out in
      try Reduction.apply(
        p == 1 ? .l1 : .l2, work, x, [outer, n, inner], axes: [1], to: norms.base, pool: pool, level: level)
      func guardZeros<T: BinaryFloatingPoint>(_: T.Type) {
        let norm = norms.base.assumingMemoryBound(to: T.self)
        for i in 0..<outer * inner where norm[i] == 0 { norm[i] = 1 }
      }
      if work == .double { guardZeros(Double.self) } else { guardZeros(Float.self) }
      try Binary.apply(
        .divide, work, x, [outer, n, inner], norms.base, [outer, 1, inner], to: out, [outer, n, inner], pool: pool,
        level: level)
    }
    withExtendedLifetime(norms) {}
  }
}
