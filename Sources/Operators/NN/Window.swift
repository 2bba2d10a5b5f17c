import Kernels
import Tensors

/// The attributes that convolutions and pools share: kernel, strides, dilations, pads.
struct Window: Sendable {
  enum AutoPad { case notSet, valid, sameUpper, sameLower }

  let autoPad: AutoPad
  let kernel: [Int]?
  let strides: [Int]?
  let dilations: [Int]?
  let pads: [Int]?
  let ceils: Bool

  init(_ c: some NodeReading) throws {
    switch try c.optionalString("auto_pad") ?? "NOTSET" {
    case "NOTSET", "": autoPad = .notSet
    case "VALID": autoPad = .valid
    case "SAME_UPPER": autoPad = .sameUpper
    case "SAME_LOWER": autoPad = .sameLower
    case let other: throw SwiftletError(.invalidModel, "auto_pad is '\(other)'")
    }
    func list(_ name: String) throws -> [Int]? {
      guard let v = try c.optionalInts(name), !v.isEmpty else { return nil }
      return v
    }
    kernel = try list("kernel_shape")
    strides = try list("strides")
    dilations = try list("dilations")
    pads = try list("pads")
    ceils = try c.optionalInt("ceil_mode") ?? 0 != 0
    for (name, values) in [("kernel_shape", kernel), ("strides", strides), ("dilations", dilations)] {
      try checkModel(values?.allSatisfy { $0 > 0 } ?? true, "\(name) must be positive: \(values ?? [])")
    }
    try checkModel(pads?.allSatisfy { $0 >= 0 } ?? true, "pads must not be negative: \(pads ?? [])")
  }

  /// Checks that all lists have one number for each of `rank` spatial dimensions.
  func check(rank: Int) throws {
    for (name, count) in [
      ("kernel_shape", kernel?.count), ("strides", strides?.count), ("dilations", dilations?.count),
      ("pads", pads.map { $0.count % 2 == 0 ? $0.count / 2 : -1 }),
    ] {
      try checkShape(count ?? rank == rank, "\(name) doesn't fit \(rank) spatial dimensions")
    }
  }

  func stride(_ d: Int) -> Int { strides?[d] ?? 1 }
  func dilation(_ d: Int) -> Int { dilations?[d] ?? 1 }

  /// Pads and output size along spatial dimension `d`; `check(rank:)` has been called.
  func resolve(_ d: Int, input: Int, kernel: Int) throws -> (begin: Int, end: Int, output: Int) {
    let stride = stride(d)
    let reach = try Checked.add(Checked.multiply(kernel - 1, dilation(d)), 1)
    switch autoPad {
    case .sameUpper, .sameLower:
      let output = input / stride + (input % stride == 0 ? 0 : 1)
      let total = max(0, try Checked.add(Checked.multiply(max(output - 1, 0), stride), reach) - input)
      let small = total / 2
      return autoPad == .sameUpper ? (small, total - small, output) : (total - small, small, output)
    case .notSet, .valid:
      let rank = (pads?.count ?? 0) / 2
      let begin = autoPad == .valid ? 0 : pads?[d] ?? 0
      let end = autoPad == .valid ? 0 : pads?[d + rank] ?? 0
      let room = try Checked.add(Checked.add(input, begin), end) - reach
      guard room >= 0 else {
        throw SwiftletError(.shape, "the kernel (\(reach) wide) is larger than the padded input \(input + begin + end)")
      }
      var output = room / stride + 1
      if ceils, room % stride != 0 {
        // A window that would start in the padding behind the input is dropped.
        if try Checked.multiply(output, stride) < input + begin { output += 1 }
      }
      return (begin, end, output)
    }
  }

  /// The output size, as far as it follows from what is known.
  func outputDimension(_ d: Int, input: Dimension, kernel: Dimension) throws -> Dimension {
    if case .known(let x) = input, case .known(let k) = kernel {
      try checkShape(k > 0, "the kernel has a size of \(k)")
      return .known(try resolve(d, input: x, kernel: k).output)
    }
    guard stride(d) == 1 else { return .unknown }
    switch autoPad {
    case .sameUpper, .sameLower: return input
    case .notSet, .valid:
      guard case .known(let k) = kernel else { return .unknown }
      let rank = (pads?.count ?? 0) / 2
      let padding = autoPad == .valid ? 0 : try Checked.add(pads?[d] ?? 0, pads?[d + rank] ?? 0)
      return padding == (try Checked.multiply(k - 1, dilation(d))) ? input : .unknown
    }
  }

  static let attributes: [AttributeSpec] = [
    .string("auto_pad", "NOTSET"), .ints("kernel_shape"), .ints("pads"), .ints("strides"), .ints("dilations"),
  ]
}
