import Graphs
@testable import Operators
import Tensors
import Testing

/// What models of com.microsoft's operators can get wrong is an error, not a crash. Tests/Generated/contrib.py has the
/// values.
@Suite struct ContribOperators {
  private func run(
    _ op: String, _ inputs: [Tensor?], outputs: Int = 1, _ attributes: [String: Attribute] = [:]
  ) throws -> [Tensor] {
    try NodeRunner.run(op, inputs, version: 1, domain: "com.microsoft", outputs: outputs, attributes)
  }
  private func zeros(_ shape: Int...) throws -> Tensor {
    try Tensor([Float](repeating: 0, count: shape.reduce(1, *)), shape)
  }

  private func grouped(_ lengths: [Int32], total: Int32, past: Int, positions: [Int64]? = nil) throws -> [Tensor] {
    let cache = try zeros(1, 1, past, 16)
    let inputs: [Tensor?] = try [
      zeros(1, 1, 32), zeros(1, 1, 16), zeros(1, 1, 16), cache, cache, Tensor(lengths), Tensor([total], []),
      positions.map { _ in try zeros(4, 8) }, positions.map { _ in try zeros(4, 8) },
      positions.map { try Tensor($0, [1, 1]) },
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
  /// Tensors without elements may have other sizes that are large; arithmetic on them must not trap.
  @Test func sizesOfNothingAreErrors() throws {
    func nothing(_ shape: Int...) throws -> Tensor { try Tensor(allocating: .float, shape) }
    func refused(
      _ op: String, _ inputs: [Tensor?], _ attributes: [String: Attribute], at place: SourceLocation = #_sourceLocation
    ) {
      #expect(throws: SwiftletError.self, sourceLocation: place) { try run(op, inputs, attributes) }
    }
    let one: [String: Attribute] = ["num_heads": .int(1), "kv_num_heads": .int(1), "do_rotary": .int(1)]
    let long = 1 << 31 - 1
    refused(
      "GroupQueryAttention",
      [try nothing(1, long, 0), try nothing(1, long, 0), try nothing(1, long, 0), nil, nil, try Tensor([Int32.max - 1]),
        try Tensor([Int32.max], []), try zeros(4, 1), try zeros(4, 1)], one)
    let q = try nothing(0, 1, long), ends = try Tensor(allocating: .int32, [0]), total = try Tensor([Int32(1)], [])
    refused("GroupQueryAttention", [q, q, q, nil, nil, ends, total, try nothing(0, long), try nothing(0, long)], one)
    refused("MultiHeadAttention", [q, q, q, try zeros(3)], ["num_heads": .int(1)])
    refused(
      "MultiHeadAttention", [try nothing(0, 1, 8), try nothing(0, 1, 1, 8), try nothing(0, 1, 1, long), try zeros(3)],
      ["num_heads": .int(1)])
    refused(
      "RotaryEmbedding",
      [try zeros(1, 1, 4), try Tensor([Int64(0)], [1, 1]), try nothing(0, long), try nothing(0, long)], [:])
    let sizes: [String: Attribute] = ["K": .int(long), "N": .int(1), "block_size": .int(16), "quant_type": .int(0)]
    for op in ["MatMulNBits", "MatMulBnb4"] {
      refused(op, [try nothing(0, long), try Tensor(.uint8, [UInt8(0)], [1]), try zeros(1)], sizes)
    }
  }
  @Test func lastPlacesOfLongImagesAreInThem() throws {
    // One more than the last place is what float makes of it.
    let n = 1 << 25, x = try Tensor(allocating: .float, [1, 1, n, 1])
    x.data.initializeMemory(as: UInt8.self, repeating: 0, count: x.byteCount)
    x.pointer(Float.self)[n - 1] = 7
    for mode in ["nearest", "bilinear"] {
      let y = try run(
        "CropAndResize", [x, Tensor([Float(1), 0, 1, 0], [1, 4]), Tensor([Int32(0)]), Tensor([Int32(1), 1])],
        ["mode": .string(mode)])
      #expect(y[0].floats == [7])
    }
  }
  @Test func fewLongStringsAmongManyAreLimited() throws {
    let n = 1 << 12, texts = Array(repeating: "", count: n - 1) + [String(repeating: "a", count: n)]
    #expect(throws: SwiftletError.self) {
      try run(
        "Tokenizer", [Tensor(strings: texts, [n])],
        ["mark": .int(0), "mincharnum": .int(1), "pad_value": .string(""), "tokenexp": .string(".")])
    }
  }
  @Test func aPastOfAnotherRankIsAnError() throws {
    let q = try zeros(1, 1, 1, 4)
    for past in [try zeros(4), try zeros(1, 4), try zeros(1, 1, 2, 4, 1)] {
      #expect(throws: SwiftletError.self) {
        try NodeRunner.run("Attention", [q, q, q, nil, past, past], version: 23, outputs: 3)
      }
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
        [zeros(1, 1, 4), zeros(1, 1, 4), zeros(1, 1, 4), nil, nil, nil, cache, cache, Tensor([length])],
        ["num_heads": .int(1)])
    }
  }
  @Test(arguments: [("N", 0), ("K", -1), ("block_size", 24), ("block_size", 0), ("bits", 3), ("K", Int.max)])
  func productsWithSizesThatCanNotBeAreErrors(_ name: String, _ value: Int) throws {
    var attributes: [String: Attribute] = ["N": .int(2), "K": .int(32), "block_size": .int(32), "bits": .int(4)]
    attributes[name] = .int(value)
    #expect(throws: SwiftletError.self) {
      try run(
        "MatMulNBits", [zeros(1, 32), Tensor(.uint8, [UInt8](repeating: 0, count: 32), [2, 1, 16]), zeros(2)],
        attributes)
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
  @Test func cachesThatDropRowsHaveRoomForTheWindow() throws {
    func run(window: Int, room: Int, length: Int32) throws -> [Tensor] {
      let cache = try zeros(1, 1, room, 16), new = try zeros(1, 1, 16)
      return try self.run(
        "GroupQueryAttention", [new, new, new, cache, cache, Tensor([length - 1]), Tensor([length], [])], outputs: 3,
        [
          "num_heads": .int(1), "kv_num_heads": .int(1), "local_window_size": .int(window),
          "sliding_window_cache": .int(1),
        ])
    }
    #expect(try run(window: 4, room: 6, length: 1000)[1].shape == [1, 1, 6, 16])
    #expect(throws: SwiftletError.self) { try run(window: 7, room: 6, length: 3) }
    #expect(throws: SwiftletError.self) { try run(window: 4, room: 6, length: 0) }
    #expect(throws: SwiftletError.self) { try run(window: 0, room: 6, length: 3) }
  }
  @Test func columnsThatNameNoBlockAreErrors() {
    for group: Int32 in [-1, 1, .max] {
      #expect(throws: SwiftletError.self) {
        try run(
          "MatMulNBits",
          [
            zeros(1, 16), Tensor(.uint8, [UInt8](repeating: 0, count: 8), [1, 1, 8]), zeros(1, 1), nil,
            Tensor([Int32](repeating: group, count: 16)),
          ],
          ["K": .int(16), "N": .int(1), "block_size": .int(16)])
      }
    }
  }
  @Test func scoresAreChangedInTheirOrder() throws {
    var scores: [Float] = [1, -1, 2, 3]
    var p = LogitsProcessors()
    (p.repetitionPenalty, p.ngram, p.leastLength, p.end, p.temperature) = (2, 2, 9, 3, 0.5)
    (p.presence, p.presencePenalty) = (try Tensor([0, 0, 1, 0] as [Int32], [1, 4]), 1)
    scores.withUnsafeMutableBufferPointer { s in
      guard let data = s.baseAddress else { return }
      // 1 has followed 0 before; 2 isn't there yet; 7 is no token.
      p.apply(TokenScores(rows: 1, vocabulary: 4, data: data), [[0, 1, 7, 0]], batch: 1, isFirst: true)
    }
    #expect(scores == [1, -.infinity, 3, -.infinity])
  }
  @Test func timesComeInPairsAndDontGoBack() {
    let rules = TimestampRules(
      end: 1, startOfTranscript: 2, translate: 3, transcribe: 4, startOfLanguageModel: 5, noTimestamps: 6, begin: 7)
    func allowed(_ row: [Int32]) -> [Int] {
      var scores = [Float](repeating: -1, count: 12)
      scores.withUnsafeMutableBufferPointer { rules.apply($0, row) }
      return scores.indices.filter { scores[$0] > LogitsProcessors.forbidden }
    }
    #expect(allowed([2]) == [7, 8, 9, 10, 11])
    #expect(allowed([2, 7]) == [0, 1, 2, 3, 4])
    #expect(allowed([2, 7, 0, 9]) == [9, 10, 11])
    #expect(allowed([2, 7, 0, 9, 9]) == [0, 1])
  }
  @Test func drawsAreThoseOfTheMinimalStandard() {
    // 16807 and 282475249 are its first numbers.
    var random = MinimalStandard(seed: 1)
    #expect(random.next() == (16806 + 282_475_248 * 2_147_483_646.0) / (2_147_483_646.0 * 2_147_483_646.0))
  }
  @Test(arguments: ["EPContext"])
  func whatIsRefusedIsRefusedWithAReason(_ op: String) throws {
    let node = NodeRunner.node(op, inputs: [], outputs: 1, version: 1, domain: "com.microsoft", [:])
    #expect(Registry.find(node) == nil)
    #expect(Registry.reason(node) != "there is no such operator")
  }
}
