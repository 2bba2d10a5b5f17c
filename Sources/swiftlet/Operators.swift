import ArgumentParser
import Swiftlet

/// `swiftlet operators`
struct Operators: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the operators that are supported.",
    discussion: """
      With versions (operator sets at which a definition changed and that are covered) and element types.

      EXAMPLES
        swiftlet operators
        swiftlet operators --markdown > docs/operators.md
      """)

  @Flag(help: "Print the page docs/operators.md.")
  var markdown = false
  @Flag(help: "Print the short table of README.md: one line per domain.")
  var summary = false
  @Flag(help: "Print JSON: schemas with inputs, outputs, attributes and types.")
  var json = false

  func validate() throws {
    if [markdown, summary, json].count(where: { $0 }) > 1 {
      throw ValidationError("--markdown, --summary and --json exclude each other.")
    }
  }

  func run() throws {
    let list = OperatorSummary.all
    if json { return print(JSON.array(list.map(\.json)).text()) }
    if markdown { return print(OperatorSummary.page(list)) }
    if summary { return print(OperatorSummary.table(list)) }
    let width = list.map(\.qualifiedName.count).max() ?? 0
    for o in list {
      print(o.qualifiedName.padded(width + 2) + o.versions)
    }
  }
}

/// All definitions of one operator.
struct OperatorSummary {
  let definitions: [OperatorDefinition]
  private var newest: OperatorDefinition { definitions[definitions.count - 1] }
  var qualifiedName: String { newest.qualifiedName }

  /// Every operator, sorted by domain and name.
  static var all: [OperatorSummary] {
    var list: [[OperatorDefinition]] = []
    for d in Registry.all where Registry.newestOpset[d.domain] != nil {
      if let last = list.last?.first, last.qualifiedName == d.qualifiedName {
        list[list.count - 1].append(d)
      } else {
        list.append([d])
      }
    }
    return list.map(OperatorSummary.init)
  }

  /// "1, 6, 13" and when the operator was removed.
  var versions: String {
    let since = Set(definitions.flatMap(\.since)).sorted().map(String.init).joined(separator: ", ")
    return since + (newest.removed.map { " (until \($0 - 1))" } ?? "")
  }

  /// Element types by type variable, over all definitions.
  private var types: [(String, TypeSet)] {
    var sets: [String: TypeSet] = [:]
    for d in definitions { for (name, set) in d.types { sets[name, default: []].formUnion(set) } }
    return sets.sorted { $0.key < $1.key }
  }

  private static let domainNames = ["": "ai.onnx"]
  private static func title(_ domain: String) -> String { domainNames[domain] ?? domain }
  private static func domains(_ list: [OperatorSummary]) -> [(String, [OperatorSummary])] {
    Dictionary(grouping: list) { $0.newest.domain }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  // MARK: Markdown

  static func page(_ list: [OperatorSummary]) -> String {
    var s = """
      # Supported operators

      This page is the output of `swiftlet operators --markdown`. Versions are the operator sets at which an operator's
      definition changed; a model of any operator set from the first of them on is read with the right one. Types are those
      of the newest version that is covered, by the specification's type variables. Groups of types:


      """
    for g in groups { s += "- \(g.name): \(g.set.names.joined(separator: ", "))\n" }
    for (domain, operators) in domains(list) {
      s += "\n## \(title(domain)), up to version \(Registry.newestOpset[domain] ?? 1): \(operators.count) operators\n\n"
      s += "| Operator | Versions | Types |\n|---|---|---|\n"
      for o in operators {
        let types = o.types.map { "\($0.0): \(short($0.1))" }.joined(separator: "; ")
        s += "| \(o.newest.name) | \(o.versions) | \(types) |\n"
      }
    }
    return String(s.dropLast())
  }

  static func table(_ list: [OperatorSummary]) -> String {
    let rows = domains(list).map { "| \(title($0)) | 1 to \(Registry.newestOpset[$0] ?? 1) | \($1.count) |" }
    return "| Domain | Versions | Operators |\n|---|---|---|\n" + rows.joined(separator: "\n")
  }

  private static let groups: [(name: String, set: TypeSet)] = [
    ("all", .tensors), ("numeric", .numeric), ("floats", .floats), ("integers", .integers), ("signed", .signed),
    ("unsigned", .unsigned), ("float8", .float8s), ("complex", .complex), ("narrow", .narrow),
    ("float6", .float6s),
  ]

  /// Groups where they fit whole, single types for the rest.
  private static func short(_ set: TypeSet) -> String {
    var rest = set
    var names: [String] = []
    for g in groups where rest.isSuperset(of: g.set) {
      names.append(g.name)
      rest.subtract(g.set)
    }
    return (names + rest.names).joined(separator: ", ")
  }

  // MARK: JSON

  var json: JSON {
    .object([
      ("name", .string(newest.name)), ("domain", .string(Self.title(newest.domain))),
      ("definitions", .array(definitions.map(Self.definition))),
    ])
  }

  private static func definition(_ d: OperatorDefinition) -> JSON {
    .object([
      ("versions", .array(d.since.map(JSON.int))), ("removed", d.removed.map(JSON.int) ?? .null),
      ("inputs", .array(d.inputs.map(parameter))), ("outputs", .array(d.outputs.map(parameter))),
      ("attributes", .array(d.attributes.map { a in
        .object([("name", .string(a.name)), ("kind", .string("\(a.kind)")), ("required", .bool(a.isRequired))])
      })),
      ("types", .object(d.types.map { ($0.key, .array($0.value.names.map(JSON.string))) })),
    ])
  }

  private static func parameter(_ p: Parameter) -> JSON {
    let kind =
      switch p.kind {
      case .required: "required"
      case .optional: "optional"
      case .variadic: "variadic"
      }
    return .object([("name", .string(p.name)), ("type", .string(p.type)), ("kind", .string(kind))])
  }
}
