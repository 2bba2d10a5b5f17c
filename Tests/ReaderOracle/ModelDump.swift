import Graphs
import Tensors

@testable import ONNX

/// What our reader reads in a model, in the form that docs/reader-oracle.md specifies.
struct ModelDump {
  private(set) var text = ""
  private let source: ModelSource
  private let tensors: TensorReader

  static func text(_ source: ModelSource) throws -> String {
    var dump = ModelDump(source: source)
    try dump.model(try ModelProto(WireReader(source.bytes.base, 0..<source.bytes.byteCount)))
    return dump.text
  }

  private init(source: ModelSource) {
    self.source = source
    tensors = TensorReader(source: source)
  }

  // MARK: Lines

  private mutating func line(_ path: String, _ value: String) { text += path + " = " + value + "\n" }
  private mutating func string(_ path: String, _ value: String) {
    if !value.isEmpty { line(path, Self.quoted(value.utf8)) }
  }
  private mutating func bytes(_ path: String, _ range: Range<Int>?) {
    if let range, !range.isEmpty { line(path, Self.quoted(bytes(range))) }
  }
  private mutating func integer(_ path: String, _ value: Int) { if value != 0 { line(path, String(value)) } }
  private mutating func list(_ path: String, _ values: [String]) {
    if !values.isEmpty { line(path, "[" + values.joined(separator: ", ") + "]") }
  }
  private mutating func strings(_ path: String, _ values: [String]) { list(path, values.map { Self.quoted($0.utf8) }) }

  /// A message that prints no line of its own is `{}`.
  private mutating func message(_ path: String, _ body: (inout ModelDump) throws -> Void) rethrows {
    let before = text.utf8.count
    try body(&self)
    if text.utf8.count == before { line(path, "{}") }
  }
  private mutating func messages<M>(
    _ path: String, _ all: [M], _ body: (inout ModelDump, String, M) throws -> Void
  ) rethrows {
    for (i, one) in all.enumerated() {
      try message("\(path)[\(i)]") { try body(&$0, "\(path)[\(i)].", one) }
    }
  }
  private mutating func optional<M>(
    _ path: String, _ one: M?, _ body: (inout ModelDump, String, M) throws -> Void
  ) rethrows {
    guard let one else { return }
    try message(path) { try body(&$0, path + ".", one) }
  }

  private func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: source.bytes.base + range.lowerBound, count: range.count)
  }
  private static func hex(_ value: some BinaryInteger, _ digits: Int) -> String {
    let s = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - s.count)) + s
  }
  private static func float(_ value: Float) -> String { "0x" + hex(value.bitPattern, 8) }
  private static func quoted(_ bytes: some Sequence<UInt8>) -> String {
    var out = "\""
    for c in bytes {
      switch c {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): out += "\\" + String(UnicodeScalar(c))
      case 0x20..<0x7f: out.unicodeScalars.append(UnicodeScalar(c))
      default: out += "\\x" + hex(c, 2)
      }
    }
    return out + "\""
  }

  // MARK: Messages, fields in the order of their numbers

  private mutating func model(_ m: ModelProto) throws {
    integer("ir_version", m.irVersion)
    string("producer_name", m.producerName)
    string("producer_version", m.producerVersion)
    string("domain", m.domain)
    integer("model_version", m.modelVersion)
    string("doc_string", m.documentation)
    try optional("graph", m.graph) { try $0.graph($1, $2) }
    opsets("opset_import", m.opsets)
    entries("metadata_props", m.metadata)
    try messages("functions", m.functions) { try $0.function($1, $2) }
  }

  private mutating func opsets(_ path: String, _ all: [(domain: String, version: Int)]) {
    messages(path, all) {
      $0.string($1 + "domain", $2.domain)
      $0.integer($1 + "version", $2.version)
    }
  }

  private mutating func entries(_ path: String, _ all: [(key: String, value: String)]) {
    messages(path, all) {
      $0.string($1 + "key", $2.key)
      $0.string($1 + "value", $2.value)
    }
  }

  private mutating func graph(_ path: String, _ m: GraphProto) throws {
    try messages(path + "node", m.nodes) { try $0.node($1, $2) }
    string(path + "name", m.name)
    try messages(path + "initializer", m.initializers) { try $0.tensor($1, $2) }
    string(path + "doc_string", m.documentation)
    messages(path + "input", m.inputs) { $0.value($1, $2) }
    messages(path + "output", m.outputs) { $0.value($1, $2) }
    messages(path + "value_info", m.valueInfos) { $0.value($1, $2) }
    try messages(path + "sparse_initializer", m.sparseInitializers) { try $0.sparse($1, $2) }
    entries(path + "metadata_props", m.metadata)
  }

  private mutating func function(_ path: String, _ m: FunctionProto) throws {
    string(path + "name", m.name)
    strings(path + "input", m.inputs)
    strings(path + "output", m.outputs)
    strings(path + "attribute", m.attributes)
    try messages(path + "node", m.nodes) { try $0.node($1, $2) }
    string(path + "doc_string", m.documentation)
    opsets(path + "opset_import", m.opsets)
    string(path + "domain", m.domain)
    try messages(path + "attribute_proto", m.attributeDefaults) { try $0.attribute($1, $2) }
    messages(path + "value_info", m.valueInfos) { $0.value($1, $2) }
    string(path + "overload", m.overload)
  }

  private mutating func node(_ path: String, _ m: NodeProto) throws {
    strings(path + "input", m.inputs)
    strings(path + "output", m.outputs)
    string(path + "name", m.name)
    string(path + "op_type", m.opType)
    try messages(path + "attribute", m.attributes) { try $0.attribute($1, $2) }
    string(path + "doc_string", m.documentation)
    string(path + "domain", m.domain)
    string(path + "overload", m.overload)
    entries(path + "metadata_props", m.metadata)
  }

  private mutating func attribute(_ path: String, _ m: AttributeProto) throws {
    string(path + "name", m.name)
    if let f = m.float, f.bitPattern != 0 { line(path + "f", Self.float(f)) }
    integer(path + "i", m.int ?? 0)
    bytes(path + "s", m.string)
    try optional(path + "t", m.tensor) { try $0.tensor($1, $2) }
    try optional(path + "g", m.graph) { try $0.graph($1, $2) }
    list(path + "floats", m.floats.map(Self.float))
    list(path + "ints", m.ints.map(String.init))
    list(path + "strings", m.strings.map { Self.quoted(bytes($0)) })
    try messages(path + "tensors", m.tensors) { try $0.tensor($1, $2) }
    try messages(path + "graphs", m.graphs) { try $0.graph($1, $2) }
    string(path + "doc_string", m.documentation)
    if let type = m.typeProto { line(path + "tp", Self.type(type)) }
    for (i, type) in m.typeProtos.enumerated() { line(path + "type_protos[\(i)]", Self.type(type)) }
    if (0...14).contains(m.type) { integer(path + "type", m.type) }  // libprotobuf keeps no number beyond the enum
    string(path + "ref_attr_name", m.referenceName)
    try optional(path + "sparse_tensor", m.sparseTensor) { try $0.sparse($1, $2) }
    try messages(path + "sparse_tensors", m.sparseTensors) { try $0.sparse($1, $2) }
  }

  private mutating func value(_ path: String, _ m: ValueInfoProto) {
    string(path + "name", m.name)
    if let type = m.type { line(path + "type", Self.type(type)) }
    string(path + "doc_string", m.documentation)
  }

  private static func type(_ type: ValueType) -> String {
    func shaped(_ element: ElementType, _ shape: SymbolicShape?) -> String {
      let dims = shape?.map { (d: Dimension) -> String in
        switch d {
        case .known(let n): String(n)
        case .symbol(let s): quoted(s.utf8)
        case .unknown: "?"
        }
      }
      return "\(element.rawValue)" + (dims.map { "[" + $0.joined(separator: ", ") + "]" } ?? "")
    }
    switch type {
    case .tensor(let element, let shape): return "tensor(" + shaped(element, shape) + ")"
    case .sparseTensor(let element, let shape): return "sparse_tensor(" + shaped(element, shape) + ")"
    case .sequence(let inner): return "sequence(" + self.type(inner) + ")"
    case .optional(let inner): return "optional(" + self.type(inner) + ")"
    case .map(let key, let value): return "map(\(key.rawValue), " + self.type(value) + ")"
    }
  }

  private mutating func sparse(_ path: String, _ m: SparseTensorProto) throws {
    try optional(path + "values", m.values) { try $0.tensor($1, $2) }
    try optional(path + "indices", m.indices) { try $0.tensor($1, $2) }
    list(path + "dims", m.dims.map(String.init))
  }

  private mutating func tensor(_ path: String, _ m: TensorProto) throws {
    list(path + "dims", m.dims.map(String.init))
    integer(path + "data_type", m.dataType)
    string(path + "name", m.name)
    string(path + "doc_string", m.documentation)
    entries(path + "external_data", m.external)
    integer(path + "data_location", m.isExternal ? 1 : 0)
    entries(path + "metadata_props", m.metadata)
    guard !m.isExternal, m.dataType != 0 else { return }
    let tensor = try tensors.tensor(m)
    var hash = FNV1a()
    if tensor.type == .string {
      for s in tensor.strings {
        withUnsafeBytes(of: UInt64(s.utf8.count).littleEndian) { hash.add($0) }
        hash.add(Array(s.utf8))
      }
    } else {
      hash.add(UnsafeRawBufferPointer(start: tensor.data, count: tensor.byteCount))
    }
    if hash.count > 0 { line(path + "data", "\(hash.count) bytes, fnv1a " + Self.hex(hash.value, 16)) }
  }
}

private struct FNV1a {
  private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325
  private(set) var count = 0

  mutating func add(_ bytes: some Sequence<UInt8>) {
    var v = value
    let done: Void? = bytes.withContiguousStorageIfAvailable { b in
      var at = 0
      while at < b.count {
        v = (v ^ UInt64(b[at])) &* 0x100_0000_01b3
        at += 1
      }
      count += b.count
    }
    if done == nil {
      for b in bytes {
        v = (v ^ UInt64(b)) &* 0x100_0000_01b3
        count += 1
      }
    }
    value = v
  }
}
