import Glibc
import Kernels
import Tensors

/// GreedySearch and Sampling (com.microsoft): a decoder again and again, each time with the best token, or with one
/// drawn by its probability, until all sequences end or the longest length is reached.
enum GreedySearch {
  static let definitions = [
    OperatorDefinition(
      "GreedySearch", domain: "com.microsoft", since: [1], inputs: inputs, outputs: [.required("sequences", "I")],
      types: types,
      attributes: attributes, takesHalf: true, infer: infer,
      kernel: { c in
        let search = try Search(c)
        return { r in try search.run(r, nil) }
      }),
    OperatorDefinition(
      "Sampling", domain: "com.microsoft", since: [1],
      inputs: inputs + [.optional("presence_mask", "I"), .optional("seed", "I")],
      outputs: [.required("sequences", "I"), .optional("filtered_logits", "T")], types: types,
      attributes: attributes + [
        .int("custom", 0), .float("filter_value", -1e20), .int("min_tokens_to_keep", 0), .float("presence_penalty", 0),
        .float("temperature", 1), .float("top_p", 0),
      ],
      takesHalf: true, isDeterministic: false, infer: infer,
      kernel: { c in
        guard !c.hasOutput(1) else { throw SwiftletError(.unsupported, "the output filtered_logits") }
        let search = try Search(c), rule = try SamplingRule(c)
        return { r in try search.run(r, rule) }
      }),
  ]
  private static let inputs: [Parameter] = [
    .required("input_ids", "I"), .required("max_length", "I"), .optional("min_length", "I"),
    .optional("repetition_penalty", "T"), .optional("vocab_mask", "I"), .optional("prefix_vocab_mask", "I"),
    .optional("attention_mask", "I"),
  ]
  private static let types: KeyValuePairs = ["T": TypeSet(.float, .float16), "I": TypeSet(.int32)]
  private static let attributes: [AttributeSpec] = [
    .required(.int, "eos_token_id"), .required(.int, "pad_token_id"), .int("decoder_start_token_id", -1),
    .int("no_repeat_ngram_size", 0), .int("model_type", 0), .int("vocab_size", -1), .optional(.graph, "encoder"),
    .optional(.graph, "init_decoder"), .required(.graph, "decoder"),
  ]

  @Sendable private static func infer(_ c: InferenceContext) throws {
    let ids = try c.shape(0, rank: 2)
    c.set(0, .int32, [ids?[0] ?? .unknown, try Generation.length(c)])
  }

  private struct Search: Sendable {
    let model: DecoderOnly
    let end: Int
    let padding: Int
    let ngram: Int
    let vocabulary: Int

    init(_ c: KernelContext) throws {
      guard try c.int("model_type") == 0 else {
        throw SwiftletError(.unsupported, "\(c.node.opType) of an encoder and a decoder")
      }
      model = try DecoderOnly(c)
      (end, padding) = (try c.int("eos_token_id"), try c.int("pad_token_id"))
      (ngram, vocabulary) = (try c.int("no_repeat_ngram_size"), try c.int("vocab_size"))
    }

    func run(_ r: RunContext, _ sampling: SamplingRule?) throws {
      let ids = try r.input(0), longest = try r.input(1).int(), y = try r.output(0)
      var rows = try Generation.rows(ids)
      guard let pad = Int32(exactly: padding), let length = rows.first?.count else {
        try checkModel(rows.isEmpty, "pad_token_id is \(padding)")
        return
      }
      guard length > 0, longest > length else {
        throw SwiftletError(.runtime, "max_length is \(longest) for a prompt of \(length) tokens")
      }
      let mask = try r.optionalInput(6)
      try checkShape(
        mask.map { $0.shape == ids.shape } ?? true,
        "attention_mask has the shape \(mask?.shape ?? []), not \(ids.shape)")
      let model = self.model.start(rows, mask: try mask.map(Generation.rows), padding: padding)
      var logits = try model.begin(r)
      let scores = try TokenScores(for: logits, rows: rows.count, vocabulary: vocabulary, r)
      var processors = LogitsProcessors()
      processors.repetitionPenalty = Float(try r.optionalInput(3)?.scalar() ?? 1)
      guard processors.repetitionPenalty > 0 else {
        throw SwiftletError(.runtime, "repetition_penalty is \(processors.repetitionPenalty)")
      }
      (processors.ngram, processors.end, processors.leastLength) = (ngram, end, try r.optionalInput(2)?.int() ?? 0)
      try processors.takeMasks(
        r, mask: 4, first: 5, presence: sampling == nil ? nil : 7, batch: rows.count, vocabulary: scores.vocabulary)
      if let sampling {
        (processors.temperature, processors.presencePenalty) = (sampling.temperature, sampling.presencePenalty)
      }
      var random = MinimalStandard(seed: sampling == nil ? 0 : try r.optionalInput(8)?.int() ?? 0)
      var ended = Array(repeating: false, count: rows.count)
      let origins = Array(rows.indices)
      while true {
        try scores.read(logits, r)
        processors.apply(scores, rows, batch: rows.count, isFirst: rows[0].count == length)
        for i in rows.indices {
          let next = try sampling?.choose(scores[i], &random, r) ?? Self.best(scores[i])
          ended[i] = ended[i] || next == end
          rows[i].append(ended[i] ? pad : Int32(truncatingIfNeeded: next))
        }
        if rows[0].count == longest || ended.allSatisfy({ $0 }) { break }
        logits = try model.advance(rows, origins: origins, r)
      }
      let out = y.elements(Int32.self)
      for (i, row) in rows.enumerated() {
        for j in 0..<longest { out[i * longest + j] = j < row.count ? row[j] : pad }
      }
    }

    /// The first of the greatest.
    private static func best(_ scores: UnsafeMutableBufferPointer<Float>) -> Int {
      var best = 0
      for t in scores.indices where scores[t] > scores[best] { best = t }
      return best
    }
  }
}

/// How Sampling draws: from the likeliest tokens that have `mass` together. With `isCustom` these are looked for from
/// the likeliest on, otherwise from the least likely, of which at least `least` are kept.
private struct SamplingRule: Sendable {
  let temperature: Float
  let presencePenalty: Float
  let mass: Float
  let least: Int
  let filter: Float
  let isCustom: Bool

  init(_ c: KernelContext) throws {
    (temperature, presencePenalty) = (try c.float("temperature"), try c.float("presence_penalty"))
    (mass, filter) = (try c.float("top_p"), try c.float("filter_value"))
    (least, isCustom) = (try c.int("min_tokens_to_keep"), try c.bool("custom"))
  }

  func choose(
    _ scores: UnsafeMutableBufferPointer<Float>, _ random: inout MinimalStandard, _ r: RunContext
  ) throws -> Int {
    let order = scores.indices.sorted { isCustom ? scores[$0] > scores[$1] : scores[$0] < scores[$1] }, n = order.count
    let mark = r.environment.scratch.mark
    defer { r.environment.scratch.release(to: mark) }
    let shares = try r.scratch(n, of: Float.self)
    for (i, t) in order.enumerated() { shares[i] = scores[t] }
    try Kernels.Softmax.apply(.softmax, .float, shares, [1, n], axis: 1, to: shares)
    var sum: Float = 0
    for i in 0..<max(0, isCustom ? n - 1 : n - max(0, min(least, n))) {
      sum += shares[i]
      if isCustom, sum > mass { scores[order[i + 1]] = filter }
      if !isCustom, sum <= 1 - mass { scores[order[i]] = filter }
    }
    return Self.draw(scores, random.next())
  }

  /// The token that a number in [0, 1) stands for, by the probabilities.
  private static func draw(_ scores: UnsafeMutableBufferPointer<Float>, _ u: Double) -> Int {
    let top = Double(scores.lazy.filter(\.isFinite).max() ?? 0)
    var sum = 0.0
    let cumulated = scores.map { s -> Double in
      if s.isFinite { sum += exp(Double(s) - top) }
      return sum
    }
    return cumulated.firstIndex { $0 > u * sum } ?? scores.count - 1
  }
}

/// The generator of Park and Miller (Random number generators: good ones are hard to find. CACM 1988), with the factor
/// 16807: poor, but what onnxruntime draws with, so that a seed gives the same tokens here.
struct MinimalStandard {
  private static let modulus: UInt64 = 0x7fff_ffff
  private var state: UInt64

  init(seed: Int) {
    state = UInt64(truncatingIfNeeded: seed) & 0xffff_ffff
    state = state % Self.modulus == 0 ? 1 : state % Self.modulus
  }

  /// In [0, 1), of two draws.
  mutating func next() -> Double {
    let range = Double(Self.modulus - 1)
    func draw(_ s: inout UInt64) -> Double {
      s = s * 16807 % Self.modulus
      return Double(s - 1)
    }
    let low = draw(&state), high = draw(&state)
    return min((low + high * range) / (range * range), 1 - 0x1p-53)
  }
}
