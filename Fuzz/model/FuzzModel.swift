import Swiftlet

/// Any bytes as a model: read, check, optimise, prepare, and run once on zeros when the inputs are small. Whatever comes
/// out, nothing may trap, leak or touch memory that isn't its own.
@_cdecl("swiftlet_fuzz_model")
public func fuzzModel(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  guard let data, size > 0, let bytes = try? Allocator.system.allocate(size) else { return 0 }
  bytes.base.copyMemory(from: data, byteCount: size)
  var limits = ModelLimits()
  limits.memory = 64 << 20
  limits.nodes = 10_000
  do {
    let model = try Model(source: ModelSource(bytes: bytes), limits: limits)
    var options = SessionOptions()
    options.threads = 1
    options.memoryLimit = 64 << 20
    let session = try Session(model, options)
    var inputs: [String: Value] = [:]
    for port in model.inputs {
      guard case .tensor(let type, let shape?)? = port.type else { return 0 }
      let dims = shape.map { $0.value ?? 2 }
      guard try Checked.count(dims) <= 4096 else { return 0 }
      let t = try Tensor(allocating: type, dims)
      if type != .string { t.data.initializeMemory(as: UInt8.self, repeating: 0, count: t.byteCount) }
      inputs[port.name] = .tensor(t)
    }
    _ = try session.run(inputs, deadline: .max)
  } catch {
    _ = "\(error)"
  }
  return 0
}
