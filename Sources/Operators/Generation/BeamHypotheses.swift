import Glibc

/// The best sequences that beam search has found for one prompt: as many as there are beams.
struct BeamHypotheses {
  let capacity: Int
  let lengthPenalty: Float
  private(set) var best: [(tokens: [Int32], score: Float)] = []
  /// Whether none of the open beams can make it better.
  private(set) var isDone = false

  init(capacity: Int, lengthPenalty: Float) { (self.capacity, self.lengthPenalty) = (capacity, lengthPenalty) }

  /// A sum of log-probabilities as it counts for a sequence of this length.
  private func score(_ sum: Float, length: Int) -> Float { sum / powf(Float(length), lengthPenalty) }

  /// Takes a sequence unless there are enough that are no worse.
  mutating func add(_ tokens: [Int32], sum: Float) {
    let score = score(sum, length: tokens.count)
    if best.count == capacity {
      if let worst = best.last, score <= worst.score { return }
      best.removeLast()
    }
    let place = best.firstIndex { $0.score < score } ?? best.count
    best.insert((tokens, score), at: place)
  }

  /// Closes the search when there are enough sequences and, unless it stops early, the best sum of what goes on
  /// promises nothing better.
  mutating func close(stopsEarly: Bool, bestSum: Float, length: Int) {
    guard best.count == capacity, let worst = best.last else { return }
    isDone = stopsEarly || worst.score >= score(bestSum, length: length)
  }
}
