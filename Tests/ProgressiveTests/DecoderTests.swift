import Foundation
import Packing
import Progressive
import Swiftlet
import Testing

/// Another decoder, written from the specification alone, gives the same bytes for whole and for cut containers.
@Suite struct DecoderTests {
  private let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Progressive/decoder.py").path

  private func decode(_ container: [UInt8]) throws -> [UInt8] {
    let folder = FileManager.default.temporaryDirectory.appending(path: "swiftlet-decoder-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appending(path: "m.swl")
    try Data(container).write(to: file)
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["python3", script, file.path, folder.path]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    return Array(try Data(contentsOf: folder.appending(path: "model.onnx")))
  }

  @Test func thePythonDecoderAgrees() throws {
    var numbers = Numbers(4)
    for model in [sampleModel(), sampleModel(seed: 2, zeros: 0.9), byteModel(mask(5000, ones: 0.1, &numbers))] {
      let packed = try pack(model)
      #expect(try decode(packed) == model)
      for n in [packed.count / 2, packed.count * 4 / 5] {
        let image = try receive([(0, Array(packed[..<n]))])
        #expect(try decode(Array(packed[..<n])) == Array(UnsafeRawBufferPointer(start: image.files[0].base, count: image.files[0].byteCount)))
      }
    }
  }

  /// A container of version 1 that was made once and for all: what was packed then must be read for ever.
  @Test func theTestVectorIsStillRead() throws {
    let folder = URL(filePath: script).deletingLastPathComponent()
    let packed = Array(try Data(contentsOf: folder.appending(path: "vector.swl")))
    let model = Array(try Data(contentsOf: folder.appending(path: "vector.onnx")))
    #expect(try unpack(packed) == [model])
    #expect(try decode(packed) == model)
  }
}
