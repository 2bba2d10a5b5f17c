import Graphs
@testable import Operators
import Tensors
import Testing

@Suite struct Arithmetic {
  @Test func operandsBroadcast() throws {
    let y = try NodeRunner.run("Add", [Tensor([Float(1), 2, 3], [3, 1]), Tensor([Float(10), 20])])[0]
    #expect(y.shape == [3, 2])
    #expect(y.floats == [11, 21, 12, 22, 13, 23])
  }
  @Test func beforeVersion7TheAxisIsAnAttribute() throws {
    let y = try NodeRunner.run(
      "Add", [Tensor([Float(1), 2, 3, 4], [2, 2]), Tensor([Float(10), 20])], version: 6,
      ["axis": .int(0), "broadcast": .int(1)])[0]
    #expect(y.floats == [11, 12, 23, 24])
  }
  @Test func integerDivisionByZeroIsAnError() {
    #expect(throws: SwiftletError.self) { try NodeRunner.run("Div", [Tensor([Int32(1)]), Tensor([Int32(0)])]) }
  }
  @Test func theLeastIntegerByMinusOneIsAnError() {
    #expect(throws: SwiftletError.self) { try NodeRunner.run("Div", [Tensor([Int32.min]), Tensor([Int32(-1)])]) }
  }
  @Test func operandsOfDifferentTypesAreRefusedAtTheRun() {
    #expect(throws: SwiftletError.self) { try NodeRunner.run("Add", [Tensor([Float(1)]), Tensor([Double(1)])]) }
    #expect(throws: SwiftletError.self) {
      try NodeRunner.run("Where", [Tensor(strings: ["a"], [1]), Tensor([Float(1)]), Tensor([Float(1)])])
    }
  }
}

@Suite struct ShapeComputations {
  @Test func dimensionsPassThroughShapeGatherConcatAndReshape() throws {
    let batch = Dimension.symbol("N")
    let shape = try NodeRunner.infer("Shape", [.tensor(.float, [batch, .known(3), .known(4)])])
    #expect(shape.outputDimensionData[0] == [batch, .known(3), .known(4)])
    let first = try NodeRunner.infer(
      "Gather", [.tensor(.int64, [.known(3)]), .tensor(.int64, [])], constants: [1: Tensor([Int64(0)], [])],
      data: [0: [batch, .known(3), .known(4)]])
    #expect(first.outputDimensionData[0] == [batch])
    let target = try NodeRunner.infer(
      "Concat", [.tensor(.int64, [.known(1)]), .tensor(.int64, [.known(1)])], constants: [1: Tensor(ints: [-1])],
      data: [0: [batch]], ["axis": .int(0)])
    #expect(target.outputDimensionData[0] == [batch, .known(-1)])
    let result = try NodeRunner.infer(
      "Reshape", [.tensor(.float, [batch, .known(3), .known(4)]), .tensor(.int64, [.known(2)])],
      data: [1: [batch, .known(-1)]])
    #expect(result.outputTypes[0]?.shape == [batch, .known(12)])
  }
  @Test func knownDimensionsBecomeConstants() throws {
    let c = try NodeRunner.infer(
      "Gather", [.tensor(.int64, [.known(2)]), .tensor(.int64, [.known(1)])], constants: [1: Tensor(ints: [1])],
      data: [0: [.symbol("N"), .known(7)]])
    #expect(try c.outputConstants[0]?.ints() == [7])
  }
  @Test func aRangeOverADimensionHasItsLength() throws {
    let scalar = ValueType.tensor(.int64, [])
    let c = try NodeRunner.infer(
      "Range", [scalar, scalar, scalar], constants: [0: Tensor([Int64(0)], []), 2: Tensor([Int64(1)], [])],
      data: [1: [.symbol("T")]])
    #expect(c.outputTypes[0]?.shape == [.symbol("T")])
  }
}

@Suite struct HostileValues {
  @Test(arguments: [
    ("Gather", [5]), ("Gather", [-4]), ("Gather", [Int.min]), ("Reshape", [2, 2]), ("Reshape", [-1, -1]),
    ("Reshape", [Int.max, 2]), ("Expand", [-1]), ("Expand", [2]), ("Tile", [-1]), ("Tile", [Int.max]),
    ("Pad", [Int.min, Int.max]), ("Pad", [-9, 0]), ("TopK", [9]), ("TopK", [-1]), ("Unsqueeze", [7]),
    ("Split", [1, 1]), ("ConstantOfShape", [1 << 40]), ("ConstantOfShape", [Int.max, Int.max]), ("Squeeze", [0]),
  ])
  func integersThatMakeNoSenseAreErrors(_ op: String, _ values: [Int]) {
    #expect(throws: SwiftletError.self) {
      let integers = try Tensor(ints: values)
      let x = try Tensor([Float(1), 2, 3])
      _ = try NodeRunner.run(
        op, op == "ConstantOfShape" ? [integers] : [x, integers], version: 17, outputs: op == "TopK" ? 2 : 1)
    }
  }
  @Test func aStepOfZeroIsAnError() {
    #expect(throws: SwiftletError.self) {
      try NodeRunner.run(
        "Slice", [Tensor([Float(1)]), Tensor(ints: [0]), Tensor(ints: [1]), Tensor(ints: [0]), Tensor(ints: [0])])
    }
  }
  @Test func extremeBoundsOfSliceAreClamped() throws {
    let y = try NodeRunner.run(
      "Slice",
      [Tensor([Float(1), 2, 3]), Tensor(ints: [Int.max]), Tensor(ints: [Int.min]), Tensor(ints: [0]), Tensor(ints: [-1])])[0]
    #expect(y.floats == [3, 2, 1])
  }
}

@Suite struct Types {
  @Test(arguments: [
    (Float(1), "1.0"), (0.1, "0.1"), (1e-5, "1e-05"), (16_777_216, "16777216.0"), (1e16, "1e+16"), (-0.0, "-0.0"),
    (.nan, "nan"), (-.infinity, "-inf"), (123.456, "123.456"), (1.5e-10, "1.5e-10"),
  ])
  func floatsAreWrittenWithTheFewestDigits(_ x: Float, _ text: String) throws {
    #expect(try NodeRunner.run("Cast", [Tensor([x])], ["to": .int(8)])[0].strings == [text])
  }
  @Test func stringsAreReadAsNumbers() throws {
    let x = try Tensor(strings: ["1", "-2.5", "1e3", "INF"], [4])
    #expect(try NodeRunner.run("Cast", [x], ["to": .int(1)])[0].floats == [1, -2.5, 1000, .infinity])
    #expect(throws: SwiftletError.self) {
      try NodeRunner.run("Cast", [Tensor(strings: ["one"], [1])], ["to": .int(1)])
    }
  }
  @Test func packedElementsAreMoved() throws {
    // 4-bit elements 1...6 as [2, 3].
    let x = try Tensor(.uint4, [2, 3], buffer: Tensor(.uint8, [UInt8(0x21), 0x43, 0x65]).buffer)
    let y = try NodeRunner.run("Transpose", [x])[0]
    #expect(y.shape == [3, 2])
    #expect((0..<3).map { y.data.load(fromByteOffset: $0, as: UInt8.self) } == [0x41, 0x52, 0x63])
  }
  @Test func stringsAreMoved() throws {
    let x = try Tensor(strings: ["a", "b", "c"], [3])
    let y = try NodeRunner.run("Pad", [x, Tensor(ints: [1, 0]), nil], version: 19)[0]
    #expect(y.strings == ["", "a", "b", "c"])
  }
}
