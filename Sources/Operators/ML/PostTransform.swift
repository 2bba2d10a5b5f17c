import Glibc
import Tensors

/// `post_transform` of ai.onnx.ml: what becomes of a row of scores.
enum PostTransform: String {
  case none = "NONE"
  case softmax = "SOFTMAX"
  case logistic = "LOGISTIC"
  case softmaxZero = "SOFTMAX_ZERO"
  case probit = "PROBIT"

  init(attribute: String) throws {
    guard let t = PostTransform(rawValue: attribute) else {
      throw SwiftletError(.invalidModel, "post_transform '\(attribute)' is not known")
    }
    self = t
  }
  /// In the order of TreeEnsemble's integers.
  init(number: Int) throws {
    let all: [PostTransform] = [.none, .softmax, .logistic, .softmaxZero, .probit]
    guard all.indices.contains(number) else {
      throw SwiftletError(.invalidModel, "post_transform \(number) is not known")
    }
    self = all[number]
  }

  static func logistic(_ x: Double) -> Double {
    let v = 1 / (1 + exp(-abs(x)))
    return x < 0 ? 1 - v : v
  }
  static func probit(_ p: Double) -> Double {
    let x = p * 2 - 1
    let y = (1 - x) * (1 + x)
    if y == 0 { return 0 }
    let l = log(y)
    let v = 2 / (Double.pi * 0.147) + 0.5 * l
    return 1.41421356 * (x < 0 ? -1 : 1) * (-v + (v * v - l / 0.147).squareRoot()).squareRoot()
  }

  func apply(_ row: UnsafeMutableBufferPointer<Double>) {
    switch self {
    case .none: break
    case .logistic: for i in row.indices { row[i] = Self.logistic(row[i]) }
    case .probit: for i in row.indices { row[i] = Self.probit(row[i]) }
    case .softmax, .softmaxZero:
      guard let largest = row.max() else { return }
      var sum = 0.0
      for i in row.indices {
        // SOFTMAX_ZERO leaves zeros as they are.
        let isZero = self == .softmaxZero && abs(row[i]) <= 1e-7
        row[i] = isZero ? row[i] * exp(-largest) : exp(row[i] - largest)
        sum += row[i]
      }
      for i in row.indices { row[i] = sum == 0 ? 0.5 : row[i] / sum }
    }
  }
  /// Transforms rows of scores. A score that stands alone is changed by PROBIT only: so does onnxruntime, which exporters of
  /// regressors check their models with.
  func apply(_ rows: inout [Double], width: Int) {
    guard self == .probit || self != .none && width > 1 else { return }
    rows.withUnsafeMutableBufferPointer { p in
      for r in stride(from: 0, to: p.count, by: width) { apply(UnsafeMutableBufferPointer(rebasing: p[r..<r + width])) }
    }
  }
}

/// Class labels of classifiers: `classlabels_ints`/`classlabels_int64s` or `classlabels_strings`.
enum ClassLabels {
  case ints([Int])
  case strings([String])

  init?(_ n: some NodeReading, ints: String, strings: String) throws {
    if let s = try n.optionalStrings(strings), !s.isEmpty {
      self = .strings(s)
    } else if let i = try n.optionalInts(ints), !i.isEmpty {
      self = .ints(i)
    } else {
      return nil
    }
  }
  var count: Int {
    switch self {
    case .ints(let v): v.count
    case .strings(let v): v.count
    }
  }
  var elementType: ElementType {
    if case .strings = self { .string } else { .int64 }
  }
  /// The labels of class numbers (which the caller has made valid).
  func tensor(_ classes: [Int]) throws -> Tensor {
    switch self {
    case .ints(let v): try Tensor(classes.map { Int64(v[$0]) })
    case .strings(let v): try Tensor(strings: classes.map { v[$0] }, [classes.count])
    }
  }
}

/// Inputs of ai.onnx.ml: a matrix [N, C] (or a vector, which is one row) of numbers.
struct FeatureMatrix {
  let rows: Int
  let columns: Int
  let values: [Double]

  init(_ t: Tensor) throws {
    guard t.rank == 1 || t.rank == 2 else { throw SwiftletError(.shape, "features must be [N, C], not \(t.shape)") }
    columns = t.shape[t.rank - 1]
    rows = t.rank == 1 ? 1 : t.shape[0]
    values = try t.doubles()
  }
  static func rows(_ shape: SymbolicShape?) -> Dimension {
    guard let shape else { return .unknown }
    return shape.count == 1 ? .known(1) : shape.first ?? .unknown
  }
}

extension TypeSet {
  /// Feature types of ai.onnx.ml.
  static let features = TypeSet(.float, .double, .int64, .int32)
}

extension RunContext {
  /// A float output [rows, width] (or another shape) from doubles.
  func setFloats(_ i: Int, _ values: [Double], _ shape: [Int]) throws {
    let y = try output(i, .float, shape)
    let p = y.pointer(Float.self)
    for (j, v) in values.enumerated() { p[j] = Float(v) }
  }
}

func largestIndex(_ row: ArraySlice<Double>) -> Int {
  var best = row.startIndex
  for i in row.indices where row[i] > row[best] { best = i }
  return best - row.startIndex
}
