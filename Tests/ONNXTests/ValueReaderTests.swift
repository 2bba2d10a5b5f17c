import ONNX
import Tensors
import TestSupport
import Testing

private func buffer(_ bytes: [UInt8]) throws -> Buffer { try Tensor(.uint8, bytes).buffer }
private func read(_ bytes: [UInt8], as type: ValueType? = nil) throws -> Value {
  try ValueReader.read(buffer(bytes).slice(offset: 0, byteCount: bytes.count), as: type)
}

/// A TensorProto: dims, data_type, raw_data.
private func tensor(_ dims: [Int], _ type: ElementType, _ raw: [UInt8]) -> [UInt8] {
  dims.flatMap { Proto.field(1, int: $0) } + Proto.field(2, int: Int(type.rawValue)) + Proto.field(9, raw)
}
private let vector = tensor([2], .int32, [1, 0, 0, 0, 255, 255, 255, 255])
private let vectorType = ValueType.tensor(.int32, [.known(2)])

@Suite struct ValueReaderTests {
  @Test func readsATensor() throws {
    #expect(try read(vector).tensor?.ints() == [1, -1])
    #expect(try read(vector, as: vectorType).tensor?.shape == [2])
  }

  @Test func readsASequence() throws {
    let bytes = Proto.field(2, int: 1) + Proto.field(3, vector) + Proto.field(3, vector)
    guard case .sequence(let list, let element) = try read(bytes, as: .sequence(vectorType)) else {
      Issue.record("no sequence")
      return
    }
    #expect(list.count == 2)
    #expect(element == vectorType)
    #expect(try list[1].tensor?.ints() == [1, -1])
  }

  @Test func readsAnEmptySequence() throws {
    guard case .sequence(let list, _) = try read([], as: .sequence(vectorType)) else {
      Issue.record("no sequence")
      return
    }
    #expect(list.isEmpty)
  }

  @Test func readsOptionals() throws {
    guard case .optional(nil, _) = try read([], as: .optional(vectorType)),
      case .optional(.tensor(let t)?, _) = try read(Proto.field(2, int: 1) + Proto.field(3, vector), as: .optional(vectorType)),
      case .optional(.sequence(let list, _)?, _) = try read(
        Proto.field(2, int: 3) + Proto.field(5, Proto.field(2, int: 1) + Proto.field(3, vector)),
        as: .optional(.sequence(vectorType)))
    else {
      Issue.record("not the optionals that were written")
      return
    }
    #expect(try t.ints() == [1, -1])
    #expect(list.count == 1)
  }

  @Test func readsAMap() throws {
    let values = Proto.field(2, int: 1) + [UInt8](Proto.field(3, tensor([], .int32, [7, 0, 0, 0]))) + Proto.field(3, tensor([], .int32, [8, 0, 0, 0]))
    let bytes = Proto.field(2, int: 8) + Proto.field(4, "a") + Proto.field(4, "b") + Proto.field(5, values)
    guard case .map(let m) = try read(bytes, as: .map(key: .string, value: .tensor(.int32, []))) else {
      Issue.record("no map")
      return
    }
    #expect(m.keys.strings == ["a", "b"])
    #expect(try m.values.ints() == [7, 8])
  }

  @Test func refusesWhatIsDamaged() throws {
    for cut in 1..<vector.count {
      #expect(throws: SwiftletError.self) { try read(Array(vector[..<cut])) }
    }
    #expect(throws: SwiftletError.self) { try read(tensor([3], .int32, [1, 2, 3, 4])) }
    var deep: [UInt8] = []
    for _ in 0..<300 { deep = Proto.field(5, deep) }
    #expect(throws: SwiftletError.self) { try read(deep, as: .sequence(vectorType)) }
  }
}
