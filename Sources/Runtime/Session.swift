import CSystem
import Graphs
import Kernels
import Operators
import Tensors

public struct SessionOptions {
  /// Worker threads including the caller; 0: one per core.
  public var threads = 0
  /// Bytes of activations, scratch and outputs that the session may hold.
  public var memoryLimit = Int.max
  /// The same results at every run, also of random operators without a seed.
  public var isDeterministic = true
  public var profiles = false
  /// Runs on this allocator and pool when given.
  public var allocator: Allocator?
  public var pool: ThreadPool?
  public init() {}
}

/// Runs a model. One run at a time; several sessions of one model may run at once.
public final class Session: @unchecked Sendable {
  public let model: Model
  /// The number of the last run's generation; 0 before the first run, and for models that don't come through a stream.
  public private(set) var generation = 0
  private let environment: RunEnvironment
  private let options: SessionOptions
  private let busy: UnsafeMutablePointer<Int32>
  private var arena: Buffer?
  private var plans: [(key: [Int], plan: Plan)] = []
  private var subgraphPlans = SubgraphPlans()
  private let lock = Lock()
  /// What the plans are for; guarded by the lock, like whether it is in use.
  private var planned: Generation?
  private var isRunning = false
  private var runs: UInt64 = 0
  public private(set) var profile = Profile()

  /// Plans for this many signatures are kept; the one unused for longest goes first.
  private static let planLimit = 16

  public init(_ model: Model, _ options: SessionOptions = SessionOptions()) throws {
    self.model = model
    self.options = options
    let pool = try options.pool ?? (ThreadPool(width: options.threads > 0 ? options.threads : Int(sws_processor_count())))
    environment = RunEnvironment(
      pool: pool,
      allocator: options.allocator ?? Allocator(limit: options.memoryLimit, keeping: Allocator.keptBySession),
      cancellation: Cancellation())
    busy = .allocate(capacity: 1)
    busy.initialize(to: 0)
    if model.newest.number > 0 { model.follow(self) }
  }
  deinit {
    busy.deallocate()
    environment.allocator.trim()
  }

  /// Makes the run that is going on end with an error soon; from any thread. A run that begins later isn't affected.
  public func cancel() { environment.cancellation.cancel() }
  public var isBusy: Bool { sws_atomic_load(busy) != 0 }

  /// Bytes in use and the most that were in use, of activations, scratch and outputs.
  public var memory: (used: Int, peak: Int) { (environment.allocator.used, environment.allocator.peak) }
  /// Bytes of the arena for activations.
  public var arenaBytes: Int { arena?.byteCount ?? 0 }

  /// Runs the model.
  /// - Parameter inputs: all inputs of the model by name, and overridable initializers if wished.
  /// - Parameter outputs: names of the wanted outputs; nil: all, in the model's order. Only what they need is computed.
  /// - Parameter destinations: memory for outputs by name; used when type and shape fit, else it is an error.
  /// - Parameter deadline: monotonic nanoseconds (`sws_now`).
  /// - Parameter cancellation: ends the run too when it is cancelled, before or during the run.
  public func run(
    _ inputs: [String: Value], outputs: [String]? = nil, into destinations: [String: Tensor] = [:], deadline: UInt64? = nil,
    cancellation: Cancellation? = nil
  ) throws -> [Value] {
    guard sws_atomic_exchange(busy, 1) == 0 else {
      throw SwiftletError(.busy, "the session is running already; make another session for another thread")
    }
    environment.cancellation.reset()
    environment.cancellation.deadline = deadline
    environment.cancellation.linked = cancellation
    defer {
      environment.cancellation.linked = nil
      sws_atomic_store(busy, 0)
    }
    return try withNewest { newest in
      generation = newest.number
      let overridden = Set(inputs.keys.filter { name in newest.overridable.contains { $0.name == name } })
      return try run(newest.variant(overriding: overridden), overridden.sorted(), inputs, outputs, destinations)
    }
  }

  /// Calls `body` with the newest generation, and keeps it until then.
  private func withNewest<R>(_ body: (Generation) throws -> R) rethrows -> R {
    let newest = lock.locked {
      isRunning = true
      let newest = model.newest
      if newest !== planned { forgetPlans() }
      planned = newest
      return newest
    }
    defer {
      lock.locked {
        isRunning = false
        if newest !== model.newest { forgetPlans() }
      }
    }
    return try body(newest)
  }

  /// Lets another generation than `newest` go, from any thread; a run that is going on does it at its end.
  func letGo(except newest: Generation) {
    lock.locked {
      if !isRunning, planned !== newest { forgetPlans() }
    }
  }

  private func forgetPlans() {
    planned = nil
    plans = []
    subgraphPlans = SubgraphPlans()
  }

  private func run(
    _ model: Generation, _ variant: [String], _ inputs: [String: Value], _ wanted: [String]?, _ destinations: [String: Tensor]
  ) throws -> [Value] {
    try model.source.checkUnchanged()
    let graph = model.program.graph
    let values = try check(inputs, of: model)
    if let unknown = inputs.keys.first(where: { name in
      !model.inputs.contains { $0.name == name } && !model.overridable.contains { $0.name == name }
    }) {
      throw SwiftletError(
        .invalidArgument, "the model has no input '\(unknown)'; it has \(model.inputs.map { "'\($0.name)'" }.joined(separator: ", "))")
    }
    let ids = try wanted?.map { name in
      guard let i = model.outputs.firstIndex(where: { $0.name == name }) else {
        throw SwiftletError(
          .invalidArgument,
          "the model has no output '\(name)'; it has \(model.outputs.map { "'\($0.name)'" }.joined(separator: ", "))")
      }
      return graph.outputs[i].index
    } ?? graph.outputs.map(\.index)
    let plan = try plan(model, variant, values, ids)
    if plan.memory.arenaBytes > arena?.byteCount ?? 0 {
      arena = nil
      arena = try environment.allocator.allocate(plan.memory.arenaBytes)
    }
    if model.number > 0, variant.isEmpty { self.model.lastInputTypes = values.map(\.type) }
    runs += 1
    environment.begin(seed: options.isDeterministic ? 1 : runs &* 0x9e37_79b9_7f4a_7c15 ^ sws_now())
    return try execute(plan, values, wanted ?? model.outputs.map(\.name), destinations)
  }

  private func execute(
    _ plan: Plan, _ inputs: [Value], _ names: [String], _ destinations: [String: Tensor]
  ) throws -> [Value] {
    let graph = plan.program.graph
    let frame = Frame(values: plan.initial, subgraphPlans)
    for (id, v) in zip(graph.inputs, inputs) { frame.values[id.index] = v }
    let planned = try plan.plannedOutputs(in: arena)
    if options.profiles { profile.begin() }
    for (s, step) in plan.steps.enumerated() {
      let start = options.profiles ? sws_now() : 0
      let kernel = try frame.execute(step.instruction, planned: planned[s], environment)
      if options.profiles { profile.add(step.instruction, kernel, from: start, to: sws_now(), frame) }
      for v in step.releases { frame.values[v] = nil }
    }
    var taken: Set<ObjectIdentifier> = []
    return try zip(plan.outputs, names).map { id, name in
      guard let v = frame.values[id] else { throw SwiftletError(.runtime, "the output '\(name)' has no value") }
      if let to = destinations[name] { return try Self.copy(v, into: to, name) }
      return try handOut(v, &taken)
    }
  }

  /// An output that leaves the session, for a caller who may write to it: what stands in memory that is not its alone
  /// (the model's, an input's, the arena's, another output's) is copied.
  private func handOut(_ value: Value, _ taken: inout Set<ObjectIdentifier>) throws -> Value {
    switch value {
    case .tensor(let t):
      let isOurs = t.buffer.owner === environment.allocator && !t.buffer.isTransient
      let isFree = isOurs && taken.insert(ObjectIdentifier(t.buffer)).inserted
      return isFree ? value : .tensor(try t.copied(from: environment.allocator))
    case .sequence(let elements, let type):
      return .sequence(try elements.map { try handOut($0, &taken) }, elementType: type)
    case .optional(let content, let type):
      return .optional(try content.map { try handOut($0, &taken) }, type: type)
    case .map(let m):
      guard case .tensor(let keys) = try handOut(.tensor(m.keys), &taken),
        case .tensor(let values) = try handOut(.tensor(m.values), &taken)
      else { return value }
      return .map(try MapValue(keys: keys, values: values))
    }
  }

  private static func copy(_ value: Value, into to: Tensor, _ name: String) throws -> Value {
    guard case .tensor(let t) = value, t.type == to.type, t.shape == to.shape else {
      throw SwiftletError(
        .shape, "the output '\(name)' is \(value.type), the given buffer is \(to.type.name)\(to.shape)", tensor: name)
    }
    to.data.copyMemory(from: t.data, byteCount: t.byteCount)
    return .tensor(to)
  }

  private func plan(_ model: Generation, _ variant: [String], _ inputs: [Value], _ outputs: [Int]) throws -> Plan {
    var key = outputs + [-1, variant.hashValue]
    for v in inputs {
      key.append(-2)
      if case .tensor(let t) = v { key.append(contentsOf: t.shape) }
    }
    if let i = plans.firstIndex(where: { $0.key == key && $0.plan.program === model.program }) {
      if i != plans.count - 1 { plans.append(plans.remove(at: i)) }
      return plans[plans.count - 1].plan
    }
    let plan = try Plan(model.program, inputTypes: inputs.map(\.type), outputs: outputs, environment: environment)
    if plans.count == Self.planLimit { plans.removeFirst() }
    plans.append((key, plan))
    return plan
  }

  /// Shapes and types of the outputs for given inputs, before a run; unknown where only a run can tell.
  public func outputTypes(_ inputs: [String: Value]) throws -> [ValueType?] {
    let p = try plan(for: inputs)
    return p.outputs.map { p.types[$0] }
  }

  /// How activations are laid out in memory for given inputs.
  public func memoryPlan(_ inputs: [String: Value]) throws -> MemoryPlan { try plan(for: inputs).memory }

  private func plan(for inputs: [String: Value]) throws -> Plan {
    guard sws_atomic_exchange(busy, 1) == 0 else { throw SwiftletError(.busy, "the session is running already") }
    defer { sws_atomic_store(busy, 0) }
    return try withNewest { model in
      try plan(model, [], check(inputs, of: model), model.program.graph.outputs.map(\.index))
    }
  }

  /// The values of the model's inputs, in its order.
  private func check(_ inputs: [String: Value], of model: Generation) throws -> [Value] {
    try model.inputs.map { port in
      guard let v = inputs[port.name] else { throw SwiftletError(.invalidArgument, missing(inputs, model)) }
      try Self.check(v, port)
      return v
    }
  }

  private func missing(_ given: [String: Value], _ model: Generation) -> String {
    let lacking = model.inputs.filter { given[$0.name] == nil }
    return "missing inputs: " + lacking.map { "'\($0.name)' (\($0.type?.description ?? "of any type"))" }.joined(separator: ", ")
  }

  private static func check(_ value: Value, _ port: Port) throws {
    guard let declared = port.type else { return }
    switch (declared, value) {
    case (.tensor(let e, let shape), .tensor(let t)):
      guard e == t.type else {
        throw SwiftletError(.type, "the input '\(port.name)' must be \(e.name), not \(t.type.name)", tensor: port.name)
      }
      guard let shape else { return }
      let fits = shape.count == t.rank && zip(shape, t.shape).allSatisfy { d, n in d.value.map { $0 == n } ?? true }
      guard fits else {
        throw SwiftletError(.shape, "the input '\(port.name)' must be \(declared), not \(t.type.name)\(t.shape)", tensor: port.name)
      }
    case (.sequence, .sequence), (.optional, .optional), (.map, .map), (.optional, _): return
    default:
      throw SwiftletError(.type, "the input '\(port.name)' must be \(declared), not \(value.type)", tensor: port.name)
    }
  }
}
