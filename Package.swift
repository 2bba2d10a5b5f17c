// swift-tools-version:6.2
import Foundation
import PackageDescription

let directory = Context.packageDirectory

/// `-cross-module-optimization` removes the cost of generics used across targets; exclusivity checks cost 3.5x on
/// class-property loops. Bounds and overflow checks stay (`-O`, never `-Ounchecked`).
/// Without the regular expressions that every Swift file imports by default libswiftlet.so is 1.4 MB smaller.
let fast: [SwiftSetting] = [
  .unsafeFlags(["-cross-module-optimization", "-enforce-exclusivity=unchecked"], .when(configuration: .release)),
  .unsafeFlags(["-Xfrontend", "-disable-implicit-string-processing-module-import"]),
]
/// What isn't an inner loop (those are in C) is built for size.
let small = fast + [.unsafeFlags(["-Osize"], .when(configuration: .release))]
/// The kernels are optimised in debug builds too: nobody steps through them, and every test runs them. Unrolling
/// beyond what the sources say doubles the library's size and gains nothing.
let kernelFlags: [CSetting] = [.unsafeFlags(["-O2", "-fno-unroll-loops", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"])]

/// make says where packaging/slim-stdlib has put its copy of Swift's standard library.
let slimStandardLibrary = Context.environment["SWIFTLET_STDLIB"].map { ["\(directory)/\($0)"] } ?? []

// The tool has the name `swiftlet`; make renames libswiftlet-shared.so to libswiftlet.so (its soname is right already).
var products: [Product] = [
  .library(name: "swiftlet-shared", type: .dynamic, targets: ["SwiftletExport"]),
  .library(name: "swiftlet-static", type: .static, targets: ["SwiftletC"]),
  .library(name: "Swiftlet", targets: ["Swiftlet"]),
  .executable(name: "swiftlet", targets: ["SwiftletTool"]),
]

var targets: [Target] = [
  // C targets
  .target(name: "CSwiftlet"),
  .target(name: "CSystem"),
  .target(name: "CThreads", cSettings: [.unsafeFlags(["-O2"])]),
  .target(name: "CKernels", cSettings: kernelFlags),
  // The core, lowest layer first; a target imports only targets above it.
  .target(name: "Tensors", dependencies: ["CSystem"], swiftSettings: fast),
  .target(name: "Graphs", dependencies: ["Tensors"], swiftSettings: small),
  .target(name: "ONNX", dependencies: ["Graphs", "CSystem"], swiftSettings: small),
  .target(name: "Kernels", dependencies: ["Tensors", "CKernels", "CThreads"], swiftSettings: small),
  .target(name: "Operators", dependencies: ["Kernels", "Graphs"], swiftSettings: small),
  .target(name: "Passes", dependencies: ["Operators"], swiftSettings: small),
  .target(name: "Progressive", dependencies: ["Kernels", "ONNX"], swiftSettings: small),
  .target(name: "Packing", dependencies: ["Progressive"], swiftSettings: fast),
  .target(name: "Runtime", dependencies: ["Passes", "ONNX", "Progressive"], swiftSettings: small),
  .target(name: "Swiftlet", dependencies: ["Runtime"], swiftSettings: fast),
  .target(name: "SwiftletC", dependencies: ["Swiftlet", "CSwiftlet"], swiftSettings: small),
  .target(
    name: "SwiftletExport", dependencies: ["SwiftletC"],
    linkerSettings: [
      .unsafeFlags([
        "-static-stdlib", "-use-ld=lld",
        "-Xlinker", "--version-script=\(directory)/Sources/SwiftletExport/swiftlet.map",
        "-Xlinker", "--no-undefined-version",
        "-Xlinker", "-soname=libswiftlet.so.1",
        "-Xlinker", "-z", "-Xlinker", "nodelete",
        // Each of these makes the file smaller: unused code, equal functions, relocations as a bitmap.
        "-Xlinker", "--gc-sections", "-Xlinker", "--icf=all", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs",
        "-Xlinker", "--wrap=_swift_stdlib_getScalarName", "-Xlinker", "--wrap=_swift_stdlib_getAge",
        "-Xlinker", "--wrap=_swift_stdlib_getScript", "-Xlinker", "--wrap=_swift_stdlib_getScriptExtensions",
      ]),
      .unsafeFlags(
        [
          "-Xlinker", "-z", "-Xlinker", "defs",
          // No exception passes through the library: without unwind tables it is a tenth smaller.
          "-Xlinker", "-T", "-Xlinker", "\(directory)/Sources/SwiftletExport/unwind.ld", "-Xlinker", "--no-eh-frame-hdr",
        ] + slimStandardLibrary, .when(configuration: .release)),
    ]),
  .executableTarget(
    name: "SwiftletTool",
    dependencies: ["Swiftlet", "Packing", "CSwiftlet", "CSystem", "CKernels", .product(name: "ArgumentParser", package: "swift-argument-parser")],
    path: "Sources/swiftlet", swiftSettings: fast),
  // Tests
  .target(name: "TestSupport", dependencies: ["Swiftlet"], path: "Tests/Support"),
  .testTarget(name: "TensorsTests", dependencies: ["Tensors", "CSystem"]),
  .testTarget(name: "ONNXTests", dependencies: ["ONNX", "Swiftlet", "TestSupport"]),
  .testTarget(name: "KernelsTests", dependencies: ["Kernels"]),
  .testTarget(name: "OperatorsTests", dependencies: ["Operators", "Swiftlet"]),
  .testTarget(name: "PassesTests", dependencies: ["Passes", "Swiftlet", "TestSupport"]),
  .testTarget(name: "ProgressiveTests", dependencies: ["Packing", "Swiftlet", "TestSupport"]),
  .testTarget(name: "SwiftletTests", dependencies: ["Swiftlet", "TestSupport"]),
  .testTarget(name: "ToolTests", dependencies: ["SwiftletTool", "TestSupport"]),
  .testTarget(name: "SwiftletONNXTests", dependencies: ["SwiftletTool"]),
  .testTarget(name: "ReaderOracle", dependencies: ["SwiftletTool", "ONNX"], path: "Tests/ReaderOracle"),
]

// Fuzz targets need libFuzzer's main: built by Fuzz/run only.
if Context.environment["SWIFTLET_FUZZ"] != nil {
  targets += [
    .target(name: "FuzzModel", dependencies: ["Swiftlet"], path: "Fuzz/model"),
    .executableTarget(name: "fuzz-model", dependencies: ["FuzzModel"], path: "Fuzz/modelmain"),
    .target(name: "FuzzContainer", dependencies: ["Swiftlet"], path: "Fuzz/container"),
    .executableTarget(name: "fuzz-container", dependencies: ["FuzzContainer"], path: "Fuzz/containermain"),
  ]
}

// The bridge to libonnx and libprotobuf: its own shared library, left out where their headers aren't installed.
let bridgeHeaders = ["/usr/include/onnx/onnx_pb.h", "/usr/include/google/protobuf/message.h"]
if bridgeHeaders.allSatisfy(FileManager.default.fileExists(atPath:)) {
  products.append(.library(name: "swiftlet-onnx", type: .dynamic, targets: ["SwiftletONNX"]))
  targets.append(
    .target(
      name: "SwiftletONNX", exclude: ["exports.map"],
      cxxSettings: [
        .define("ONNX_ML", to: "1"), .define("ONNX_NAMESPACE", to: "onnx"), .unsafeFlags(["-fvisibility=hidden"]),
      ],
      linkerSettings: [
        .linkedLibrary("onnx"), .linkedLibrary("onnx_proto"), .linkedLibrary("protobuf"),
        .unsafeFlags([
          "-static-stdlib", "-use-ld=lld",
          "-Xlinker", "--version-script=\(directory)/Sources/SwiftletONNX/exports.map",
          "-Xlinker", "--no-undefined-version", "-Xlinker", "--gc-sections",
        ]),
      ]))
}

// SwiftPM rebuilds a target when a target that it names has changed, and doesn't know what that one took over from others
// (layouts, inlined code): so every target names all that it stands on.
var standsOn: [String: Set<String>] = [:]
for target in targets {
  let named = target.dependencies.compactMap { if case .byNameItem(let name, _) = $0 { name } else { nil } }
  let all = named.reduce(into: Set(named)) { $0.formUnion(standsOn[$1] ?? []) }
  standsOn[target.name] = all
  target.dependencies += all.subtracting(named).sorted().map { .init(stringLiteral: $0) }
}

let package = Package(
  name: "swiftlet",
  products: products,
  dependencies: [.package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")],
  targets: targets,
  swiftLanguageModes: [.v5],
  cLanguageStandard: .gnu11,
  cxxLanguageStandard: .cxx17
)
