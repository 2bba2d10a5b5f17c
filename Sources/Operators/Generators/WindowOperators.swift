import Glibc
import Kernels
import Tensors

/// HannWindow, HammingWindow, BlackmanWindow: sums of cosines over one period. MelWeightMatrix: from a spectrum's bins
/// to mel bands.
enum WindowOperators {
  static let definitions = [
    window("HannWindow", [0.5, -0.5]), window("HammingWindow", [25.0 / 46, -21.0 / 46]),
    window("BlackmanWindow", [0.42, -0.5, 0.08]), mel,
  ]

  /// The values in the type that `output_datatype` names.
  private static func write(
    _ r: RunContext, _ c: some NodeReading, _ shape: [Int], _ fill: (UnsafeMutablePointer<Double>) throws -> Void
  ) throws {
    let y = try r.output(0, c.elementType("output_datatype"), shape)
    let wide = try r.temporary(.double, shape)
    try fill(wide.pointer(Double.self))
    try Cast.apply(.double, wide.data, to: y.type, y.data, y.count)
  }

  /// - Parameter terms: factors of cos(2 pi k n / N).
  private static func window(_ name: String, _ terms: [Double]) -> OperatorDefinition {
    OperatorDefinition(
      name, since: [17], inputs: [.required("size", "T1")], outputs: [.required("output", "T2")],
      types: ["T1": .indices, "T2": .numeric], attributes: [.int("output_datatype", 1), .int("periodic", 1)],
      takesHalf: true,
      infer: { c in
        let n = try c.constant(0).map { Dimension.known(try $0.int()) } ?? c.dimensions(0)?.first ?? .unknown
        if let n = n.value, n < 0 { throw SwiftletError(.runtime, "the size is \(n)") }
        c.set(0, try c.elementType("output_datatype"), [n])
      },
      kernel: { c in
        let periodic = try c.bool("periodic")
        return { r in
          let n = try r.input(0).int()
          try write(r, c, [n]) { y in
            let period = Double(periodic ? n : n - 1)
            for i in 0..<n {
              // One element that is no period: 0 / 0, as the specification's function has it.
              let angle = 2 * .pi * Double(i) / period
              y[i] = terms.indices.reduce(0) { $0 + terms[$1] * cos(Double($1) * angle) }
            }
          }
        }
      })
  }

  private static let mel = OperatorDefinition(
    "MelWeightMatrix", since: [17],
    inputs: [
      .required("num_mel_bins", "T1"), .required("dft_length", "T1"), .required("sample_rate", "T1"),
      .required("lower_edge_hertz", "T2"), .required("upper_edge_hertz", "T2"),
    ], outputs: [.required("output", "T3")], types: ["T1": .indices, "T2": .floats, "T3": .numeric],
    attributes: [.int("output_datatype", 1)], takesHalf: true,
    infer: { c in
      let bins = try c.constant(1).map { Dimension.known(try $0.int() / 2 + 1) } ?? .unknown
      let bands = try c.constant(0).map { Dimension.known(try $0.int()) } ?? .unknown
      c.set(0, try c.elementType("output_datatype"), [bins, bands])
    },
    kernel: { c in
      { r in
        let bands = try r.input(0).int()
        let length = try r.input(1).int()
        let rate = try r.input(2).int()
        guard bands >= 0, length >= 0, rate > 0, bands < 1 << 24, length < 1 << 31 else {
          throw SwiftletError(.runtime, "\(bands) mel bins, DFT length \(length), sample rate \(rate)")
        }
        let bins = length / 2 + 1
        func toMel(_ hertz: Double) -> Double { Double(2595 * log1pf(Float(hertz) / 700)) / log(10) }
        let low = try toMel(r.input(3).scalar())
        let step = try (toMel(r.input(4).scalar()) - low) / Double(bands + 2)
        let edges = try (0..<bands + 2).map { i -> Int in
          let hertz = 700 * expm1((Double(i) * step + low) / 2595 * log(10))
          let bin = try Checked.int((Double(length + 1) * hertz / Double(rate)).rounded(.down), "a mel band's edge")
          guard bin >= 0, bin < bins || (i == bands + 1 && bin <= bins) else {
            throw SwiftletError(.runtime, "a mel band reaches to bin \(bin) of \(bins)")
          }
          return bin
        }
        try write(r, c, [bins, bands]) { y in
          for i in 0..<bins * bands { y[i] = 0 }
          for i in 0..<bands {
            let (left, center, right) = (edges[i], edges[i + 1], edges[i + 2])
            if center == left {
              y[center * bands + i] = 1
            } else if center > left {
              for j in left...center { y[j * bands + i] = Double(j - left) / Double(center - left) }
            }
            if right > center {
              for j in center..<right { y[j * bands + i] = Double(right - j) / Double(right - center) }
            }
          }
        }
      }
    })
}
