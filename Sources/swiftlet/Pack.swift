import ArgumentParser
import CSystem
import FoundationEssentials
import Glibc
import Packing
import Progressive
import Swiftlet

/// `swiftlet pack`
struct Pack: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Pack a model so that it can be used while it arrives.",
    discussion: """
      The container has the graph first, then the weights bit plane by bit plane, entropy-coded, those first that matter \
      most to the outputs. Every beginning of it is a usable model, the whole is the original, byte for byte, external data \
      included. docs/progressive-format.md specifies it. A model that this would make larger by more than a hundredth \
      (one of some kilobytes) is left as it is.

      EXAMPLES
        swiftlet pack model.onnx -o model.swl
        swiftlet pack model.onnx -o model.swl --calibrate DIR   (test_data_set_*)
      """)

  @Argument(help: "The ONNX file.", completion: .file(extensions: ["onnx"])) var model: String
  @Option(name: .shortAndLong, help: ArgumentHelp("The container to write.", valueName: "file"), completion: .file())
  var output: String
  @Option(help: "In which order weights are sent.") var order = PackOrder.sensitivity
  @Option(help: ArgumentHelp("Measure on inputs of this folder what matters to the outputs.", valueName: "dir"), completion: .directory)
  var calibrate: String?
  @Option(help: ArgumentHelp("Print bytes against error, and draw the curve.", valueName: "file.svg"), completion: .file(extensions: ["svg"]))
  var report: String?
  @OptionGroup var threads: ThreadOption

  func run() throws {
    let source = try PackSource(ModelSource(path: model))
    let pool = try ThreadPool(width: threads.threads == 0 ? Int(sws_processor_count()) : threads.threads)
    var bar = Progress(total: 100)
    let gains = try calibrate.map {
      try Calibration(source, folder: $0, pool: pool).gains { bar.show($0 * 100 / max($1, 1), "% of the calibration") }
    }
    let file = try OutputFile(output)
    let scratch = try OutputFile(beside: output)
    let result = try Packer(source, pool: pool) { done, total in bar.show(done * 100 / max(total, 1), "% of the weights") }
      .pack(order: order, gains: gains, to: file.descriptor, scratch: scratch.descriptor)
    bar.clear()
    try file.keep()
    let ratio = Double(result.packedBytes) / Double(max(result.originalBytes, 1))
    if let report {
      let name = model.split(separator: "/").suffix(2).joined(separator: "/")
      let picture = PackReport(result, of: name, isCalibrated: gains != nil)
      print(picture.table)
      try ValueFiles.write(Data(picture.svg.utf8), report)
    }
    print("\(result.originalBytes) bytes in, \(result.packedBytes) out (\(ratio.short(4))), \(result.planeTensors) tensors in planes")
  }
}

extension PackOrder: ExpressibleByArgument {}

/// `swiftlet unpack`
struct Unpack: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Get the model back from a container.",
    discussion: """
      A whole container gives the files that were packed, byte for byte. External data is written beside the model, under \
      the names that the model gives. With --bytes or --fraction the result is the model as it is when so much has arrived.
      """)

  @Argument(help: "The container.", completion: .file(extensions: ["swl"])) var container: String
  @Option(name: .shortAndLong, help: ArgumentHelp("The ONNX file to write.", valueName: "file"), completion: .file())
  var output: String
  @OptionGroup var part: PartOption

  func run() throws {
    let source = try ModelSource(path: container)
    let all = UnsafeRawBufferPointer(start: source.bytes.base, count: source.bytes.byteCount)
    if !Container.begins(all) {
      _ = try part.model(container)
      return try Self.write(all, to: output)
    }
    let image = try part.read(container)
    let slash = output.lastIndex(of: "/")
    let folder = slash.map { String(output[...$0]) } ?? ""
    for (file, bytes) in zip(image.container.files, image.files) {
      guard file.name.isEmpty || Self.staysInside(file.name) else {
        throw SwiftletError(.io, "external data '\(file.name)' would leave the folder of the model")
      }
      let path = file.name.isEmpty ? output : folder + file.name
      if !file.name.isEmpty, let end = path.lastIndex(of: "/") { try ValueFiles.makeFolder(String(path[..<end])) }
      try Self.write(UnsafeRawBufferPointer(start: bytes.base, count: bytes.byteCount), to: path)
    }
  }

  private static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws {
    let out = try OutputFile(path)
    try out.write(bytes)
    try out.keep()
  }

  private static func staysInside(_ name: String) -> Bool {
    !name.hasPrefix("/") && !name.utf8.contains(0) && !name.split(separator: "/", omittingEmptySubsequences: false).contains { $0 == ".." || $0.isEmpty }
  }
}

/// How much of a container is taken.
struct PartOption: ParsableArguments {
  @Option(help: ArgumentHelp("Use the first bytes of a container only.", valueName: "n")) var bytes: Int?
  @Option(help: ArgumentHelp("Use this part of a container only, 0 to 1.", valueName: "f")) var fraction: Double?

  func validate() throws {
    if let bytes, bytes < 0 { throw ValidationError("--bytes must not be negative.") }
    if let fraction, !(fraction >= 0 && fraction <= 1) { throw ValidationError("--fraction must be from 0 to 1.") }
    if bytes != nil, fraction != nil { throw ValidationError("--bytes and --fraction exclude each other.") }
  }

  private var isGiven: Bool { bytes != nil || fraction != nil }
  private func taken(of all: Int) -> Int { bytes.map { min($0, all) } ?? fraction.map { Int(Double(all) * $0) } ?? all }

  /// The model at `path`: an ONNX file, or as much of a container as is wished.
  func model(_ path: String) throws -> Model {
    let source = try ModelSource(path: path)
    if Container.begins(UnsafeRawBufferPointer(start: source.bytes.base, count: source.bytes.byteCount)) {
      return try Model(source: read(path).modelSource())
    }
    guard taken(of: source.bytes.byteCount) == source.bytes.byteCount else {
      throw SwiftletError(.invalidArgument, "'\(path)' is no container (swiftlet pack): it is usable as a whole only")
    }
    return try Model(source: source)
  }

  /// The files of a container at `path`, checked when all of it is taken.
  func read(_ path: String) throws -> ContainerImage {
    let source = try ModelSource(path: path)
    let all = source.bytes.byteCount
    let wanted = taken(of: all)
    let pool = try ThreadPool(width: Int(sws_processor_count()))
    let image = try ContainerImage.read(source.bytes.slice(offset: 0, byteCount: wanted), pool: pool)
    guard image.hasGraph else { throw SwiftletError(.parse, "'\(path)': the graph is not in its first \(wanted) bytes") }
    if image.isComplete {
      try image.verify()
    } else if !isGiven {
      throw SwiftletError(.parse, "'\(path)' is cut short: \(all) of \(image.container.byteCount) bytes are there")
    }
    return image
  }
}
