import Swiftlet
import TestSupport
import Testing

@Test func aModelWithOneNodeRuns() throws {
  let bytes = Proto.model(
    Proto.field(1, Proto.node("Relu", ["x"], ["y"])) + Proto.field(11, Proto.value("x", .float, [.symbol("N")]))
      + Proto.field(12, Proto.value("y", .float, [.symbol("N")])))
  let session = try Session(model(bytes))
  for n in [1, 3, 1] {
    let x = try Tensor([Float](repeating: -1, count: n - 1) + [2])
    let y = try session.run(["x": .tensor(x)])
    #expect(y[0].tensor.map { Array($0.elements(Float.self)) } == [Float](repeating: 0, count: n - 1) + [2])
  }
}

/// Bodies of loops get a plan when their shapes repeat: the steps with it and without give the same. With `growing`, the
/// state is as long as the iterations are many, so that no plan fits.
@Test(arguments: [false, true]) func loopsRepeatTheirBody(growing: Bool) throws {
  func value(_ name: String, _ type: ElementType, _ dims: [Dimension]) -> [UInt8] { Proto.value(name, type, dims) }
  let axis = Proto.field(5, Proto.field(1, "axis") + Proto.field(3, int: 0) + Proto.field(20, int: 2))
  let step = growing ? Proto.node("Concat", ["s", "x"], ["t"], axis) : Proto.node("Add", ["s", "x"], ["t"])
  let body =
    Proto.field(1, step) + Proto.field(1, Proto.node("Neg", ["t"], ["u"])) + Proto.field(1, Proto.node("Neg", ["u"], ["s2"]))
    + Proto.field(1, Proto.node("Identity", ["c"], ["c2"])) + Proto.field(2, "body")
    + Proto.field(11, value("i", .int64, [])) + Proto.field(11, value("c", .bool, []))
    + Proto.field(11, value("s", .float, [.unknown])) + Proto.field(12, value("c2", .bool, []))
    + Proto.field(12, value("s2", .float, [.unknown]))
  let attribute = Proto.field(5, Proto.field(1, "body") + Proto.field(6, body) + Proto.field(20, int: 5))
  let session = try Session(
    model(
      Proto.model(
        Proto.field(1, Proto.node("Loop", ["n", "", "x"], ["y"], attribute)) + Proto.field(2, "g")
          + Proto.field(11, value("n", .int64, [])) + Proto.field(11, value("x", .float, [.symbol("N")]))
          + Proto.field(12, value("y", .float, [.unknown])))))
  for (n, x) in [(5, [1, -2]), (1, [3, 4]), (7, [0.5, 8]), (3, [1])] as [(Int64, [Float])] {
    let count = try Tensor(.int64, [], buffer: Tensor([n]).buffer)
    let y = try session.run(["n": .tensor(count), "x": .tensor(Tensor(x))])[0].tensor
    let due = growing ? (0...n).flatMap { _ in x } : x.map { $0 * Float(n + 1) }
    #expect(y.map { Array($0.elements(Float.self)) } == due)
  }
}
