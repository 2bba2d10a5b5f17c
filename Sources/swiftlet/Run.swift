import ArgumentParser
import FoundationEssentials
import Glibc
import Swiftlet

/// `swiftlet run`
struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a model on inputs from files.",
    discussion: """
      Inputs are NumPy arrays (.npy) or protobuf messages (.pb: TensorProto, SequenceProto, OptionalProto, as the model's \
      input type says). Every input must be given; `swiftlet inspect MODEL` lists them.

      With --out each output is written to DIR/<name>.npy; characters of the name outside [A-Za-z0-9._-] become "_". \
      Strings, sequences and maps are written as DIR/<name>.json: tensors as nested arrays, maps as objects, an empty \
      optional as null, numbers that JSON lacks as "NaN", "Infinity" and "-Infinity". Element types that NumPy lacks are \
      written as ml_dtypes saves them: bfloat16 as "<V2", 8-bit floats as "|V1"; 2- and 4-bit types take a byte each.

      Without --out a summary is printed: type and shape, first values, minimum, maximum and mean.

      EXAMPLES
        swiftlet run resnet.onnx --in input=photo.npy
        swiftlet run bert.onnx --in input_ids=i.npy --in attention_mask=m.npy --out DIR
        swiftlet run model.onnx --in x=x.npy --profile trace.json   (ui.perfetto.dev)
      """)

  @Argument(help: "The ONNX file, or a progressive model.", completion: .file(extensions: ["onnx", "swl"]))
  var model: String
  @Option(name: .customLong("in"), parsing: .singleValue, help: ArgumentHelp("An input (repeat).", valueName: "name=file"))
  var inputs: [InputArgument] = []
  @Option(help: ArgumentHelp("Folder to write the outputs to.", valueName: "dir"), completion: .directory)
  var out: String?
  @Option(help: ArgumentHelp("Compute these outputs only.", valueName: "a,b"))
  var outputs: String?
  @OptionGroup var threads: ThreadOption
  @OptionGroup var part: PartOption
  @Option(help: ArgumentHelp("Write the time of each node, as a Chrome trace.", valueName: "file"), completion: .file())
  var profile: String?

  func run() throws {
    let model = try part.model(model)
    let values = try model.read(inputs)
    let lacking = model.inputs.filter { values[$0.name] == nil }
    guard lacking.isEmpty else {
      throw SwiftletError(
        .invalidArgument,
        "no value for \(lacking.map { "'\($0.name)'" }.joined(separator: ", ")); give --in NAME=FILE\n"
          + model.expectedInputs)
    }
    var options = SessionOptions()
    options.threads = threads.threads
    options.profiles = profile != nil
    let session = try Session(model, options)
    let names = outputs.map { $0.split(separator: ",").map(String.init) } ?? model.outputs.map(\.name)
    let results = try session.run(values, outputs: names)
    if let profile { try ValueFiles.write(Data(session.profile.json.utf8), profile) }
    guard let out else { return try zip(names, results).forEach { print(try Self.summary($0, $1)) } }
    try ValueFiles.makeFolder(out)
    for (name, value) in zip(names, results) { _ = try ValueFiles.write(value, name: name, to: out) }
  }

  /// What an output looks like, for people.
  static func summary(_ name: String, _ value: Value) throws -> String {
    let title = "\(Terminal.styled(name, .strong)): \(value.type)"
    switch value {
    case .tensor(let t) where t.type == .string:
      return title + "\n  values  " + t.strings.prefix(8).map { "\"\($0)\"" }.joined(separator: " ") + (t.count > 8 ? " ..." : "")
    case .tensor(let t):
      let n = try t.numbers()
      guard !n.isEmpty else { return title }
      let finite = n.filter(\.isFinite)
      var s = title + "\n  values  " + n.prefix(8).map { $0.short() }.joined(separator: " ") + (n.count > 8 ? " ..." : "")
      if let low = finite.min(), let high = finite.max() {
        s += "\n  min \(low.short())  max \(high.short())  mean \((finite.reduce(0, +) / Double(finite.count)).short())"
      }
      if finite.count < n.count { s += "\n  \(n.count - finite.count) values are not finite" }
      return s
    case .sequence(let list, _):
      let inner = try list.prefix(4).enumerated().map { try summary("\(name)[\($0)]", $1) }
      return ([title + ", \(list.count) elements"] + inner).joined(separator: "\n")
    case .optional(let v, _): return try v.map { try summary(name, $0) } ?? title + ", empty"
    case .map: return title + "\n  " + (try value.json().text(indent: nil))
    }
  }
}
