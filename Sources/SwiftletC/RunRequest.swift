import CSwiftlet
import Swiftlet

extension PortTable {
  /// Ports 0, 1, ... as many as given.
  func firstPorts(_ count: Int, _ what: String) throws -> [Int] {
    guard count >= 0, count <= ports.count else {
      throw SwiftletError(.invalidArgument, "\(count) \(what) for a model that has \(ports.count)")
    }
    return Array(0..<count)
  }

  func ports(numbered numbers: UnsafeBufferPointer<Int>, _ what: String) throws -> [Int] {
    _ = try firstPorts(numbers.count, what)
    for i in numbers { _ = try checked(i, what) }
    return try distinct(Array(numbers))
  }

  /// The port of that number.
  func checked(_ number: Int, _ what: String) throws -> Port {
    guard ports.indices.contains(number) else {
      throw SwiftletError(.invalidArgument, "number \(number) is out of range: the model has \(ports.count) \(what)")
    }
    return ports[number]
  }

  func ports(named names: UnsafeBufferPointer<UnsafePointer<CChar>?>, _ what: String) throws -> [Int] {
    _ = try firstPorts(names.count, what + "s")
    return try distinct(
      names.map {
        let name = try string($0, "the name of an \(what)")
        guard let i = index(of: name) else {
          let known = ports.map { "'\($0.name)'" }.joined(separator: ", ")
          throw SwiftletError(.invalidArgument, "the model has no \(what) '\(name)'; it has \(known)")
        }
        return i
      })
  }

  private func distinct(_ indexes: [Int]) throws -> [Int] {
    var seen: Set<Int> = []
    for i in indexes where !seen.insert(i).inserted {
      throw SwiftletError(.invalidArgument, "'\(ports[i].name)' is given twice")
    }
    return indexes
  }
}

/// A run as the core takes it, out of what a C program gave; all of it is checked.
struct RunRequest {
  private(set) var inputs: [String: Value] = [:]
  let outputNames: [String]
  /// The caller's memory for dense outputs.
  private(set) var destinations: [String: Tensor] = [:]
  private let slots: UnsafeMutablePointer<OpaquePointer?>?
  /// What the slots hold at the start.
  private var targets: [ValueObject?] = []

  init(
    _ model: ModelObject, _ values: UnsafePointer<OpaquePointer?>?, _ inputPorts: [Int],
    _ slots: UnsafeMutablePointer<OpaquePointer?>?, _ outputPorts: [Int]
  ) throws {
    self.slots = slots
    var ranges: [Range<UInt>] = []
    for (handle, i) in zip(try array(values, inputPorts.count, "inputs"), inputPorts) {
      let port = model.inputs.ports[i]
      guard let handle else {
        if case .optional(let type)? = port.type { inputs[port.name] = .optional(nil, type: type) }
        continue
      }
      let object = try required(handle, "the input '\(port.name)'", ValueObject.self)
      inputs[port.name] = try object.value().asInput(of: port)
      if let range = object.byteRange { ranges.append(range) }
    }
    outputNames = outputPorts.map { model.outputs.ports[$0].name }
    for (handle, i) in zip(try array(UnsafePointer(slots), outputPorts.count, "outputs"), outputPorts) {
      let port = model.outputs.ports[i]
      let target = try handle.map { try required($0, "the output '\(port.name)'", ValueObject.self) }
      targets.append(target)
      guard let target else { continue }
      if let range = target.byteRange {
        guard !ranges.contains(where: { $0.overlaps(range) }) else {
          throw SwiftletError(
            .invalidArgument, "the memory of output '\(port.name)' is also that of an input or another output",
            tensor: port.name)
        }
        ranges.append(range)
      }
      try plan(target, port)
    }
  }

  /// Notes where an output goes, unless it can't go there.
  private mutating func plan(_ target: ValueObject, _ port: Port) throws {
    switch target.content {
    case .strided: throw SwiftletError(.invalidArgument, "a tensor with strides can't take the output '\(port.name)'")
    case .value(.tensor(let t)):
      if let type = port.type?.elementType, type != t.type {
        throw SwiftletError(
          .type, "the output '\(port.name)' is \(type.name), the given tensor is \(t.type.name)", tensor: port.name)
      }
      if t.type != .string { destinations[port.name] = t }
    case .value:
      throw SwiftletError(.type, "only tensors can take outputs: '\(port.name)'", tensor: port.name)
    }
  }

  /// Puts the results into the slots: all or none.
  func handOut(_ results: [Value]) throws {
    guard let slots else { return }
    var made: [OpaquePointer?] = []
    do {
      for (i, (result, target)) in zip(results, targets).enumerated() {
        if let target {
          if target.tensorInfo?.type == .string { try replace(target, result, outputNames[i]) }
          made.append(nil)
        } else {
          made.append(try makeHandle(ValueObject(result)))
        }
      }
    } catch {
      for handle in made { freeHandle(handle, ValueObject.self) }
      throw error
    }
    for (i, handle) in made.enumerated() where handle != nil { slots[i] = handle }
  }

  private func replace(_ target: ValueObject, _ result: Value, _ name: String) throws {
    guard case .tensor(let t) = result, t.type == .string else {
      throw SwiftletError(.type, "the output '\(name)' is no tensor of strings", tensor: name)
    }
    guard t.shape == target.tensorInfo?.shape else {
      throw SwiftletError(.shape, "the output '\(name)' has the shape \(t.shape)", tensor: name)
    }
    try target.replaceStrings(by: t)
  }
}

extension ValueObject {
  /// The addresses of the elements; nil if there are none.
  fileprivate var byteRange: Range<UInt>? {
    let bytes: Int
    switch content {
    case .value(.tensor(let t)): bytes = t.byteCount
    case .strided(let t): bytes = t.count == 0 ? 0 : t.buffer.byteCount
    default: return nil
    }
    guard bytes > 0, let base = self.bytes else { return nil }
    let start = UInt(bitPattern: base)
    return start..<start + UInt(bytes)
  }
}

extension Value {
  /// An optional takes the type that the model declares.
  fileprivate func asInput(of port: Port) -> Value {
    guard case .optional(let inside, _) = self, case .optional(let type)? = port.type else { return self }
    return .optional(inside, type: type)
  }
}
