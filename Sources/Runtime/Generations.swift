import Tensors

/// The models that a stream makes as it arrives, each better than the one before. Sessions take the newest at each run.
public final class Generations: @unchecked Sendable {
  private let lock = Lock()
  private var model: Model
  private var count = 1

  init(_ first: Model) { model = first }

  /// The newest model, and its number from 1 on.
  public var newest: (model: Model, number: Int) { lock.locked { (model, count) } }

  func publish(_ next: Model) {
    lock.locked {
      model = next
      count += 1
    }
  }
}
