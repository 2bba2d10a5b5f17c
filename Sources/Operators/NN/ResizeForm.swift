import Kernels
import Tensors

/// Resize's attributes, and the positions and weights along one axis that follow from them.
struct ResizeForm: Sendable {
  enum Mode { case nearest, linear, cubic }
  enum Transformation {
    case halfPixel, halfPixelSymmetric, pytorchHalfPixel, alignCorners, asymmetric, tfHalfPixelForNN, tfCropAndResize
  }
  enum Nearest { case roundPreferFloor, roundPreferCeil, floor, ceil, simple }

  let mode: Mode
  let transformation: Transformation
  let nearest: Nearest
  let cubic: Double
  let excludesOutside: Bool
  let extrapolation: Double
  let antialias: Bool

  /// For each output position the input positions and their weights, `taps` of each; a negative position: outside, the
  /// extrapolation value is due.
  struct AxisMap: Sendable {
    var taps: Int
    var indices: [Int]
    var weights: [Double]
  }

  init(_ c: some NodeReading) throws {
    switch try c.string("mode") {
    case "nearest": mode = .nearest
    case "linear", "bilinear", "trilinear": mode = .linear
    case "cubic": mode = .cubic
    case let other: throw SwiftletError(.invalidModel, "mode is '\(other)'")
    }
    // Before version 11: no choice.
    switch try c.optionalString("coordinate_transformation_mode") ?? "asymmetric" {
    case "half_pixel": transformation = .halfPixel
    case "half_pixel_symmetric": transformation = .halfPixelSymmetric
    case "pytorch_half_pixel": transformation = .pytorchHalfPixel
    case "align_corners": transformation = .alignCorners
    case "asymmetric": transformation = .asymmetric
    case "tf_half_pixel_for_nn": transformation = .tfHalfPixelForNN
    case "tf_crop_and_resize": transformation = .tfCropAndResize
    case let other: throw SwiftletError(.invalidModel, "coordinate_transformation_mode is '\(other)'")
    }
    switch try c.optionalString("nearest_mode") ?? "simple" {
    case "round_prefer_floor", "": nearest = .roundPreferFloor
    case "round_prefer_ceil": nearest = .roundPreferCeil
    case "floor": nearest = .floor
    case "ceil": nearest = .ceil
    case "simple": nearest = .simple
    case let other: throw SwiftletError(.invalidModel, "nearest_mode is '\(other)'")
    }
    cubic = Double(try c.optionalFloat("cubic_coeff_a") ?? -0.75)
    excludesOutside = try c.optionalInt("exclude_outside") ?? 0 != 0
    extrapolation = Double(try c.optionalFloat("extrapolation_value") ?? 0)
    antialias = try c.optionalInt("antialias") ?? 0 != 0
  }

  private func shrink(_ scale: Double) -> Double { antialias ? min(scale, 1) : 1 }

  /// Input positions that each of `output` positions is a sum of.
  private func taps(output: Int, scale: Double) throws -> Int {
    guard scale > 0, scale.isFinite else { throw SwiftletError(.runtime, "a scale of \(scale)") }
    if mode == .nearest { return 1 }
    let half = try Checked.int(((mode == .linear ? 1 : 2) / shrink(scale)).rounded(.up))
    return try Checked.multiply(2, half)
  }

  /// Bytes that an axis' map takes, and the tables that kernels make of it.
  func mapBytes(output: Int, scale: Double) throws -> Int {
    let taps = try taps(output: output, scale: scale), total = try Checked.multiply(taps, output)
    guard total < 1 << 31 else { throw SwiftletError(.limit, "Resize: \(taps) terms for each of \(output) positions") }
    return try Checked.multiply(total, 2 * MemoryLayout<Int>.size + MemoryLayout<Int32>.size + 2 * MemoryLayout<Double>.size)
  }

  func map(input: Int, output: Int, scale: Double, roi: (Double, Double)) throws -> AxisMap {
    guard roi.0.isFinite, roi.1.isFinite else { throw SwiftletError(.runtime, "a region of \(roi)") }
    let taps = try taps(output: output, scale: scale), half = taps / 2, shrink = shrink(scale)
    var map = AxisMap(taps: taps, indices: [], weights: [])
    map.indices.reserveCapacity(taps * output)
    for i in 0..<output {
      let x = position(Double(i), input: Double(input), output: Double(output), scale: scale, roi: roi)
      if transformation == .tfCropAndResize, x < 0 || x > Double(input - 1) {
        map.indices += Array(repeating: -1, count: taps)
        map.weights += Array(repeating: 0, count: taps)
        continue
      }
      if mode == .nearest {
        map.indices.append(try Checked.int(min(max(rounded(x, scale: scale), 0), Double(input - 1))))
        continue
      }
      let base = x.rounded(.down), ratio = x - base
      let first = try Checked.int(base) - half + 1
      var weights = (0..<taps).map { weight(shrink * (Double($0 - half + 1) - ratio)) }
      if excludesOutside {
        for k in 0..<taps where first + k < 0 || first + k >= input { weights[k] = 0 }
      }
      let sum = weights.reduce(0, +)
      if excludesOutside || antialias, sum != 0 { weights = weights.map { $0 / sum } }
      map.weights += weights
      map.indices += (0..<taps).map { min(max(first + $0, 0), input - 1) }
    }
    return map
  }

  private func position(_ i: Double, input: Double, output: Double, scale: Double, roi: (Double, Double)) -> Double {
    let exact = scale * input
    switch transformation {
    case .halfPixel: return (i + 0.5) / scale - 0.5
    case .halfPixelSymmetric: return input / 2 * (1 - output / exact) + (i + 0.5) / scale - 0.5
    case .pytorchHalfPixel: return exact > 1 ? (i + 0.5) / scale - 0.5 : 0
    case .alignCorners: return exact == 1 ? 0 : i * (input - 1) / (exact - 1)
    case .asymmetric: return i / scale
    case .tfHalfPixelForNN: return (i + 0.5) / scale
    case .tfCropAndResize:
      let offset = exact == 1 ? (roi.1 - roi.0) * (input - 1) / 2 : i * (roi.1 - roi.0) * (input - 1) / (exact - 1)
      return offset + roi.0 * (input - 1)
    }
  }

  private func rounded(_ x: Double, scale: Double) -> Double {
    switch nearest {
    case .roundPreferFloor: return (x - 0.5).rounded(.up)
    case .roundPreferCeil: return (x + 0.5).rounded(.down)
    case .floor: return x.rounded(.down)
    case .ceil: return x.rounded(.up)
    case .simple: return x.rounded(scale < 1 ? .up : .down)
    }
  }

  private func weight(_ distance: Double) -> Double {
    let d = abs(distance), a = cubic
    if mode == .linear { return max(0, 1 - d) }
    if d <= 1 { return ((a + 2) * d - (a + 3)) * d * d + 1 }
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0
  }
}
