import FoundationEssentials
import Glibc
import Swiftlet

/// A folder with a model and data sets: `model.onnx`, `test_data_set_<k>/input_<i>.pb` and `output_<j>.pb`.
struct TestCase: Codable {
  let folder: String
  let tolerance: Tolerance
  /// Whether shape inference is compared with the run.
  var checksShapes = false

  /// Last components of the path, as people call the case: kind and name.
  var name: String { folder.split(separator: "/").suffix(2).joined(separator: "/") }
}

enum TestStatus: String, Codable { case passed, failed, skipped }

struct TestResult: Codable {
  var status: TestStatus
  /// Why the case failed or was skipped; empty when it passed.
  var reason = ""
  /// The largest absolute difference from the references.
  var maxError = 0.0
  var seconds = 0.0
}

/// Finds cases below folders.
struct TestCaseFinder {
  private var indexes: [String: TestIndex?] = [:]
  private(set) var cases: [TestCase] = []

  /// Adds every case at or below `path`, sorted by name.
  mutating func add(_ path: String) throws {
    let root = URL(fileURLWithPath: path).standardizedFileURL.path
    var isFolder = false
    guard FileManager.default.fileExists(atPath: root, isDirectory: &isFolder) else {
      throw SwiftletError(.io, "'\(path)': no such file or folder")
    }
    guard isFolder else { throw SwiftletError(.io, "'\(path)' is not a folder with cases") }
    visit(root)
  }

  private mutating func visit(_ folder: String) {
    let entries = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
    if entries.contains("model.onnx"), entries.contains(where: { $0.hasPrefix("test_data_set_") }) {
      let found = tolerance(of: folder)
      cases.append(TestCase(folder: folder, tolerance: found))
      return
    }
    for e in entries where !e.hasPrefix(".") {
      var isFolder = false
      let inner = folder + "/" + e
      if FileManager.default.fileExists(atPath: inner, isDirectory: &isFolder), isFolder { visit(inner) }
    }
  }

  /// From the nearest index.csv above the case that lists it.
  private mutating func tolerance(of folder: String) -> Tolerance {
    let parts = folder.split(separator: "/").map(String.init)
    for depth in stride(from: parts.count - 1, through: 0, by: -1) {
      let above = "/" + parts[..<depth].joined(separator: "/")
      if indexes[above] == nil { indexes[above] = .some(TestIndex(path: above + "/index.csv")) }
      if let index = indexes[above] ?? nil, let t = index[parts[depth...]] { return t }
    }
    return Tolerance()
  }
}

/// The index.csv of a suite: tolerances per case.
private struct TestIndex {
  private var rows: [String: Tolerance] = [:]

  init?(path: String) {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
    var lines = text.split(whereSeparator: \.isNewline).map { Self.fields($0) }
    guard let header = lines.first, let name = header.firstIndex(of: "name") else { return nil }
    lines.removeFirst()
    let column = Dictionary(header.enumerated().map { ($1, $0) }) { a, _ in a }
    for row in lines where row.count == header.count {
      func number(_ key: String) -> Double? { column[key].flatMap { Double(row[$0]) } }
      let kind = column["kind"].map { row[$0] + "/" } ?? ""
      var t = Tolerance()
      t.relative = number("rtol") ?? t.relative
      t.absolute = number("atol") ?? t.absolute
      t.isRandom = number("random") == 1
      rows[kind + row[name]] = t
    }
  }

  subscript(path: ArraySlice<String>) -> Tolerance? { rows[path.joined(separator: "/")] }

  /// The fields of a line; commas inside double quotes don't separate.
  private static func fields(_ line: Substring) -> [String] {
    var result = [""]
    var isQuoted = false
    for c in line {
      if c == "\"" {
        isQuoted.toggle()
      } else if c == ",", !isQuoted {
        result.append("")
      } else {
        result[result.count - 1].append(c)
      }
    }
    return result
  }
}
