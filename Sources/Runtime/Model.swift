import CSystem
import Graphs
import Kernels
import ONNX
import Operators
import Passes
import Tensors

/// An input or output of a model.
public struct Port: Sendable {
  public let name: String
  /// nil: the model doesn't say and it can't be told.
  public let type: ValueType?
}

/// A loaded model: read, checked, optimised, prepared. Sessions and threads share it. It never changes, unless it comes
/// through a stream: then it gets better generations from time to time.
public final class Model: @unchecked Sendable {
  public let inputs: [Port]
  public let outputs: [Port]
  /// Initializers that a caller may feed as inputs (with a program made for that, once).
  public let overridable: [Port]
  public let info: ModelInfo
  // Guarded by the lock.
  private let lock = Lock()
  private var current: Generation
  private var sessions: [Follower] = []
  private var lastTypes: [ValueType?]?

  public convenience init(path: String, limits: ModelLimits = ModelLimits()) throws {
    try self.init(source: ModelSource(path: path), limits: limits)
  }

  /// - Parameter source: a model, or a progressive container that is there whole.
  /// - Parameter cancellation: ends the loading when it is cancelled or its deadline passes.
  public convenience init(
    source: ModelSource, limits: ModelLimits = ModelLimits(), cancellation: Cancellation = Cancellation()
  ) throws {
    let source = try source.unpacked(limits, cancellation: cancellation)
    self.init(try Generation(source: source, limits: limits, cancellation: cancellation))
  }

  init(_ first: Generation) {
    inputs = first.inputs
    outputs = first.outputs
    overridable = first.overridable
    info = first.info
    current = first
  }

  /// What a run that begins now takes.
  var newest: Generation { lock.locked { current } }
  public var report: PassReport { newest.report }
  public var program: Program { newest.program }
  public var source: ModelSource { newest.source }

  // MARK: Streams

  /// Lets runs that begin from now on take another generation. Sessions that aren't running let go of the old one.
  func publish(_ next: Generation) {
    let following = lock.locked {
      current = next
      sessions.removeAll { $0.session == nil }
      return sessions.compactMap(\.session)
    }
    for session in following { session.letGo(except: next) }
  }
  func follow(_ session: Session) { lock.locked { sessions.append(Follower(session: session)) } }
  private struct Follower {
    weak var session: Session?
  }

  /// What the inputs of the last run were; nil before the first.
  var lastInputTypes: [ValueType?]? {
    get { lock.locked { lastTypes } }
    set { lock.locked { lastTypes = newValue } }
  }
}

/// Limits against hostile models, and choices for loading.
public struct ModelLimits: Sendable {
  /// Bytes that loading may take beside the file itself.
  public var memory = Int.max
  public var nodes = 1_000_000
  /// Whether graph passes run.
  public var optimizes = true
  public init() {}
}

/// What the file says about itself.
public struct ModelInfo: @unchecked Sendable {
  public let irVersion: Int
  public let opsets: [String: Int]
  public let producerName: String
  public let producerVersion: String
  public let domain: String
  public let modelVersion: Int
  public let documentation: String
  public let graphName: String
  public let metadata: [(key: String, value: String)]
  public let weightBytes: Int
  public let nodeCount: Int

  init(_ m: ModelGraph) {
    irVersion = m.irVersion
    opsets = m.opsets
    producerName = m.producerName
    producerVersion = m.producerVersion
    domain = m.domain
    modelVersion = m.modelVersion
    documentation = m.documentation
    graphName = m.graph.name
    metadata = m.metadata
    weightBytes = m.weightBytes
    nodeCount = m.graph.nodes.count
  }
}
