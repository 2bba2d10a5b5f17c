import CKernels
import Glibc

/// When weights are worth packing as sparse ones, and in which groups of rows.
///
/// The cost of a product is modelled as `fixed + each * stored`, of dense kernels' time, `stored` being the share of
/// the weights that the packing keeps. The figures were measured with Benchmarks/kernels/sparse.c, whose comment says how.
struct SparseChoice {
  /// What the product is compared with.
  enum Rival {
    /// A blocked matrix product, or convolution as one.
    case gemm
    /// Winograd's convolution, which takes 0.4 of a matrix product's time.
    case winograd
    /// A blocked matrix product of 8-bit integers, two to an element.
    case integers
    /// A product with one vector.
    case vector

    fileprivate var time: Double {
      switch self {
      case .winograd: 0.4
      case .integers: 0.55
      case .gemm, .vector: 1
      }
    }
  }

  /// `SWIFTLET_SPARSE`: "never" keeps to dense kernels, "always" takes sparse ones wherever there is a zero.
  enum Wish {
    case never, always, measured

    init(_ text: String?) {
      switch text {
      case "never": self = .never
      case "always": self = .always
      default: self = .measured
      }
    }
    /// Read once: the choice of kernels doesn't change while the program runs.
    static let user = Wish(getenv("SWIFTLET_SPARSE").map { String(cString: $0) })
  }

  private struct Row {
    let level: swk_level
    let isVector: Bool
    /// For groups of 1, 4 and 8 rows.
    let fixed: [Double]
    let each: [Double]
  }
  private static let measured = [
    Row(level: SWK_PLAIN, isVector: false, fixed: [0.06, 0.05, 0.05], each: [2.2, 1.6, 1.8]),
    Row(level: SWK_PLAIN, isVector: true, fixed: [0.03, 0.03, 0.03], each: [2.4, 1.6, 1.6]),
    Row(level: SWK_AVX2, isVector: false, fixed: [0.05, 0.05, 0.05], each: [1.8, 1.6, 1.9]),
    Row(level: SWK_AVX2, isVector: true, fixed: [0.03, 0.03, 0.03], each: [2.4, 1.6, 1.5]),
    Row(level: SWK_AVX512, isVector: false, fixed: [0.05, 0.03, 0.03], each: [1.8, 1.22, 1.25]),
    Row(level: SWK_AVX512, isVector: true, fixed: [0.03, 0.03, 0.03], each: [2.4, 1.6, 1.5]),
  ]
  static let groups = [1, 4, 8]
  /// Sparse kernels must promise to take less than this share of the dense ones' time.
  private static let margin = 0.9

  /// The best group of rows; nil: dense kernels are faster.
  /// - Parameter stored: the share of the weights that a packing in groups of 1, 4 and 8 rows keeps.
  static func group(stored: [Double], rival: Rival, level: swk_level, wish: Wish = .user) -> Int? {
    guard wish != .never,
      let row = measured.first(where: { $0.level == level && $0.isVector == (rival == .vector) })
    else { return nil }
    let times = zip(stored, zip(row.fixed, row.each)).map { share, cost in cost.0 + cost.1 * share }
    guard let best = times.indices.min(by: { times[$0] < times[$1] }) else { return nil }
    let pays = times[best] < margin * rival.time || wish == .always && stored[0] < 1
    return pays ? groups[best] : nil
  }
}
