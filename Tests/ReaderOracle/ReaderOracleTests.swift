import Foundation
import Tensors
import Testing

@testable import ONNX
@testable import SwiftletTool

/// Every model that is at hand, read by libprotobuf and by our reader: the same, line by line
/// (docs/reader-oracle.md).
///
/// The models: shared/models and the light graphs of shared/zoo beside the repository, and the ONNX backend suite in
/// the folder that SWIFTLET_SUITE names (`shared/conformance/make_suite.py` makes it).
@Suite struct ReaderOracleTests {
  @Test("both readers read the same", arguments: Collection.allCases)
  func bothReadersReadTheSame(collection: Collection) throws {
    let bridge: Bridge
    do { bridge = try Bridge() } catch { return print("skipped: \(error)") }
    let models = collection.models()
    if models.isEmpty { return print("skipped: no models of \(collection.rawValue) are there") }
    for path in models {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe)
      let theirs = try lines(bridge.dump(bytes))
      let ours = try lines(ModelDump.text(ModelSource(path: path)))
      #expect(firstDifference(ours, theirs) == nil, "\(path)")
    }
    print("\(collection.rawValue): \(models.count) models compared")
  }

  /// Models with a changed byte: where both readers read something, it is the same. (Text that is no UTF-8, ours
  /// repairs.)
  @Test func damagedModels() throws {
    let bridge: Bridge
    do { bridge = try Bridge() } catch { return print("skipped: \(error)") }
    let models = Collection.suite.models() + Collection.models.models().filter { $0.contains("/mnist/") }
    guard !models.isEmpty else { return print("skipped: no models are there") }
    var random = SplitMix(state: 1)
    var both = 0
    for _ in 0..<Self.damagedRounds {
      let path = models[Int(random.next() % UInt64(models.count))]
      var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      guard let at = bytes.indices.randomElement(using: &random) else { continue }
      bytes[at] = UInt8.random(in: 0...255, using: &random)
      guard let theirs = try? bridge.dump(bytes), let ours = try? dump(bytes), !ours.contains("\\xef\\xbf\\xbd") else {
        continue
      }
      both += 1
      #expect(firstDifference(lines(ours), lines(theirs)) == nil, "\(path) with byte \(at) = \(bytes[at])")
    }
    print("\(both) damaged models compared")
  }
  private static let damagedRounds = 400

  private func dump(_ bytes: Data) throws -> String {
    try bytes.withUnsafeBytes { raw in
      guard let base = raw.baseAddress else { return "" }
      let buffer = Buffer(borrowing: UnsafeMutableRawPointer(mutating: base), byteCount: raw.count)
      return try ModelDump.text(ModelSource(bytes: buffer))
    }
  }

  private func lines(_ text: String) -> [Substring] { text.split(separator: "\n").filter { !$0.hasPrefix("#") } }

  private func firstDifference(_ ours: [Substring], _ theirs: [Substring]) -> String? {
    if ours == theirs { return nil }
    let same = zip(ours, theirs).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(ours.count, theirs.count)
    return "ours: \(ours.dropFirst(same).first ?? "(end)")\ntheirs: \(theirs.dropFirst(same).first ?? "(end)")"
  }
}

enum Collection: String, CaseIterable {
  case models, zoo, suite

  private static let shared = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../../shared").standardized.path

  /// Paths of the models, sorted.
  func models() -> [String] {
    switch self {
    case .models: return Self.files(beneath: Self.shared + "/models") { $0.hasSuffix(".onnx") }
    case .zoo: return Self.files(beneath: Self.shared + "/zoo/light") { $0.hasSuffix("/graph.onnx") }
    case .suite:
      guard let suite = ProcessInfo.processInfo.environment["SWIFTLET_SUITE"] else { return [] }
      return Self.files(beneath: suite) { $0.hasSuffix("/model.onnx") }
    }
  }

  private static func files(beneath folder: String, _ wanted: (String) -> Bool) -> [String] {
    let all = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    return all.map { folder + "/" + $0 }.filter(wanted).sorted()
  }
}

struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
