import Graphs
@testable import Operators
import Tensors
import Testing

@Suite struct RegularExpressions {
  @Test(arguments: [
    ("a*b", "aaab", true), ("a*b", "aaabc", false), ("(a|bc)+", "abca", true), ("[^a-c]", "d", true),
    ("[[:alpha:]_]\\w*", "_x9", true), ("\\d{2,3}", "1", false), ("\\d{2,3}", "123", true), ("(?i)straße", "STRAßE", true),
    ("a.c", "a\nc", false), ("(?s)a.c", "a\nc", true), ("\\Qa.b\\E", "a.b", true), ("\\Qa.b\\E", "axb", false),
    ("^$", "", true), ("\\p{Lu}\\pL+", "Éa", true), ("\\x41\\x{1F600}", "A😀", true), ("(?P<n>x)(?:y)", "xy", true),
    ("x{,2}", "x{,2}", true), (".*\\bfoo\\b.*", "a foo b", true), (".*\\bfoo\\b.*", "afoob", false), ("", "", true),
    ("[a-]]", "-]", true),
  ])
  func wholeStringsMatch(_ pattern: String, _ text: String, _ isMatch: Bool) throws {
    #expect(try RegularExpression(pattern).matchesWhole(text) == isMatch)
  }
  @Test(arguments: ["(", ")", "[", "a**", "*a", "\\1", "a{2,1}", "a{1001}", "(?=a)", "[z-a]", "\\"])
  func badPatternsAreErrors(_ pattern: String) {
    #expect(throws: SwiftletError.self) { try RegularExpression(pattern) }
  }
  @Test func timeDoesNotExplode() throws {
    let expression = try RegularExpression("(a*)*(a*)*(a|aa)*b")
    #expect(!expression.matchesWhole(String(repeating: "a", count: 5000)))
    #expect(throws: SwiftletError.self) { try RegularExpression("((a{1000}){1000}){1000}") }
    _ = try RegularExpression("(((){1000}){1000}){1000}")
  }
}

@Suite struct RandomNumbers {
  @Test func thePublishedVectorIsMet() {
    let w = Philox(key: 0).words(0)
    #expect([w.0, w.1, w.2, w.3] == [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
  }
  @Test func momentsAreRight() throws {
    let shape = Attribute.ints([100_000])
    let normal = try NodeRunner.run(
      "RandomNormal", [], ["shape": shape, "seed": .float(7), "mean": .float(2), "scale": .float(3)])[0].floats
    let mean = normal.reduce(0, +) / 100_000
    let variance = normal.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 100_000
    #expect(abs(mean - 2) < 0.05 && abs(variance - 9) < 0.2)
    let uniform = try NodeRunner.run(
      "RandomUniform", [], ["shape": shape, "seed": .float(7), "low": .float(-1), "high": .float(1)])[0].floats
    #expect(uniform.allSatisfy { $0 >= -1 && $0 < 1 })
    #expect(abs(uniform.reduce(0, +) / 100_000) < 0.01)
  }
  @Test func aSeedGivesTheSameNumbersAgain() throws {
    let a = try NodeRunner.run("RandomUniform", [], ["shape": .ints([9]), "seed": .float(1)])[0]
    let b = try NodeRunner.run("RandomUniform", [], ["shape": .ints([9]), "seed": .float(1)])[0]
    #expect(a.floats == b.floats)
  }
}
