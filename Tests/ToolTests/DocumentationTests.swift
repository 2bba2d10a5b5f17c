import Foundation
import Testing

/// What `scripts/docs` writes is what the tool says now.
@Suite struct DocumentationTests {
  private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  private func page(_ path: String) throws -> String {
    try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
  }
  private var isWritten: Bool { FileManager.default.fileExists(atPath: root.appendingPathComponent("docs/operators.md").path) }

  @Test func operatorsAreListed() throws {
    let tool = try Tool()
    defer { tool.remove() }
    let told = try tool("operators", "--markdown").output
    #expect(told.contains("\n| Relu | 1, 6, 13, 14 | T: "))
    if isWritten { #expect(try page("docs/operators.md") == told, "run scripts/docs") }
  }

  @Test func theTableInREADMEIsCurrent() throws {
    let tool = try Tool()
    defer { tool.remove() }
    let told = try tool("operators", "--summary").output
    if isWritten {
      #expect(try page("README.md").contains("<!-- swiftlet operators --summary -->\n\(told)<!-- end -->"), "run scripts/docs")
    }
  }
}
