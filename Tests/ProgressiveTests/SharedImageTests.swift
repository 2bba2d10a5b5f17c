import Glibc
import Kernels
@testable import ONNX
@testable import Progressive
@testable import Runtime
import Swiftlet
import TestSupport
import Testing

/// A model with one tensor that is cut into segments, and a small one.
private func largeModel() -> [UInt8] {
  var numbers = Numbers(3)
  let a = (0..<24 * 60_000).map { _ in numbers.weight() }
  let b = (0..<24 * 64).map { _ in numbers.weight() }
  return Proto.model(
    Proto.field(1, Proto.node("MatMul", ["x", "a"], ["h"])) + Proto.field(1, Proto.node("MatMul", ["x", "b"], ["y"]))
      + initializer("a", .float, [24, 60_000], bytes(a)) + initializer("b", .float, [24, 64], bytes(b))
      + Proto.field(11, Proto.value("x", .float, [.known(1), .known(24)])) + Proto.field(12, Proto.value("h", .float, [.known(1), .known(60_000)]))
      + Proto.field(12, Proto.value("y", .float, [.known(1), .known(64)])))
}

/// Where generations keep their weights.
private let folders: [String?] = [nil, "/tmp"]

@Suite struct SharedImageTests {
  @Test(arguments: folders) func whatAModelReadsIsLeftAlone(folder: String?) throws {
    let model = largeModel()
    let packed = try pack(model)
    let receiver = ContainerReceiver()
    var chunks = try packed[..<(packed.count / 2)].withUnsafeBytes { try receiver.append($0, at: 0) }
    let image = try ContainerImage(#require(receiver.container), isShared: true, folder: folder)
    try image.take(chunks, from: receiver)
    func weights(_ source: ModelSource) throws -> [[UInt8]] {
      try Importer.payloads(of: source).map { place in
        let b = try source.elements(at: place.range)
        return Array(UnsafeRawBufferPointer(start: b.base, count: b.byteCount))
      }
    }
    var source: ModelSource? = image.modelSource()
    let before = try weights(#require(source))
    chunks = try packed[(packed.count / 2)...].withUnsafeBytes { try receiver.append($0, at: packed.count / 2) }
    try image.note(chunks, from: receiver)
    // One segment of half a megabyte at a time.
    var rounds = 0
    while try !image.refine(upTo: 600_000, from: receiver) {
      rounds += 1
      if rounds == 1 { #expect(try weights(#require(source)) == before) }
      source = nil
      source = image.modelSource()
    }
    #expect(rounds > 3)
    try image.verify()
    source = image.modelSource()
    let exact = try weights(ModelSource(bytes: buffer(model)))
    #expect(try weights(#require(source)) == exact && before != exact)
  }

  @Test func weightsOfFewPlanesAreApproximate() throws {
    let model = sampleModel()
    let packed = try pack(model)
    var known: Set<Bool> = []
    for count in stride(from: packed.count / 4, through: packed.count, by: packed.count / 16) {
      let receiver = ContainerReceiver()
      let chunks = try packed[..<count].withUnsafeBytes { try receiver.append($0, at: 0) }
      let image = try ContainerImage(#require(receiver.container))
      try image.take(chunks, from: receiver)
      let source = image.modelSource()
      for (tensor, t) in image.container.tensors.enumerated() {
        let isApproximate = try source.elements(at: t.range).isApproximate
        #expect(isApproximate == (image.planes(of: tensor) <= 8))
        known.insert(isApproximate)
      }
    }
    #expect(known == [true, false])
  }

  @Test func tensorsThatShareBytesWithDetachedOnesArePutTogether() throws {
    let file = try buffer(Array(0..<100))
    let source = ModelSource(
      bytes: file, detached: ["": [
        DetachedElements(range: 10..<20, elements: try buffer(Array(110..<120))),
        DetachedElements(range: 30..<40, elements: try buffer(Array(130..<140))),
      ]])
    func read(_ range: Range<Int>) throws -> [UInt8] {
      let b = try source.elements(at: range)
      return Array(UnsafeRawBufferPointer(start: b.base, count: b.byteCount))
    }
    #expect(try read(0..<10) == Array(0..<10))
    #expect(try read(10..<20) == Array(110..<120))
    #expect(try read(12..<15) == [112, 113, 114])
    #expect(try read(18..<32) == [118, 119] + Array(20..<30) + [130, 131])
    #expect(try read(40..<44) == [40, 41, 42, 43])
  }

  @Test func aFolderThatIsNotThereIsAnError() throws {
    let packed = try pack(sampleModel())
    let receiver = ContainerReceiver()
    _ = try packed.withUnsafeBytes { try receiver.append($0, at: 0) }
    let e = #expect(throws: SwiftletError.self) { try ContainerImage(#require(receiver.container), folder: "/nowhere/at/all") }
    #expect(e?.code == .io)
  }
}

@Suite struct KernelReuseTests {
  /// y = (x * a) * b: a program of the same graph takes over the kernels whose weights are the same memory.
  @Test func kernelsOfUnchangedWeightsAreTakenOver() throws {
    let weights = try ["a", "b", "c"].map { _ in try Tensor(Array(repeating: Float(1), count: 200 * 200), [200, 200]) }
    func graph(_ a: Tensor, _ b: Tensor) -> Graph {
      let g = Graph()
      let x = g.add(ValueInfo(name: "x", type: .tensor(.float, SymbolicShape([1, 200]))))
      let (h, y) = (g.add(ValueInfo(name: "h")), g.add(ValueInfo(name: "y")))
      g.nodes = [
        Node(opType: "MatMul", version: 13, inputs: [x, g.addConstant(a, name: "a")], outputs: [h]),
        Node(opType: "MatMul", version: 13, inputs: [h, g.addConstant(b, name: "b")], outputs: [y]),
      ]
      (g.inputs, g.outputs) = ([x], [y])
      return g
    }
    let first = try Program(graph(weights[0], weights[1]))
    let second = try Program(graph(weights[0], weights[2]), like: first)
    #expect(first.instructions.map(\.isTakenOver) == [false, false])
    #expect(second.instructions.map(\.isTakenOver) == [true, false])
  }
}

@Suite struct WholeContainerTests {
  @Test func aContainerIsOpenedLikeAModel() throws {
    let packed = try pack(sampleModel())
    let model = try Model(source: ModelSource(bytes: buffer(packed)))
    #expect(model.inputs.map(\.name) == ["x"])
    let e = #expect(throws: SwiftletError.self) { try Model(source: ModelSource(bytes: buffer(Array(packed.dropLast(10))))) }
    #expect(e?.message.contains("\(packed.count - 10) of \(packed.count) bytes") == true)
    #expect(e?.message.contains("swl_stream_") == true)
  }
}
