import ArgumentParser
import CSwiftlet
import FoundationEssentials
import Glibc
import Swiftlet

@main struct SwiftletCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swiftlet",
    abstract: "Run, test, time and look into ONNX models.",
    discussion: """
      EXIT STATUS
        0  all went well
        1  the model or an input is bad, or a case failed
        2  the command line is wrong

      ENVIRONMENT
        SWIFTLET_CPU=plain|avx2|avx512  use kernels of this level at most
        SWIFTLET_BLAS=off               never load OpenBLAS
        SWIFTLET_SPARSE=never|always    sparse kernels: never, or wherever they can
        SWIFTLET_TICKETS=6bit           6-bit activations at strong tickets: faster
        NO_COLOR=1                      no colours, also on terminals

      Messages go to standard error. Colours and progress bars appear on terminals only.
      """,
    version: "swiftlet \(SWL_VERSION_STRING)",
    subcommands: [
      Run.self, Test.self, Bench.self, Inspect.self, Convert.self, Pack.self, Unpack.self, Watch.self, Prune.self,
      TicketCommand.self, Check.self, Operators.self, TestWorker.self,
    ])

  /// ArgumentParser's own entry point would exit with 64 for wrong usage.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      let code = exitCode(for: error)
      let text = fullMessage(for: error)
      if code.isSuccess {
        if !text.isEmpty { print(text) }
        Glibc.exit(0)
      }
      if !text.isEmpty { Terminal.complain(text) }
      Glibc.exit(code == .validationFailure ? 2 : 1)
    }
  }
}

/// The argument of `--in`: NAME=FILE.
struct InputArgument: ExpressibleByArgument {
  let text: String
  init?(argument: String) {
    guard argument.contains("=") else { return nil }
    text = argument
  }
}

/// Options of the commands that run a model.
struct ThreadOption: ParsableArguments {
  @Option(help: ArgumentHelp("Threads to compute with; 0: one per core.", valueName: "n"))
  var threads = 0

  func validate() throws {
    guard (0...1024).contains(threads) else { throw ValidationError("--threads must be from 0 to 1024.") }
  }
}
