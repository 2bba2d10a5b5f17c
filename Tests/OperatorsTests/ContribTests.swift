import Graphs
@testable import Operators
import Tensors
import Testing

/// What models of com.microsoft's operators can get wrong is an error, not a crash. Tests/Generated/contrib.py has the values.
@Suite struct ContribOperators {
  private func run(_ op: String, _ inputs: [Tensor?], outputs: Int = 1, _ attributes: [String: Attribute] = [:]) throws -> [Tensor] {
    try NodeRunner.run(op, inputs, version: 1, domain: "com.microsoft", outputs: outputs, attributes)
  }
  private func zeros(_ shape: Int...) throws -> Tensor { try Tensor([Float](repeating: 0, count: shape.reduce(1, *)), shape) }

  private func grouped(_ lengths: [Int32], total: Int32, past: Int, positions: [Int64]? = nil) throws -> [Tensor] {
    let cache = try zeros(1, 1, past, 16)
    let inputs: [Tensor?] = try [
      zeros(1, 1, 32), zeros(1, 1, 16), zeros(1, 1, 16), cache, cache, Tensor(lengths), Tensor([total], []),
      positions.map { _ in try zeros(4, 8) }, positions.map { _ in try zeros(4, 8) }, positions.map { try Tensor($0, [1, 1]) },
    ]
    return try run(
      "GroupQueryAttention", inputs, outputs: 3,
      ["num_heads": .int(2), "kv_num_heads": .int(1), "do_rotary": .int(positions == nil ? 0 : 1)])
  }

  @Test func cachesOfGroupedAttentionGrowOrHaveRoom() throws {
    #expect(try grouped([3], total: 4, past: 3)[1].shape == [1, 1, 4, 16])
    #expect(try grouped([3], total: 4, past: 8)[1].shape == [1, 1, 8, 16])
  }
  @Test func lengthsBeyondTheCacheAreErrors() {
    let calls: [(lengths: [Int32], total: Int32, past: Int)] = [
      ([7], 4, 3), ([-5], 4, 3), ([3], 0, 3), ([3], -1, 3), ([3, 3], 4, 3), ([.max], .max, 3), ([1], 2, 0),
    ]
    for call in calls {
      #expect(throws: SwiftletError.self) { try grouped(call.lengths, total: call.total, past: call.past) }
    }
  }
  @Test(arguments: [Int64(-1), 4, .max, .min])
  func positionsBeyondTheAnglesAreErrors(_ position: Int64) {
    #expect(throws: SwiftletError.self) { try grouped([3], total: 4, past: 3, positions: [position]) }
  }
  @Test(arguments: [Int32(-1), 3, .max])
  func wordsBeyondTheEmbeddingAreErrors(_ word: Int32) throws {
    #expect(throws: SwiftletError.self) {
      try run(
        "EmbedLayerNormalization",
        [Tensor([word], [1, 1]), nil, zeros(3, 4), zeros(2, 4), nil, zeros(4), zeros(4)])
    }
  }
  @Test(arguments: [Int32(-1), 2])
  func beamsBeyondTheBatchAreErrors(_ beam: Int32) throws {
    let cache = try zeros(2, 1, 3, 4)
    #expect(throws: SwiftletError.self) {
      try run(
        "DecoderMaskedMultiHeadAttention",
        [zeros(2, 1, 4), zeros(2, 1, 4), zeros(2, 1, 4), nil, nil, cache, cache, Tensor([Int32(2)]), Tensor([Int32(2)]),
          Tensor([beam, beam, 0, 0, 0, 0], [1, 2, 3])],
        ["num_heads": .int(1)])
    }
  }
  @Test(arguments: [Int32(-1), 4, .max])
  func pastLengthsBeyondTheCacheAreErrors(_ length: Int32) throws {
    let cache = try zeros(1, 1, 4, 4)
    #expect(throws: SwiftletError.self) {
      try run(
        "MultiHeadAttention",
        [zeros(1, 1, 4), zeros(1, 1, 4), zeros(1, 1, 4), nil, nil, nil, cache, cache, Tensor([length])], ["num_heads": .int(1)])
    }
  }
  @Test(arguments: [("N", 0), ("K", -1), ("block_size", 24), ("block_size", 0), ("bits", 3), ("K", Int.max)])
  func productsWithSizesThatCanNotBeAreErrors(_ name: String, _ value: Int) throws {
    var attributes: [String: Attribute] = ["N": .int(2), "K": .int(32), "block_size": .int(32), "bits": .int(4)]
    attributes[name] = .int(value)
    #expect(throws: SwiftletError.self) {
      try run("MatMulNBits", [zeros(1, 32), Tensor(.uint8, [UInt8](repeating: 0, count: 32), [2, 1, 16]), zeros(2)], attributes)
    }
  }
  @Test func rowsThatAreNotInAQuantisedTableAreZero() throws {
    let y = try run(
      "GatherBlockQuantized",
      [Tensor(.uint8, [UInt8](repeating: 0, count: 32), [2, 16]), Tensor([Int64(1), 9]), Tensor([Float(1), 2], [2, 1])],
      ["bits": .int(8), "block_size": .int(16)])[0]
    #expect(y.floats == [Float](repeating: -256, count: 16) + [Float](repeating: 0, count: 16))
  }
  @Test func aSingularMatrixHasNoInverse() {
    #expect(throws: SwiftletError.self) { try run("Inverse", [zeros(2, 2)]) }
  }
  @Test(arguments: ["EPContext"])
  func whatIsRefusedIsRefusedWithAReason(_ op: String) throws {
    let node = NodeRunner.node(op, inputs: [], outputs: 1, version: 1, domain: "com.microsoft", [:])
    #expect(Registry.find(node) == nil)
    #expect(Registry.reason(node) != "there is no such operator")
  }
}
