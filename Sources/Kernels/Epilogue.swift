import CKernels

/// A function applied to each element of a result before it is stored. NaN stays NaN.
public enum Activation: Hashable, Sendable {
  case none, relu
  case clip(Double, Double)
  /// alpha * x below 0.
  case leakyRelu(Double)
  case sigmoid, tanh
  /// x * (1 + erf(x / sqrt 2)) / 2.
  case gelu
  /// The approximation of gelu by tanh.
  case geluTanh
  /// x * sigmoid(x).
  case silu
  /// x * clip(x / 6 + 1/2, 0, 1).
  case hardSwish
  /// clip(alpha * x + beta, 0, 1).
  case hardSigmoid(Double, Double)
}

/// What a matrix product or convolution does to its sums before it stores them:
/// f(alpha * sum + rowBias[i] + columnBias[j] + residual(i, j)), f the activation.
///
/// A convolution's output channels are its rows. The memory must stay valid during the run.
public struct Epilogue<Scalar: GemmScalar> {
  /// An addend for each element: scale * data[i * rowStride + j * columnStride]; strides of 0 broadcast.
  public struct Residual {
    public var data: UnsafePointer<Scalar>
    public var rowStride: Int
    public var columnStride: Int
    public var scale: Double

    public init(_ data: UnsafePointer<Scalar>, rowStride: Int, columnStride: Int = 1, scale: Double = 1) {
      self.data = data
      self.rowStride = rowStride
      self.columnStride = columnStride
      self.scale = scale
    }
  }

  public var alpha: Double
  public var rowBias: UnsafePointer<Scalar>?
  public var columnBias: UnsafePointer<Scalar>?
  public var residual: Residual?
  /// Adds the residual after the activation.
  public var residualLast: Bool
  public var activation: Activation

  public init(
    alpha: Double = 1, rowBias: UnsafePointer<Scalar>? = nil, columnBias: UnsafePointer<Scalar>? = nil,
    residual: Residual? = nil, residualLast: Bool = false, activation: Activation = .none
  ) {
    self.alpha = alpha
    self.rowBias = rowBias
    self.columnBias = columnBias
    self.residual = residual
    self.residualLast = residualLast
    self.activation = activation
  }

  var c: swk_epilogue {
    var e = swk_epilogue()
    e.alpha = alpha
    e.row_bias = UnsafeRawPointer(rowBias)
    e.column_bias = UnsafeRawPointer(columnBias)
    if let residual {
      e.residual = UnsafeRawPointer(residual.data)
      e.residual_row = residual.rowStride
      e.residual_column = residual.columnStride
      e.beta = residual.scale
    }
    e.residual_last = residualLast
    (e.activation, e.p0, e.p1) = activation.c
    return e
  }
}

extension Activation {
  var c: (swk_activation, Double, Double) {
    switch self {
    case .none: (SWK_IDENTITY, 0, 0)
    case .relu: (SWK_RELU, 0, 0)
    case .clip(let low, let high): (SWK_CLIP, low, high)
    case .leakyRelu(let alpha): (SWK_LEAKY_RELU, alpha, 0)
    case .sigmoid: (SWK_SIGMOID, 0, 0)
    case .tanh: (SWK_TANH, 0, 0)
    case .gelu: (SWK_GELU, 0, 0)
    case .geluTanh: (SWK_GELU_TANH, 0, 0)
    case .silu: (SWK_SILU, 0, 0)
    case .hardSwish: (SWK_HARD_SWISH, 0, 0)
    case .hardSigmoid(let alpha, let beta): (SWK_HARD_SIGMOID, alpha, beta)
    }
  }
}
