import Glibc
import Kernels
import Tensors

extension BeamSearch {
  /// What a run asks for.
  struct Settings {
    let batch: Int
    let beams: Int
    let returned: Int
    let longest: Int
    let lengthPenalty: Float
    /// Without masks, whose size only the logits tell.
    let processors: LogitsProcessors

    /// Every prompt for each beam.
    func repeated(_ prompts: [[Int32]]) -> [[Int32]] { prompts.flatMap { Array(repeating: $0, count: beams) } }
  }

  /// The attributes, and the search itself.
  struct Search: Sendable {
    let padding: Int
    private let end: Int
    private let ngram: Int
    private let vocabulary: Int
    private let stopsEarly: Bool
    private let isWhisper: Bool
    private let noSpeech: Int
    private let timestamps: TimestampRules?

    init(_ c: KernelContext) throws {
      (end, padding) = (try c.int("eos_token_id"), try c.int("pad_token_id"))
      (ngram, vocabulary) = (try c.int("no_repeat_ngram_size"), try c.int("vocab_size"))
      stopsEarly = try c.bool("early_stopping")
      isWhisper = c.node.opType == "WhisperBeamSearch"
      noSpeech = isWhisper ? try c.int("no_speech_token_id") : -1
      timestamps = isWhisper ? try TimestampRules(c) : nil
    }

    func token(_ value: Int, _ name: String) throws -> Int32 {
      guard value >= 0, let token = Int32(exactly: value) else {
        throw SwiftletError(.invalidModel, "\(name) is \(value)")
      }
      return token
    }
    func startToken(_ c: KernelContext) throws -> Int32 {
      try token(c.int("decoder_start_token_id"), "decoder_start_token_id")
    }

    /// 1 where a token counts: all but the padding in front.
    func paddingMask(_ ids: Tensor, _ r: RunContext) throws -> Tensor {
      try Generation.tensor(
        Generation.rows(ids).map { row in
          let first = row.firstIndex { Int($0) != padding } ?? row.count
          return row.indices.map { $0 < first ? 0 : 1 }
        }, r)
    }

    func settings(_ r: RunContext, batch: Int) throws -> Settings {
      var processors = LogitsProcessors()
      processors.repetitionPenalty = Float(try r.optionalInput(6)?.scalar() ?? 1)
      guard processors.repetitionPenalty > 0 else {
        throw SwiftletError(.runtime, "repetition_penalty is \(processors.repetitionPenalty)")
      }
      (processors.ngram, processors.end, processors.leastLength) = (ngram, end, try r.optionalInput(2)?.int() ?? 0)
      if isWhisper { processors.temperature = Float(try r.optionalInput(14)?.scalar() ?? 1) }
      if isWhisper, try r.optionalInput(11)?.int() == 1 { processors.timestamps = timestamps }
      let beams = try r.input(3).int(), returned = try r.input(4).int()
      guard beams > 0, beams <= Generation.mostBeams, returned > 0, returned <= beams else {
        throw SwiftletError(
          .runtime, "num_beams is \(beams) (at most \(Generation.mostBeams)), num_return_sequences \(returned)")
      }
      // The sequences of all beams, which grow outside of the memory that is counted.
      let longest = try r.input(1).int()
      _ = try r.scratch(
        Checked.multiply(Checked.multiply(batch, beams), 4 * min(max(longest, 0), Generation.longest) + 64))
      return Settings(
        batch: batch, beams: beams, returned: returned, longest: longest,
        lengthPenalty: Float(try r.optionalInput(5)?.scalar() ?? 1), processors: processors)
    }

    /// - Parameter prompts: what the sequences begin with, all of one length.
    func run(_ r: RunContext, _ model: any GenerationModel, _ prompts: [[Int32]], _ s: Settings) throws {
      let pad = try token(padding, "pad_token_id"), sequences = try r.output(0)
      guard let length = prompts.first?.count else { return try empty(r, s) }
      guard length > 0, s.longest > length else {
        throw SwiftletError(.runtime, "max_length is \(s.longest) for a prompt of \(length) tokens")
      }
      var rows = s.repeated(prompts), processors = s.processors
      var logits = try model.begin(r)
      let scores = try TokenScores(for: logits, rows: rows.count, vocabulary: vocabulary, r), width = scores.vocabulary
      try processors.timestamps?.check(vocabulary: width)
      try processors.takeMasks(r, mask: 7, first: 8, presence: nil, batch: s.batch, vocabulary: width)
      var steps = try r.hasOutput(2) ? StepScores(r, [s.longest - length, s.batch, s.beams, width]) : nil
      // Beams of a sequence are alike at first: only one of them counts.
      var sums = rows.indices.map { $0 % s.beams == 0 ? Float(0) : -1e9 }
      var found = Array(repeating: BeamHypotheses(capacity: s.beams, lengthPenalty: s.lengthPenalty), count: s.batch)
      while true {
        try scores.read(logits, r)
        try Kernels.Softmax.apply(
          .logSoftmax, .float, scores.data, [rows.count, width], axis: 1, to: scores.data, pool: r.pool)
        let isFirst = rows[0].count == length
        if isFirst { try writeNoSpeech(scores, s, r) }
        processors.apply(scores, rows, batch: s.batch, isFirst: isFirst)
        for i in rows.indices {
          for t in 0..<width { scores[i][t] += sums[i] }
        }
        try steps?.append(scores, r)
        let next = try choose(scores, rows, &found, s, pad)
        rows = zip(next.origins, next.tokens).map { rows[$0] + [$1] }
        sums = next.sums
        if rows[0].count == s.longest || found.allSatisfy(\.isDone) { break }
        logits = try model.advance(rows, origins: next.origins, r)
      }
      for i in rows.indices where !found[i / s.beams].isDone { found[i / s.beams].add(rows[i], sum: sums[i]) }
      let out = sequences.elements(Int32.self)
      for b in 0..<s.batch {
        for (k, sequence) in found[b].best.prefix(s.returned).enumerated() {
          let to = (b * s.returned + k) * s.longest
          for j in 0..<s.longest { out[to + j] = j < sequence.tokens.count ? sequence.tokens[j] : pad }
        }
      }
      try steps?.finish(r)
      guard r.hasOutput(1) else { return }
      try r.writing(1) { y in
        for i in 0..<y.count { y.pointer(Float.self)[i] = found[i / s.returned].best[i % s.returned].score }
      }
    }

    /// What comes next: for each sequence the best continuations, of which those that end it are put aside.
    private func choose(
      _ scores: TokenScores, _ rows: [[Int32]], _ found: inout [BeamHypotheses], _ s: Settings, _ pad: Int32
    ) throws -> (tokens: [Int32], origins: [Int], sums: [Float]) {
      var next: (tokens: [Int32], origins: [Int], sums: [Float]) = ([], [], [])
      for b in 0..<s.batch {
        if found[b].isDone {
          next.tokens += Array(repeating: pad, count: s.beams)
          next.origins += Array(repeating: b * s.beams, count: s.beams)
          next.sums += Array(repeating: 0, count: s.beams)
          continue
        }
        let from = UnsafeBufferPointer(start: scores[b * s.beams].baseAddress, count: s.beams * scores.vocabulary)
        let best = Self.greatest(from, 2 * s.beams)
        var open = 0
        for (place, candidate) in best.enumerated() where open < s.beams {
          let origin = b * s.beams + candidate.index / scores.vocabulary, token = candidate.index % scores.vocabulary
          if token == end {
            if place < s.beams { found[b].add(rows[origin], sum: candidate.score) }
            continue
          }
          next.tokens.append(Int32(truncatingIfNeeded: token))
          next.origins.append(origin)
          next.sums.append(candidate.score)
          open += 1
        }
        guard open == s.beams, let top = best.first?.score else {
          throw SwiftletError(
            .runtime, "\(scores.vocabulary) tokens are too few for \(s.beams) beams, or scores are not numbers")
        }
        found[b].close(stopsEarly: stopsEarly, bestSum: top, length: rows[b * s.beams].count)
      }
      return next
    }

    /// The greatest numbers, falling; the first of equals comes first.
    private static func greatest(_ x: UnsafeBufferPointer<Float>, _ count: Int) -> [(index: Int, score: Float)] {
      var best: [(index: Int, score: Float)] = []
      var least = -Float.infinity
      for (i, v) in x.enumerated() where best.count < count && !v.isNaN || v > least {
        let place = best.lastIndex { $0.score >= v }.map { $0 + 1 } ?? 0
        best.insert((i, v), at: place)
        if best.count > count { best.removeLast() }
        if best.count == count { least = best[count - 1].score }
      }
      return best
    }

    /// The probability that nothing is said, by the first step.
    private func writeNoSpeech(_ scores: TokenScores, _ s: Settings, _ r: RunContext) throws {
      guard isWhisper, r.hasOutput(4) else { return }
      try checkModel(noSpeech >= 0 && noSpeech < scores.vocabulary, "no_speech_token_id is \(noSpeech)")
      try r.writing(4) { y in
        for b in 0..<y.count { y.pointer(Float.self)[b] = expf(scores[b * s.beams][noSpeech]) }
      }
    }

    private func empty(_ r: RunContext, _ s: Settings) throws {
      for i in [1, 4] where r.hasOutput(i) { _ = try r.output(i) }
      if r.hasOutput(2) { _ = try r.output(2, .float, [0, 0, s.beams, max(vocabulary, 0)]) }
    }
  }

  /// The output `scores`: those of all steps, zeros behind the last.
  private struct StepScores {
    private let all: Tensor
    private var used = 0

    init(_ r: RunContext, _ shape: [Int]) throws {
      all = try r.scratchTensor(.float, shape)
      all.data.initializeMemory(as: UInt8.self, repeating: 0, count: all.byteCount)
    }

    mutating func append(_ scores: TokenScores, _ r: RunContext) throws {
      let count = scores.rows * scores.vocabulary
      guard used + count <= all.count else { throw SwiftletError(.internal, "more steps than there is room for") }
      (all.pointer(Float.self) + used).update(from: scores.data, count: count)
      used += count
    }

    func finish(_ r: RunContext) throws {
      let type = try r.optionalInput(5)?.type ?? .float
      let y = try r.output(2, type.isHalf ? type : .float, all.shape)
      try Cast.apply(.float, all.data, to: y.type, y.data, all.count, pool: r.pool)
    }
  }
}

extension TimestampRules {
  init(_ c: KernelContext) throws {
    self.init(
      end: try c.int("eos_token_id"), startOfTranscript: try c.int("decoder_start_token_id"),
      translate: try c.int("translate_token_id"),
      transcribe: try c.int("transcribe_token_id"), startOfLanguageModel: try c.int("start_of_lm_token_id"),
      noTimestamps: try c.int("no_timestamps_token_id"), begin: try c.int("beginning_timestamp_token_id"))
  }

  func check(vocabulary: Int) throws {
    try checkModel(
      begin > 0 && begin < vocabulary, "beginning_timestamp_token_id is \(begin) for a vocabulary of \(vocabulary)")
    try checkModel(
      [end, startOfTranscript, translate, transcribe, startOfLanguageModel, noTimestamps].allSatisfy {
        $0 >= -1 && $0 < vocabulary
      },
      "a token is out of the vocabulary of \(vocabulary)")
  }
}
