import Glibc
import Tensors

/// What is done to the scores of next tokens before one is chosen, in this order: repetition penalty, n-grams that must
/// not come twice, masks of the vocabulary, a least length, temperature, presence penalty, Whisper's timestamps.
struct LogitsProcessors {
  /// The score of what must not be chosen.
  static let forbidden = -Float.greatestFiniteMagnitude

  var repetitionPenalty: Float = 1
  /// The length of n-grams that must not come twice; 0: all may.
  var ngram = 0
  /// 1 for the tokens that are allowed: [vocabulary], and [batch, vocabulary] for the first step.
  var mask: Tensor?
  var firstMask: Tensor?
  var leastLength = 0
  var end = -1
  var temperature: Float = 1
  /// [batch, vocabulary], and what is taken off where it is 1.
  var presence: Tensor?
  var presencePenalty: Float = 0
  var timestamps: TimestampRules?

  /// Masks of the node's inputs at these places, whose shapes are checked.
  mutating func takeMasks(
    _ r: RunContext, mask i: Int, first j: Int, presence k: Int?, batch: Int, vocabulary: Int
  ) throws {
    func read(_ i: Int, _ shape: [Int]) throws -> Tensor? {
      let t = try r.optionalInput(i)
      try checkShape(
        t.map { $0.shape == shape && $0.type == .int32 } ?? true,
        "input \(i) has the shape \(t?.shape ?? []), not \(shape)")
      return t
    }
    mask = try read(i, [vocabulary])
    firstMask = try read(j, [batch, vocabulary])
    presence = try k.flatMap { try read($0, [batch, vocabulary]) }
  }

  /// - Parameter rows: the tokens so far.
  /// - Parameter batch: the number of sequences, each of which has the same number of rows.
  func apply(_ scores: TokenScores, _ rows: [[Int32]], batch: Int, isFirst: Bool) {
    let beams = max(1, scores.rows / max(batch, 1))
    for (i, row) in rows.enumerated() {
      let s = scores[i]
      func token(_ t: Int32) -> Int? { t >= 0 && Int(t) < s.count ? Int(t) : nil }
      if repetitionPenalty != 1 {
        for t in Set(row).compactMap(token) { s[t] = s[t] < 0 ? s[t] * repetitionPenalty : s[t] / repetitionPenalty }
      }
      if ngram > 0, ngram <= row.count {
        let prefix = row.suffix(ngram - 1)
        for start in 0...row.count - ngram where row[start..<start + ngram - 1].elementsEqual(prefix) {
          if let t = token(row[start + ngram - 1]) { s[t] = Self.forbidden }
        }
      }
      if let mask { Self.forbid(s, mask.pointer(Int32.self)) }
      if isFirst, let firstMask { Self.forbid(s, firstMask.pointer(Int32.self) + i / beams * s.count) }
      if row.count < leastLength, end >= 0, end < s.count { s[end] = Self.forbidden }
      if temperature > 0, temperature != 1 {
        for t in s.indices { s[t] /= temperature }
      }
      if let presence {
        let marks = presence.pointer(Int32.self) + i / beams * s.count
        for t in s.indices { s[t] -= Float(marks[t]) * presencePenalty }
      }
      timestamps?.apply(s, row)
    }
  }

  private static func forbid(_ s: UnsafeMutableBufferPointer<Float>, _ mask: UnsafePointer<Int32>) {
    for t in s.indices where mask[t] == 0 { s[t] = forbidden }
  }
}

/// Whisper's rules for tokens that stand for times: they come in pairs, never go back, and come first.
struct TimestampRules {
  let end: Int
  let startOfTranscript: Int
  let translate: Int
  let transcribe: Int
  let startOfLanguageModel: Int
  let noTimestamps: Int
  /// The token of the time 0; all behind it are times.
  let begin: Int
  /// How far from 0 the first time may be.
  private let mostInitial = 50

  func apply(_ s: UnsafeMutableBufferPointer<Float>, _ row: [Int32]) {
    func forbid(_ tokens: Range<Int>) {
      for t in tokens.clamped(to: s.indices) { s[t] = LogitsProcessors.forbidden }
    }
    func isTime(_ t: Int32) -> Bool { Int(t) >= begin }
    // Up to the first time, or to the end of what there is.
    let sampled = row.firstIndex(where: isTime).map { $0 + 1 } ?? row.count
    for t in [noTimestamps, startOfLanguageModel] { forbid(t..<t + 1) }
    if row.count > sampled {
      for t in [startOfTranscript, translate, transcribe] { forbid(t..<t + 1) }
    }
    let endsInTime = row.last.map(isTime) ?? false
    let isPair = row.count <= sampled || isTime(row[row.count - 2])
    if endsInTime { forbid(isPair ? begin..<s.count : 0..<max(end, 0)) }
    if let last = row.last(where: isTime) { forbid(begin..<Int(last) + (endsInTime && !isPair ? 0 : 1)) }
    if row.count == sampled { forbid(begin + mostInitial + 1..<max(s.count, begin + mostInitial + 1)) }
    // A time is due when all of them together are likelier than any text.
    let times = s[begin...], best = times.max() ?? LogitsProcessors.forbidden
    let sum = times.reduce(Float(0)) { $1 > LogitsProcessors.forbidden ? $0 + expf($1 - best) : $0 }
    let text = s[..<begin].max() ?? LogitsProcessors.forbidden
    if sum > 0, logf(sum) + best > text { forbid(0..<begin) }
  }
}
