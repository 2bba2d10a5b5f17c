import Swiftlet
import Testing

@testable import SwiftletTool

@Suite struct CompareTests {
  private func floats(_ v: [Float]) throws -> Value { .tensor(try Tensor(v)) }
  private func isEqual(_ a: Value, _ b: Value, _ t: Tolerance = Tolerance()) throws -> Bool {
    do {
      try Comparison.check(a, against: b, t, "output")
      return true
    } catch is Mismatch {
      return false
    }
  }

  @Test func tolerates() throws {
    #expect(try isEqual(floats([1, 1000.9]), floats([1, 1000])))
    #expect(try !isEqual(floats([1, 1001.1]), floats([1, 1000])))
    #expect(try isEqual(floats([.nan, .infinity, -.infinity]), floats([.nan, .infinity, -.infinity])))
    #expect(try !isEqual(floats([.nan]), floats([1])))
    #expect(try !isEqual(floats([1]), floats([.nan])))
    #expect(try !isEqual(floats([.infinity]), floats([-.infinity])))
    #expect(try !isEqual(floats([1e30]), floats([.infinity])))
    #expect(try !isEqual(floats([.infinity]), floats([1e30])))
  }

  @Test func wantsTheSameTypeAndShape() throws {
    let one = try Tensor([Float(1)])
    #expect(try !isEqual(.tensor(one), .tensor(one.reshaped([1, 1]))))
    #expect(try !isEqual(.tensor(one), .tensor(Tensor([1.0]))))
    #expect(try !isEqual(.tensor(one), .sequence([.tensor(one)], elementType: .tensor(.float, nil))))
  }

  @Test func bfloat16IsCoarser() throws {
    let a = Value.tensor(try Tensor(.bfloat16, [UInt16(0x3f80)]))
    let b = Value.tensor(try Tensor(.bfloat16, [UInt16(0x3f82)]))
    let c = Value.tensor(try Tensor(.bfloat16, [UInt16(0x3f90)]))
    #expect(try isEqual(b, a))
    #expect(try !isEqual(c, a))
  }

  @Test func stringsAreExact() throws {
    let a = Value.tensor(try Tensor(strings: ["a", "b"], [2]))
    #expect(try isEqual(a, a))
    #expect(try !isEqual(a, .tensor(Tensor(strings: ["a", "B"], [2]))))
  }

  @Test func sequencesAndOptionals() throws {
    let element = ValueType.tensor(.float, nil)
    let one = Value.sequence([try floats([1])], elementType: element)
    #expect(try isEqual(one, one))
    #expect(try !isEqual(.sequence([], elementType: element), one))
    #expect(try isEqual(.optional(nil, type: element), .optional(nil, type: element)))
    #expect(try !isEqual(.optional(nil, type: element), .optional(floats([1]), type: element)))
    #expect(try isEqual(floats([1]), .optional(floats([1]), type: element)))
  }

  @Test func randomValuesAreComparedByDistribution() throws {
    var t = Tolerance()
    t.isRandom = true
    #expect(try isEqual(floats([1, 0, 1, 0]), floats([0, 1, 0, 1]), t))
    #expect(try !isEqual(floats([1, 0, 1, 0]), floats([0, 2, 2, 2]), t))
    let ramp = (0..<1000).map { Float($0) + 1 }
    #expect(try isEqual(floats(ramp.reversed()), floats(ramp), t))
    #expect(try !isEqual(floats(ramp.map { $0 * 2 }), floats(ramp), t))
  }

  @Test func narrowFloatsAreDecoded() throws {
    func value(_ type: ElementType, _ byte: UInt8) throws -> Double { try Tensor(type, [byte]).numbers()[0] }
    #expect(try value(.float8e4m3fn, 0x7e) == 448)
    #expect(try value(.float8e4m3fn, 0x7f).isNaN)
    #expect(try value(.float8e4m3fnuz, 0x7f) == 240)
    #expect(try value(.float8e4m3fnuz, 0x80).isNaN)
    #expect(try value(.float8e5m2, 0x7c) == .infinity)
    #expect(try value(.float8e5m2, 0x01) == 0x1p-16)
    #expect(try value(.float8e5m2fnuz, 0x7f) == 57344)
    #expect(try value(.float8e8m0, 128) == 2)
    #expect(try Tensor(.float4e2m1, [2], buffer: Tensor(.uint8, [UInt8(0xf1)]).buffer).numbers() == [0.5, -6])
    #expect(try Tensor(.int2, [4], buffer: Tensor(.uint8, [UInt8(0b1110_0100)]).buffer).numbers() == [0, 1, -2, -1])
  }

  @Test func valuesAsJSON() throws {
    #expect(try floats([1, -0.5, .nan]).json().text() == "[1, -0.5, \"NaN\"]")
    #expect(try Value.tensor(Tensor(strings: ["a\"\n", "é"], [2, 1])).json().text(indent: nil) == "[[\"a\\\"\\n\"], [\"é\"]]")
    let map = Value.map(try MapValue(keys: Tensor([Int64(3), 5]), values: Tensor([Float(0.1), 2])))
    #expect(try Value.sequence([map], elementType: map.type).json().text(indent: nil) == "[{\"3\": 0.1, \"5\": 2}]")
  }
}
