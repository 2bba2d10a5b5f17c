import CSystem
import Glibc
import Kernels
import Packing
import Progressive
import Swiftlet
import TestSupport
import Testing

private func outputs(_ session: Session) throws -> [Float] {
  let x = try Tensor((0..<48).map { Float($0 % 7) - 3 }, [2, 24])
  guard case .tensor(let t) = try session.run(["x": .tensor(x)])[0] else { return [] }
  return Array(t.elements(Float.self))
}

private func append(_ bytes: ArraySlice<UInt8>, to stream: ModelStream) throws {
  try bytes.withUnsafeBytes { _ = try stream.append($0, at: bytes.startIndex) }
}

/// Soon, even on a machine that is busy.
private func soon() -> UInt64 { sws_now() + 20_000_000_000 }

@Suite struct StreamTests {
  @Test(arguments: [nil, "/tmp"]) func aSessionGetsBetterByItself(folder: String?) throws {
    let model = sampleModel()
    let packed = try pack(model)
    let exact = try outputs(Session(Model(source: ModelSource(bytes: buffer(model)))))
    let stream = ModelStream(folder: folder)
    defer { stream.close() }
    #expect(throws: SwiftletError.self) { try stream.model() }
    try append(packed[..<(packed.count / 2)], to: stream)
    _ = try stream.wait(until: soon()) { $0.state == .usable }
    let session = try Session(stream.model())
    let early = try outputs(session)
    #expect(early != exact)
    let first = session.generation
    #expect(first >= 1)
    for start in stride(from: packed.count / 2, to: packed.count, by: 500) {
      try append(packed[start..<min(start + 500, packed.count)], to: stream)
      _ = try outputs(session)
    }
    let last = try stream.wait(until: soon()) { $0.state == .complete }
    #expect(last.receivedByteCount == packed.count && last.generationByteCount == packed.count)
    #expect(try outputs(session) == exact)
    #expect(session.generation == last.generation && last.generation > first)
    #expect(stream.tensorStatus.allSatisfy { $0.planes == $0.planeCount })
  }

  @Test func aModelThatIsNoContainerIsWholeAtItsEnd() throws {
    let model = sampleModel()
    let exact = try outputs(Session(Model(source: ModelSource(bytes: buffer(model)))))
    let stream = ModelStream()
    defer { stream.close() }
    try append(model[..<1000], to: stream)
    #expect(stream.isPlain && stream.missing == nil)
    #expect(throws: SwiftletError.self) { try append(model[2000...], to: stream) }
    try append(model[..<10], to: stream)  // anew
    for start in Swift.stride(from: 10, to: model.count, by: 777) {
      try append(model[start..<min(start + 777, model.count)], to: stream)
    }
    #expect(stream.status.state == .needMore && stream.status.receivedByteCount == model.count)
    try stream.end()
    let last = try stream.wait(until: soon()) { $0.state == .complete }
    #expect(last.byteCount == model.count && last.generation == 1 && last.generationByteCount == model.count)
    #expect(try outputs(Session(stream.model())) == exact)
    #expect(throws: SwiftletError.self) { try append(model[..<10], to: stream) }
  }

  @Test func aContainerThatEndsEarlyIsTold() throws {
    let packed = try pack(sampleModel())
    let stream = ModelStream()
    defer { stream.close() }
    #expect(throws: SwiftletError.self) { try stream.end() }
    try append(packed[..<(packed.count - 1)], to: stream)
    #expect(throws: SwiftletError.self) { try stream.end() }
    try append(packed[(packed.count - 1)...], to: stream)
    try stream.end()
    // A model that is cut short fails where it is read.
    let cut = ModelStream()
    defer { cut.close() }
    try append(sampleModel()[..<5000], to: cut)
    try cut.end()
    #expect(throws: SwiftletError.self) { try cut.wait(until: soon()) { $0.state == .complete } }
  }

  @Test func runsAndAppendsInSeveralThreadsAgreeOnGenerations() throws {
    let model = sampleModel(seed: 5)
    let packed = try pack(model)
    let exact = try outputs(Session(Model(source: ModelSource(bytes: buffer(model)))))
    for round in 0..<5 {
      let stream = ModelStream()
      defer { stream.close() }
      try append(packed[0..<packed.count / 2], to: stream)
      _ = try stream.wait(until: soon()) { $0.state == .usable }
      // What a generation answered once, it answers always.
      nonisolated(unsafe) var answers: [Int: [Float]] = [:]
      nonisolated(unsafe) var disagreements = 0
      let lock = Lock()
      try ThreadPool(width: 3).parallel(3) { index, _ in
        if index == 0 {
          for start in stride(from: packed.count / 2, to: packed.count, by: 90 + round) {
            try? append(packed[start..<min(start + 90 + round, packed.count)], to: stream)
          }
          return
        }
        guard let session = try? Session(stream.model()) else { return }
        for _ in 0..<200 {
          guard let y = try? outputs(session) else { continue }
          lock.locked {
            if let known = answers[session.generation], known != y { disagreements += 1 }
            answers[session.generation] = y
          }
        }
      }
      #expect(disagreements == 0)
      _ = try stream.wait(until: soon()) { $0.state == .complete }
      #expect(try outputs(Session(stream.model())) == exact)
    }
  }

  @Test func aStreamThatIsNoContainerEndsInAnError() throws {
    let stream = ModelStream()
    defer { stream.close() }
    let e = #expect(throws: SwiftletError.self) { try append(Array("<!DOCTYPE html>".utf8)[...] + Array(repeating: 0, count: 40), to: stream) }
    #expect(e?.code == .parse)
  }

  @Test func waitingHasADeadlineAndEndsWithTheStream() throws {
    let stream = ModelStream()
    let e = #expect(throws: SwiftletError.self) { _ = try stream.wait(until: sws_now() + 1_000_000) { $0.state == .complete } }
    #expect(e?.code == .deadline)
    stream.close()
    #expect(throws: SwiftletError.self) { _ = try stream.wait { $0.state == .complete } }
  }
}
