import Tensors

// The messages of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), field by field. Bulk data is kept
// as ranges of the source. Field numbers are the specification's.

struct TensorProto {
  var dims: [Int64] = []
  var dataType = 0
  var name = ""
  var documentation = ""
  var raw: Range<Int>?
  /// Fields that hold typed data, as they came: each packed or a single element.
  var typed: [WireReader.Field] = []
  var strings: [Range<Int>] = []
  var external: [(key: String, value: String)] = []
  var isExternal = false
  var isSegment = false
  var metadata: [(key: String, value: String)] = []
  let offset: Int

  init(_ reader: WireReader) throws {
    var r = reader
    offset = r.position
    while let f = try r.next() {
      switch f.number {
      case 1: try r.integers(f, into: &dims)
      case 2: dataType = try f.int()
      case 3: isSegment = true
      case 4, 5, 7, 10, 11: typed.append(f)
      case 6: strings.append(try f.bytes())
      case 8: name = try r.string(f)
      case 9: raw = try f.bytes()
      case 12: documentation = try r.string(f)
      case 13: external.append(try readEntry(r.message(f)))
      case 14: isExternal = try f.int() == 1
      case 16: metadata.append(try readEntry(r.message(f)))
      default: break
      }
    }
  }
}

/// `StringStringEntryProto`
func readEntry(_ reader: WireReader) throws -> (key: String, value: String) {
  var r = reader
  var entry = (key: "", value: "")
  while let f = try r.next() {
    if f.number == 1 { entry.key = try r.string(f) }
    if f.number == 2 { entry.value = try r.string(f) }
  }
  return entry
}

struct SparseTensorProto {
  var values: TensorProto?
  var indices: TensorProto?
  var dims: [Int64] = []

  init(_ reader: WireReader) throws {
    var r = reader
    while let f = try r.next() {
      switch f.number {
      case 1: values = try TensorProto(r.message(f))
      case 2: indices = try TensorProto(r.message(f))
      case 3: try r.integers(f, into: &dims)
      default: break
      }
    }
  }
}

struct AttributeProto {
  var name = ""
  var referenceName = ""
  var documentation = ""
  var type = 0
  var float: Float?
  var int: Int?
  var string: Range<Int>?
  var tensor: TensorProto?
  var graph: GraphProto?
  var sparseTensor: SparseTensorProto?
  var typeProto: ValueType?
  var floats: [Float] = []
  var ints: [Int64] = []
  var strings: [Range<Int>] = []
  var tensors: [TensorProto] = []
  var graphs: [GraphProto] = []
  var typeProtos: [ValueType] = []
  var sparseTensors: [SparseTensorProto] = []

  init(_ reader: WireReader) throws {
    var r = reader
    while let f = try r.next() {
      switch f.number {
      case 1: name = try r.string(f)
      case 2: float = try f.float()
      case 3: int = try f.int()
      case 4: string = try f.bytes()
      case 5: tensor = try TensorProto(r.message(f))
      case 6: graph = try GraphProto(r.message(f))
      case 7: try r.floats(f, into: &floats)
      case 8: try r.integers(f, into: &ints)
      case 9: strings.append(try f.bytes())
      case 10: tensors.append(try TensorProto(r.message(f)))
      case 11: graphs.append(try GraphProto(r.message(f)))
      case 13: documentation = try r.string(f)
      case 14: typeProto = try readType(r.message(f))
      case 15: if let t = try readType(r.message(f)) { typeProtos.append(t) }
      case 20: type = try f.int()
      case 21: referenceName = try r.string(f)
      case 22: sparseTensor = try SparseTensorProto(r.message(f))
      case 23: sparseTensors.append(try SparseTensorProto(r.message(f)))
      default: break
      }
    }
  }
}

struct NodeProto {
  var inputs: [String] = []
  var outputs: [String] = []
  var name = ""
  var opType = ""
  var domain = ""
  var overload = ""
  var documentation = ""
  var attributes: [AttributeProto] = []
  var metadata: [(key: String, value: String)] = []
  let offset: Int

  init(_ reader: WireReader) throws {
    var r = reader
    offset = r.position
    while let f = try r.next() {
      switch f.number {
      case 1: inputs.append(try r.string(f))
      case 2: outputs.append(try r.string(f))
      case 3: name = try r.string(f)
      case 4: opType = try r.string(f)
      case 5: attributes.append(try AttributeProto(r.message(f)))
      case 6: documentation = try r.string(f)
      case 7: domain = try r.string(f)
      case 8: overload = try r.string(f)
      case 9: metadata.append(try readEntry(r.message(f)))
      default: break
      }
    }
  }
}

struct ValueInfoProto {
  var name = ""
  var type: ValueType?
  var documentation = ""

  init(_ reader: WireReader) throws {
    var r = reader
    while let f = try r.next() {
      switch f.number {
      case 1: name = try r.string(f)
      case 2: type = try readType(r.message(f))
      case 3: documentation = try r.string(f)
      default: break
      }
    }
  }
}

struct GraphProto {
  var nodes: [NodeProto] = []
  var name = ""
  var initializers: [TensorProto] = []
  var sparseInitializers: [SparseTensorProto] = []
  var documentation = ""
  var inputs: [ValueInfoProto] = []
  var outputs: [ValueInfoProto] = []
  var valueInfos: [ValueInfoProto] = []
  var metadata: [(key: String, value: String)] = []

  init() {}
  init(_ reader: WireReader) throws {
    var r = reader
    while let f = try r.next() {
      switch f.number {
      case 1: nodes.append(try NodeProto(r.message(f)))
      case 2: name = try r.string(f)
      case 5: initializers.append(try TensorProto(r.message(f)))
      case 10: documentation = try r.string(f)
      case 11: inputs.append(try ValueInfoProto(r.message(f)))
      case 12: outputs.append(try ValueInfoProto(r.message(f)))
      case 13: valueInfos.append(try ValueInfoProto(r.message(f)))
      case 15: sparseInitializers.append(try SparseTensorProto(r.message(f)))
      case 16: metadata.append(try readEntry(r.message(f)))
      default: break
      }
    }
  }
}

struct FunctionProto {
  var name = ""
  var domain = ""
  var overload = ""
  var documentation = ""
  var inputs: [String] = []
  var outputs: [String] = []
  var attributes: [String] = []
  var attributeDefaults: [AttributeProto] = []
  var nodes: [NodeProto] = []
  var opsets: [(domain: String, version: Int)] = []
  var valueInfos: [ValueInfoProto] = []

  init(_ reader: WireReader) throws {
    var r = reader
    while let f = try r.next() {
      switch f.number {
      case 1: name = try r.string(f)
      case 4: inputs.append(try r.string(f))
      case 5: outputs.append(try r.string(f))
      case 6: attributes.append(try r.string(f))
      case 7: nodes.append(try NodeProto(r.message(f)))
      case 8: documentation = try r.string(f)
      case 9: opsets.append(try readOpset(r.message(f)))
      case 10: domain = try r.string(f)
      case 11: attributeDefaults.append(try AttributeProto(r.message(f)))
      case 12: valueInfos.append(try ValueInfoProto(r.message(f)))
      case 13: overload = try r.string(f)
      default: break
      }
    }
  }
}

struct ModelProto {
  var irVersion = 0
  var opsets: [(domain: String, version: Int)] = []
  var producerName = ""
  var producerVersion = ""
  var domain = ""
  var modelVersion = 0
  var documentation = ""
  var graph: GraphProto?
  var metadata: [(key: String, value: String)] = []
  var trainingInfoCount = 0
  var functions: [FunctionProto] = []

  init(_ reader: WireReader) throws {
    var r = reader
    while let f = try r.next() {
      switch f.number {
      case 1: irVersion = try f.int()
      case 2: producerName = try r.string(f)
      case 3: producerVersion = try r.string(f)
      case 4: domain = try r.string(f)
      case 5: modelVersion = try f.int()
      case 6: documentation = try r.string(f)
      case 7: graph = try GraphProto(r.message(f))
      case 8: opsets.append(try readOpset(r.message(f)))
      case 14: metadata.append(try readEntry(r.message(f)))
      case 20: trainingInfoCount += 1
      case 25: functions.append(try FunctionProto(r.message(f)))
      default: break
      }
    }
  }
}

/// `OperatorSetIdProto`; "ai.onnx" is the same as "".
func readOpset(_ reader: WireReader) throws -> (domain: String, version: Int) {
  var r = reader
  var opset = (domain: "", version: 0)
  while let f = try r.next() {
    if f.number == 1 { opset.domain = normalizedDomain(try r.string(f)) }
    if f.number == 2 { opset.version = try f.int() }
  }
  return opset
}
func normalizedDomain(_ domain: String) -> String { domain == "ai.onnx" ? "" : domain }

/// `TypeProto`
func readType(_ reader: WireReader) throws -> ValueType? {
  var r = reader
  var type: ValueType?
  while let f = try r.next() {
    switch f.number {
    case 1, 8:  // Tensor, SparseTensor
      let (element, shape) = try readTensorType(r.message(f))
      guard let element else { continue }
      type = f.number == 1 ? .tensor(element, shape) : .sparseTensor(element, shape)
    case 4, 9:  // Sequence, Optional
      var m = try r.message(f)
      while let g = try m.next() {
        guard g.number == 1, let inner = try readType(m.message(g)) else { continue }
        type = f.number == 4 ? .sequence(inner) : .optional(inner)
      }
    case 5:  // Map
      var m = try r.message(f)
      var key: ElementType?
      var value: ValueType?
      while let g = try m.next() {
        if g.number == 1 { key = ElementType(rawValue: Int32(truncatingIfNeeded: try g.int())) }
        if g.number == 2 { value = try readType(m.message(g)) }
      }
      if let key, let value { type = .map(key: key, value: value) }
    default: break
    }
  }
  return type
}

private func readTensorType(_ reader: WireReader) throws -> (ElementType?, SymbolicShape?) {
  var r = reader
  var element: ElementType?
  var shape: SymbolicShape?
  while let f = try r.next() {
    switch f.number {
    case 1:
      let raw = try f.int()
      if raw == 0 { continue }
      guard let e = ElementType(rawValue: Int32(truncatingIfNeeded: raw)) else {
        throw SwiftletError(.unsupported, "element type \(raw) is not known", byteOffset: f.offset)
      }
      element = e
    case 2:
      var dims: SymbolicShape = []
      var m = try r.message(f)
      while let g = try m.next() {
        if g.number == 1 { dims.append(try readDimension(m.message(g))) }
      }
      shape = dims
    default: break
    }
  }
  return (element, shape)
}

private func readDimension(_ reader: WireReader) throws -> Dimension {
  var r = reader
  var d = Dimension.unknown
  while let f = try r.next() {
    if f.number == 1 {
      let n = try f.int()
      d = n >= 0 ? .known(n) : .unknown
    }
    if f.number == 2 {
      let s = try r.string(f)
      d = s.isEmpty ? .unknown : .symbol(s)
    }
  }
  return d
}
