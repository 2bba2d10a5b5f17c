import Kernels
import Tensors

/// The domain of operators that only our own passes make.
public enum InternalDomain {
  public static let name = "ai.swiftlet"
}

extension NodeReading {
  /// The function that a fused operator applies at its end: the attributes `activation` (the operator's name) and
  /// `activation_params` (its parameters in the order of com.microsoft.FusedConv: alpha, beta; for Clip minimum, maximum;
  /// for Gelu 1 if approximate).
  public func fusedActivation() throws -> Activation {
    guard let name = try optionalString("activation"), !name.isEmpty else { return .none }
    let p = try (optionalFloats("activation_params") ?? []).map(Double.init)
    func parameter(_ i: Int, _ d: Double) -> Double { i < p.count ? p[i] : d }
    switch name {
    case "Relu": return .relu
    case "Sigmoid": return .sigmoid
    case "Tanh": return .tanh
    case "HardSwish": return .hardSwish
    case "Swish": return .silu
    case "Gelu": return p.first == 1 ? .geluTanh : .gelu
    case "LeakyRelu": return .leakyRelu(parameter(0, 0.01))
    case "HardSigmoid": return .hardSigmoid(parameter(0, 0.2), parameter(1, 0.5))
    case "Clip": return .clip(parameter(0, -.infinity), parameter(1, .infinity))
    default: throw SwiftletError(.unsupported, "the activation '\(name)'")
    }
  }
}
