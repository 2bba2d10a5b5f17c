/// Operators that exist elsewhere and are not for this runtime: what to tell whoever has a model with them.
enum Refusals {
  static func reason(domain: String, name: String) -> String? {
    if domain == "com.microsoft.nchwc" {
      return "ONNX Runtime's layout for one processor; save the optimised model at the level 'extended' or below"
    }
    return reasons[domain.isEmpty ? name : "\(domain).\(name)"]
  }

  private static let copies = "a copy between devices; save the optimised model from a session on the CPU"
  private static let reasons = [
    "MemcpyFromHost": copies,
    "MemcpyToHost": copies,
    "com.microsoft.EPContext": "it holds a model compiled for one vendor's device; use the model without the context cache",
  ]
}
