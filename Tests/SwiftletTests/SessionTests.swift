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
