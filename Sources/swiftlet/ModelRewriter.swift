import FoundationEssentials
import Swiftlet

/// Writes protobuf messages.
struct MessageWriter {
  private(set) var bytes: [UInt8] = []

  mutating func varint(_ value: Int) {
    var n = UInt64(bitPattern: Int64(value))
    while n >= 0x80 {
      bytes.append(UInt8(n & 0x7f) | 0x80)
      n >>= 7
    }
    bytes.append(UInt8(n))
  }
  mutating func field(_ number: Int, int: Int) {
    varint(number << 3)
    varint(int)
  }
  mutating func field(_ number: Int, _ payload: some Collection<UInt8>) {
    varint(number << 3 | 2)
    varint(payload.count)
    bytes.append(contentsOf: payload)
  }
  /// What is in a message already, tag and all.
  mutating func copy(_ source: UnsafeRawBufferPointer) { bytes.append(contentsOf: source) }
}

/// Changes initializers of a serialised model, puts some in place of nodes, adds outputs, and leaves every other byte as
/// it is.
struct ModelRewriter {
  /// What an initializer becomes.
  enum Form {
    /// TensorProto with all elements.
    case dense
    /// SparseTensorProto with the elements that aren't 0, by linear index, where that takes fewer bytes.
    case sparse
  }

  private static let (modelGraph, modelOpset, modelFunction) = (7, 8, 25)
  private static let (graphNode, graphInitializer, graphOutput, graphSparseInitializer, tensorName) = (1, 5, 12, 15, 8)
  private static let (nodeOutput, opsetDomain, functionDomain) = (2, 1, 10)
  /// Protobuf's limit.
  private static let mostBytes = Int(Int32.max)

  let source: ModelSource
  var form = Form.dense
  var tensors: [String: Tensor] = [:]
  /// Values that become outputs, too.
  var outputs: [String] = []
  /// Outputs of nodes that go: initializers take their place.
  var results: [String: Tensor] = [:]
  /// Initializers that go.
  var dropped: Set<String> = []
  /// The domain whose functions and operator set go.
  var droppedDomain: String?

  func model() throws -> Data {
    let all = UnsafeRawBufferPointer(start: source.bytes.base, count: source.bytes.byteCount)
    var writer = MessageWriter()
    var reader = try WireReader(source.bytes.base, 0..<all.count)
    while let field = try reader.next() {
      if field.number == Self.modelGraph {
        writer.field(Self.modelGraph, try graph(reader.message(field), all))
      } else if let droppedDomain, let place = Self.domainField(field.number),
        try text(place, of: reader.message(field)) == droppedDomain
      {
        continue
      } else {
        writer.copy(UnsafeRawBufferPointer(rebasing: all[field.offset..<reader.position]))
      }
    }
    guard writer.bytes.count <= Self.mostBytes else {
      throw SwiftletError(.unsupported, "the model would have \(writer.bytes.count) bytes; ONNX files end at 2 GB")
    }
    return Data(writer.bytes)
  }

  private func graph(_ message: WireReader, _ all: UnsafeRawBufferPointer) throws -> [UInt8] {
    var (writer, reader) = (MessageWriter(), message)
    while let field = try reader.next() {
      let name: String? =
        switch field.number {
        case Self.graphNode: try text(Self.nodeOutput, of: reader.message(field))
        case Self.graphInitializer: try text(Self.tensorName, of: reader.message(field))
        default: nil
        }
      if field.number == Self.graphNode, let name, let tensor = results[name] {
        writer.field(Self.graphInitializer, Self.dense(tensor, name: name))
      } else if field.number == Self.graphInitializer, let name, dropped.contains(name) {
        continue
      } else if field.number == Self.graphInitializer, let name, let tensor = tensors[name] {
        switch form {
        case .dense: writer.field(Self.graphInitializer, Self.dense(tensor, name: name))
        case .sparse:
          if let sparse = try Self.sparse(tensor, name: name) {
            writer.field(Self.graphSparseInitializer, sparse)
          } else {
            writer.field(Self.graphInitializer, Self.dense(tensor, name: name))
          }
        }
      } else {
        writer.copy(UnsafeRawBufferPointer(rebasing: all[field.offset..<reader.position]))
      }
    }
    for name in outputs {
      var info = MessageWriter()
      info.field(1, Array(name.utf8))
      writer.field(Self.graphOutput, info.bytes)
    }
    return writer.bytes
  }

  /// Where a message of the model has a domain.
  private static func domainField(_ number: Int) -> Int? {
    number == modelOpset ? opsetDomain : number == modelFunction ? functionDomain : nil
  }

  /// The first text in a field of a message.
  private func text(_ number: Int, of message: WireReader) throws -> String? {
    var reader = message
    while let field = try reader.next() { if field.number == number { return try reader.string(field) } }
    return nil
  }

  private static func message(_ type: ElementType, _ shape: [Int], name: String, _ raw: UnsafeRawBufferPointer) -> [UInt8] {
    var writer = MessageWriter()
    for d in shape { writer.field(1, int: d) }
    writer.field(2, int: Int(type.rawValue))
    writer.field(tensorName, Array(name.utf8))
    writer.field(9, raw)
    return writer.bytes
  }

  private static func dense(_ tensor: Tensor, name: String) -> [UInt8] {
    message(tensor.type, tensor.shape, name: name, UnsafeRawBufferPointer(start: tensor.data, count: tensor.byteCount))
  }

  /// nil: the dense form is smaller. (An index takes 8 bytes.)
  private static func sparse(_ tensor: Tensor, name: String) throws -> [UInt8]? {
    let size = tensor.type.bits / 8
    var values: [UInt8] = [], indices: [Int64] = []
    let bytes = UnsafeRawBufferPointer(start: tensor.data, count: tensor.byteCount)
    for i in 0..<tensor.count {
      let element = bytes[i * size..<(i + 1) * size]
      guard element.contains(where: { $0 != 0 }) else { continue }
      values.append(contentsOf: element)
      indices.append(Int64(i))
    }
    guard values.count + 8 * indices.count < tensor.byteCount else { return nil }
    var writer = MessageWriter()
    writer.field(1, values.withUnsafeBytes { message(tensor.type, [indices.count], name: name, $0) })
    writer.field(2, indices.withUnsafeBytes { message(.int64, [indices.count], name: name + "_indices", $0) })
    for d in tensor.shape { writer.field(3, int: d) }
    return writer.bytes
  }
}
