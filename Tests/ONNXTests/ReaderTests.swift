import Glibc
import ONNX
import Swiftlet
import TestSupport
import Testing

/// y = x + w, with w given by `initializer`.
private func addModel(_ initializer: [UInt8], inputs: [UInt8] = []) -> [UInt8] {
  Proto.model(
    Proto.field(1, Proto.node("Add", ["x", "w"], ["y"])) + Proto.field(5, initializer)
      + Proto.field(11, Proto.value("x", .float, [.known(2)])) + inputs
      + Proto.field(12, Proto.value("y", .float, [.known(2)])))
}
private func floats(_ v: [Float]) -> [UInt8] { v.flatMap { f in withUnsafeBytes(of: f.bitPattern.littleEndian, Array.init) } }
private func tensor(_ type: ElementType, _ dims: [Int], _ payload: [UInt8]) -> [UInt8] {
  dims.flatMap { Proto.field(1, int: $0) } + Proto.field(2, int: Int(type.rawValue)) + Proto.field(8, "w") + payload
}
private func read(_ bytes: [UInt8]) throws -> ModelGraph {
  let buffer = try Allocator.system.allocate(bytes.count)
  bytes.withUnsafeBytes { if let p = $0.baseAddress { buffer.base.copyMemory(from: p, byteCount: $0.count) } }
  return try Importer.importModel(from: ModelSource(bytes: buffer))
}
private func constant(_ m: ModelGraph) -> [Float]? {
  m.graph.values.first { $0.name == "w" }?.constant.map { Array($0.elements(Float.self)) }
}

@Suite struct ReaderTests {
  @Test func tensorsMayBeRawPackedOrOneByOne() throws {
    let packed = Proto.field(4, floats([1, 2]))
    let single = [UInt8(4 << 3 | 5)] + floats([1]) + [UInt8(4 << 3 | 5)] + floats([2])
    for payload in [Proto.field(9, floats([1, 2])), packed, single] {
      #expect(try constant(read(addModel(tensor(.float, [2], payload)))) == [1, 2])
    }
  }

  @Test func anInitializerThatIsAlsoAnInputIsAConstant() throws {
    let bytes = addModel(
      tensor(.float, [2], Proto.field(9, floats([1, 2]))), inputs: Proto.field(11, Proto.value("w", .float, [.known(2)])))
    let m = try read(bytes)
    #expect(m.graph.inputs.count == 1)
    #expect(m.overridable.map(\.name) == ["w"])
  }

  @Test func unknownFieldsAndGroupsAreSkipped() throws {
    let group: [UInt8] = [200 << 3 & 0x7f | 0x80 | 3, 200 >> 4, 8, 1, 200 << 3 & 0x7f | 0x80 | 4, 200 >> 4]
    let unknown = Proto.field(500, "later") + group
    #expect(try constant(read(unknown + addModel(tensor(.float, [2], Proto.field(9, floats([1, 2])))))) == [1, 2])
  }

  @Test func nodesMayStandInAnyOrderButNotInACycle() throws {
    let x = Proto.field(11, Proto.value("x", .float, [.known(1)])), y = Proto.field(12, Proto.value("y", .float, [.known(1)]))
    let late = Proto.field(1, Proto.node("Relu", ["a"], ["y"])), early = Proto.field(1, Proto.node("Abs", ["x"], ["a"]))
    #expect(try read(Proto.model(late + early + x + y)).graph.nodes.map(\.opType) == ["Abs", "Relu"])
    let back = Proto.field(1, Proto.node("Abs", ["y"], ["a"]))
    let e = #expect(throws: SwiftletError.self) { try read(Proto.model(late + back + x + y)) }
    #expect(e?.code == .invalidModel)
    #expect(e?.message.contains("cycle") == true)
  }

  @Test func namesAreDefinedOnceAndBeforeUse() {
    let x = Proto.field(11, Proto.value("x", .float, [.known(1)])), y = Proto.field(12, Proto.value("y", .float, [.known(1)]))
    let node = Proto.field(1, Proto.node("Relu", ["x"], ["y"]))
    #expect(throws: SwiftletError.self) { try read(Proto.model(node + node + x + y)) }
    #expect(throws: SwiftletError.self) { try read(Proto.model(Proto.field(1, Proto.node("Relu", ["z"], ["y"])) + x + y)) }
    #expect(throws: SwiftletError.self) { try read(Proto.model(node + x + Proto.field(12, Proto.value("q", .float, [])))) }
  }
}

@Suite struct DamagedFileTests {
  private let good = addModel(tensor(.float, [2], Proto.field(9, floats([1, 2]))))

  @Test func everyTruncationIsAnErrorWithAnOffset() {
    for n in 0..<good.count {
      do {
        let m = try read(Array(good.prefix(n)))
        // Cut between fields of the graph, what is left may be a whole message, but not this model.
        #expect(m.graph.outputs.isEmpty || n == good.count)
      } catch {
        #expect(error is SwiftletError)
      }
    }
  }
  @Test func everyFlippedByteIsAnErrorOrAModel() {
    for i in good.indices {
      for bit in [UInt8(1), 0x10, 0x80, 0xff] {
        var bytes = good
        bytes[i] ^= bit
        do { _ = try read(bytes) } catch { #expect(error is SwiftletError) }
      }
    }
  }
  @Test func sizesThatDisagreeAreErrors() {
    for payload in [
      tensor(.float, [3], Proto.field(9, floats([1, 2]))), tensor(.float, [-2], Proto.field(9, floats([1, 2]))),
      tensor(.float, [1 << 40, 1 << 40], Proto.field(9, [])), tensor(.float, [2], []),
      tensor(.float, [2], Proto.field(7, [1, 2])), tensor(.string, [2], Proto.field(6, "one")),
    ] {
      let e = #expect(throws: SwiftletError.self) { try read(addModel(payload)) }
      #expect(e?.tensor == "w")
    }
  }
  @Test func messagesNestedWithoutEndAreRefused() {
    var graph = Proto.field(1, Proto.node("Relu", ["x"], ["y"]))
    for _ in 0..<400 { graph = Proto.field(1, Proto.node("If", ["c"], ["y"], Proto.field(5, Proto.field(1, "then") + Proto.field(6, graph)))) }
    let e = #expect(throws: SwiftletError.self) { try read(Proto.model(graph)) }
    #expect(e?.code == .parse)
  }
}

@Suite struct SniffTests {
  @Test(arguments: [
    ("version https://git-lfs.github.com/spec/v1\noid sha256:0", "LFS"), ("<!DOCTYPE html><html>", "HTML"),
    ("\u{1f}\u{8b}x", "gzip"), ("{\"a\": 1}", "JSON"), ("", "empty"), ("GGUF....", "GGUF"), ("PK\u{3}\u{4}....", "zip"),
  ])
  func whatIsNoModelIsNamed(_ text: String, _ word: String) {
    var bytes = Array(text.utf8)
    if word == "gzip" { bytes = [0x1f, 0x8b, 8, 0] }
    let e = #expect(throws: SwiftletError.self) { try read(bytes) }
    #expect(e?.message.contains(word) == true)
  }
}

@Suite final class ExternalDataTests {
  private let folder: String

  init() throws {
    var template = Array("/tmp/swiftlet-external-XXXXXX".utf8CString)
    folder = template.withUnsafeMutableBufferPointer { p in p.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } ?? "" }
    try #require(!folder.isEmpty)
  }
  deinit { _ = system("rm -rf '\(folder)'") }

  private func write(_ name: String, _ bytes: [UInt8]) {
    let f = fopen("\(folder)/\(name)", "w")
    fwrite(bytes, 1, bytes.count, f)
    fclose(f)
  }
  private func load(location: String, offset: String = "0", length: String? = nil) throws -> [Float]? {
    var entries = [("location", location), ("offset", offset), ("later", "ignored")]
    if let length { entries.append(("length", length)) }
    let external = entries.flatMap { Proto.field(13, Proto.field(1, $0.0) + Proto.field(2, $0.1)) }
    write("model.onnx", addModel(tensor(.float, [2], external + Proto.field(14, int: 1))))
    return try constant(Importer.importModel(from: ModelSource(path: "\(folder)/model.onnx")))
  }

  @Test func dataBesideTheModelIsRead() throws {
    write("data.bin", floats([9, 1, 2]))
    #expect(try load(location: "data.bin", offset: "4", length: "8") == [1, 2])
  }
  @Test(arguments: ["../outside.bin", "/etc/hostname", "link.bin", "linked/data.bin", "hard.bin", "missing.bin", "fifo", ".", ""])
  func whatLeavesTheFolderOrIsNoPlainFileIsRefused(_ location: String) throws {
    write("data.bin", floats([1, 2]))
    write("other.bin", floats([1, 2]))
    for (from, to) in [("data.bin", "link.bin"), (".", "linked")] { symlink(from, "\(folder)/\(to)") }
    link("\(folder)/other.bin", "\(folder)/hard.bin")
    mkfifo("\(folder)/fifo", 0o600)
    #expect(throws: SwiftletError.self) { try self.load(location: location) }
  }
  @Test(arguments: [("8", nil), ("-1", nil), ("18446744073709551615", nil), ("9223372036854775807", nil), ("x", nil), ("0", "4")])
  func rangesBeyondTheFileAreErrors(_ offset: String, _ length: String?) {
    write("data.bin", floats([1, 2]))
    #expect(throws: SwiftletError.self) { try self.load(location: "data.bin", offset: offset, length: length) }
  }
  /// Beyond what libprotobuf reads. The file has a hole of 2 GiB, which takes no disk; only its last bytes are looked at.
  @Test func aModelMayBeLargerThanTwoGibibytes() throws {
    let count = 1 << 29 + 1, raw = count * 4
    let head = Proto.field(1, int: count) + Proto.field(2, int: 1) + Proto.field(8, "w") + Proto.varint(9 << 3 | 2) + Proto.varint(raw)
    let nodes =
      Proto.field(1, Proto.node("Relu", ["w"], ["y"])) + Proto.field(12, Proto.value("y", .float, [.known(count)]))
      + Proto.varint(5 << 3 | 2) + Proto.varint(head.count + raw)
    let before =
      Proto.field(1, int: 8) + Proto.field(8, Proto.field(2, int: 17)) + Proto.varint(7 << 3 | 2)
      + Proto.varint(nodes.count + head.count + raw) + nodes + head
    write("large.onnx", before)
    let f = fopen("\(folder)/large.onnx", "r+")
    fseek(f, before.count + raw - 4, SEEK_SET)
    fwrite(floats([7]), 1, 4, f)
    fclose(f)
    let graph = try Importer.importModel(from: ModelSource(path: "\(folder)/large.onnx")).graph
    let w = try #require(graph.values.first { $0.name == "w" }?.constant)
    #expect(w.shape == [count])
    #expect(w.elements(Float.self).last == 7)
  }
  @Test func aModelFromMemoryAsksItsResolver() throws {
    let external = Proto.field(13, Proto.field(1, "location") + Proto.field(2, "w.bin"))
    let bytes = addModel(tensor(.float, [2], external + Proto.field(14, int: 1)))
    #expect(throws: SwiftletError.self) { try read(bytes) }
    let buffer = try Allocator.system.allocate(bytes.count)
    bytes.withUnsafeBytes { if let p = $0.baseAddress { buffer.base.copyMemory(from: p, byteCount: $0.count) } }
    let data = try Tensor([Float(5), 6])
    let source = ModelSource(bytes: buffer) { $0 == "w.bin" ? data.buffer : nil }
    #expect(try constant(Importer.importModel(from: source)) == [5, 6])
  }
  @Test func aFileThatShrinksIsNoticedBeforeTheRun() throws {
    write("model.onnx", addModel(tensor(.float, [2], Proto.field(9, floats([1, 2])))))
    let source = try ModelSource(path: "\(folder)/model.onnx")
    #expect(throws: Never.self) { try source.checkUnchanged() }
    truncate("\(folder)/model.onnx", 10)
    #expect(throws: SwiftletError.self) { try source.checkUnchanged() }
  }
  @Test func directoriesAndPipesAreNoModels() {
    mkfifo("\(folder)/pipe", 0o600)
    for path in [folder, "\(folder)/pipe", "\(folder)/nothing"] {
      let e = #expect(throws: SwiftletError.self) { try ModelSource(path: path) }
      #expect(e?.code == .io)
    }
  }
}
