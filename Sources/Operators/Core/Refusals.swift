/// Operators that exist elsewhere and are not for this runtime: what to tell whoever has a model with them.
enum Refusals {
  static func reason(domain: String, name: String) -> String? {
    if domain == "com.microsoft.nchwc" {
      return "ONNX Runtime's layout for one processor; save the optimised model at the level 'extended' or below"
    }
    return reasons[domain.isEmpty ? name : "\(domain).\(name)"]
  }

  private static let generation = "generation inside a model is not supported; run its decoder step by step"
  private static let copies = "a copy between devices; save the optimised model from a session on the CPU"
  private static let reasons = [
    "MemcpyFromHost": copies,
    "MemcpyToHost": copies,
    "com.microsoft.BeamSearch": generation,
    "com.microsoft.EPContext": "it holds a model compiled for one vendor's device; use the model without the context cache",
    "com.microsoft.GreedySearch": generation,
    "com.microsoft.Sampling": generation,
    "com.microsoft.WhisperBeamSearch": generation,
  ]
}
