import Tensors

/// Reads single values kept as protobuf: TensorProto, SequenceProto, OptionalProto, MapProto, SparseTensorProto, as in the
/// `input_0.pb` files of ONNX test data.
public enum ValueReader {
  /// - Parameter bytes: the whole message; the value's tensors may stand in it.
  /// - Parameter type: what is due, such as a model's declared input type: it tells which message it is. nil: a tensor.
  /// - Returns: the value; a sparse tensor is written out.
  public static func read(_ bytes: Buffer, as type: ValueType? = nil) throws -> Value {
    let reader = MessageReader(tensors: TensorReader(source: ModelSource(bytes: bytes)))
    let message = try WireReader(bytes.base, 0..<bytes.byteCount)
    switch type {
    case nil, .tensor: return .tensor(try reader.tensor(message))
    case .sparseTensor: return .tensor(try reader.sparse(message))
    case .sequence(let element): return try reader.sequence(message, of: element)
    case .optional(let element): return try reader.optional(message, of: element)
    case .map(let key, let value): return try reader.map(message, key: key, value: value)
    }
  }
}

/// The messages of onnx-data.proto. Field numbers are the specification's.
private struct MessageReader {
  let tensors: TensorReader

  func tensor(_ r: WireReader) throws -> Tensor { try tensors.tensor(TensorProto(r)) }
  func sparse(_ r: WireReader) throws -> Tensor { try tensors.sparse(SparseTensorProto(r)).dense() }

  /// `SequenceProto`: name, elem_type, then one list per kind of element.
  func sequence(_ reader: WireReader, of element: ValueType?) throws -> Value {
    var r = reader
    var elements: [Value] = []
    var kind = 0
    while let f = try r.next() {
      switch f.number {
      case 2: kind = try f.int()
      case 3: elements.append(.tensor(try tensor(r.message(f))))
      case 4: elements.append(.tensor(try sparse(r.message(f))))
      case 5: elements.append(try sequence(r.message(f), of: element?.element))
      case 6: elements.append(try map(r.message(f), key: nil, value: nil))
      case 7: elements.append(try optional(r.message(f), of: element?.element))
      default: break
      }
    }
    guard let type = element ?? elements.first?.type ?? (kind == 1 ? .tensor(.float, nil) : nil) else {
      throw SwiftletError(.parse, "an empty sequence, and nothing tells of what")
    }
    return .sequence(elements, elementType: type)
  }

  /// `OptionalProto`: name, elem_type, then the value. Without any of them: an optional that holds nothing.
  func optional(_ reader: WireReader, of element: ValueType?) throws -> Value {
    var r = reader
    var value: Value?
    while let f = try r.next() {
      switch f.number {
      case 3: value = .tensor(try tensor(r.message(f)))
      case 4: value = .tensor(try sparse(r.message(f)))
      case 5: value = try sequence(r.message(f), of: element?.element)
      case 6: value = try map(r.message(f), key: nil, value: nil)
      case 7: value = try optional(r.message(f), of: element?.element)
      default: break
      }
    }
    return .optional(value, type: element ?? value?.type ?? .tensor(.float, nil))
  }

  /// `MapProto`: name, key_type, keys or string_keys, and a sequence of as many scalars.
  func map(_ reader: WireReader, key: ElementType?, value: ValueType?) throws -> Value {
    var r = reader
    var keys: [Int64] = []
    var texts: [String] = []
    var values: [Value] = []
    while let f = try r.next() {
      switch f.number {
      case 3: try r.integers(f, into: &keys)
      case 4: texts.append(try r.string(f))
      case 5:
        guard case .sequence(let list, _) = try sequence(r.message(f), of: value ?? .tensor(.float, nil)) else { break }
        values += list
      default: break
      }
    }
    let isText = key == .string || (key == nil && !texts.isEmpty)
    let keyTensor = try isText ? Tensor(strings: texts, [texts.count]) : Tensor(keys)
    return .map(try MapValue(keys: keyTensor, values: try Self.vector(values, value?.elementType ?? .float)))
  }

  /// Scalars joined to a vector; `type` is used when there are none.
  private static func vector(_ values: [Value], _ type: ElementType) throws -> Tensor {
    let scalars = try values.map { v in
      guard let t = v.tensor, t.count == 1 else { throw SwiftletError(.unsupported, "a map whose values are no scalars") }
      return t
    }
    let type = scalars.first?.type ?? type
    guard scalars.allSatisfy({ $0.type == type }) else { throw SwiftletError(.parse, "a map's values differ in type") }
    if type == .string { return try Tensor(strings: scalars.flatMap(\.strings), [scalars.count]) }
    guard let size = type.size else { throw SwiftletError(.unsupported, "a map of \(type.name)") }
    let result = try Tensor(allocating: type, [scalars.count])
    for (i, t) in scalars.enumerated() { (result.data + i * size).copyMemory(from: t.data, byteCount: size) }
    return result
  }
}

extension ValueType {
  /// What a sequence or an optional holds.
  fileprivate var element: ValueType? {
    switch self {
    case .sequence(let t), .optional(let t): t
    default: nil
    }
  }
}
