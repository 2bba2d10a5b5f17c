import CSystem
import Graphs
import Kernels
@testable import Operators
import Tensors

/// Runs single nodes, and infers them.
enum NodeRunner {
  static func node(
    _ op: String, inputs: [Bool], outputs: Int, version: Int, domain: String, _ attributes: [String: Attribute]
  ) -> Node {
    Node(
      name: "node", opType: op, domain: domain, version: version,
      inputs: inputs.enumerated().map { $1 ? ValueID($0) : nil }, outputs: (0..<outputs).map { ValueID(100 + $0) },
      attributes: attributes)
  }

  static func run(
    _ op: String, _ inputs: [Tensor?], version: Int = 21, domain: String = "", outputs: Int = 1,
    _ attributes: [String: Attribute] = [:], memoryLimit: Int = 1 << 28, seconds: Int = 60
  ) throws -> [Tensor] {
    let node = node(op, inputs: inputs.map { $0 != nil }, outputs: outputs, version: version, domain: domain, attributes)
    guard let definition = Registry.find(node) else { throw SwiftletError(.unsupported, Registry.reason(node)) }
    let types = inputs.map { $0.map { ValueType.tensor($0.type, nil) } }
    let kernel = try definition.kernel(
      KernelContext(node: node, definition: definition, inputTypes: types, constants: inputs.map { _ in nil }))
    let cancellation = Cancellation()
    cancellation.deadline = sws_now() + UInt64(seconds) * 1_000_000_000
    let environment = RunEnvironment(
      pool: try ThreadPool(width: 2), allocator: Allocator(limit: memoryLimit), cancellation: cancellation)
    let context = RunContext(
      node: node, definition: definition, environment: environment, inputs: inputs.map { $0.map(Value.tensor) })
    return try context.execute(kernel).map { v in
      guard case .tensor(let t)? = v else { throw SwiftletError(.internal, "no tensor") }
      return t
    }
  }

  /// What is said of the outputs, the inputs known by type and (`data`) as values of shape computations.
  static func infer(
    _ op: String, _ inputs: [ValueType?], constants: [Int: Tensor] = [:], data: [Int: [Dimension]] = [:], version: Int = 21,
    domain: String = "", outputs: Int = 1, _ attributes: [String: Attribute] = [:]
  ) throws -> InferenceContext {
    let node = node(op, inputs: inputs.map { $0 != nil }, outputs: outputs, version: version, domain: domain, attributes)
    guard let definition = Registry.find(node) else { throw SwiftletError(.unsupported, Registry.reason(node)) }
    let c = InferenceContext(
      node: node, definition: definition, inputTypes: inputs, constants: inputs.indices.map { constants[$0] },
      dimensionData: inputs.indices.map { data[$0] })
    try definition.infer(c)
    return c
  }
}

extension Tensor {
  var floats: [Float] { Array(elements(Float.self)) }
}
