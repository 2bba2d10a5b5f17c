import FoundationEssentials
import Glibc

/// What the tool shows to people: messages, colours, progress.
enum Terminal {
  enum Style: String { case good = "32", bad = "31", faint = "2", strong = "1" }

  static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

  /// `text` in a colour when `descriptor` is a terminal and the user doesn't forbid it (https://no-color.org).
  static func styled(_ text: String, _ style: Style, on descriptor: Int32 = STDOUT_FILENO) -> String {
    let environment = ProcessInfo.processInfo.environment
    let isPlain = !(environment["NO_COLOR"] ?? "").isEmpty || environment["TERM"] == "dumb"
    return isTerminal(descriptor) && !isPlain ? "\u{1b}[\(style.rawValue)m\(text)\u{1b}[0m" : text
  }

  /// A line on standard error.
  static func complain(_ text: String) {
    fputs(text + "\n", stderr)
  }
}

/// A bar on standard error while long work goes on; nothing when that is no terminal.
struct Progress {
  private let total: Int
  private let isShown = Terminal.isTerminal(STDERR_FILENO)
  private var shown = -1

  init(total: Int) { self.total = total }

  mutating func show(_ done: Int, _ note: String = "") {
    guard isShown, total > 0 else { return }
    let permille = done * 1000 / total
    if permille == shown { return }
    shown = permille
    let width = 30
    let full = done * width / total
    let bar = String(repeating: "█", count: full) + String(repeating: "░", count: width - full)
    write("\r\u{1b}[K\(bar) \(done)/\(total) \(note)")
  }
  /// Removes the bar, so that other lines can be written.
  mutating func clear() {
    guard isShown, shown >= 0 else { return }
    shown = -1
    write("\r\u{1b}[K")
  }
  private func write(_ text: String) { fputs(text, stderr) }
}

extension Double {
  /// With at most `digits` significant digits, as %g writes it.
  func short(_ digits: Int = 6) -> String { withVaList([self]) { list in
      var buffer = [CChar](repeating: 0, count: 64)
      vsnprintf(&buffer, buffer.count, "%.\(digits)g", list)
      return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    } }
}

extension String {
  /// Filled up with spaces to `width` characters.
  func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}

extension Error {
  /// What went wrong in the words of the system, for errors of files.
  var reason: String {
    guard let posix = (self as? CocoaError)?.underlying as? POSIXError else { return "\(self)" }
    return String(cString: strerror(posix.code.rawValue))
  }
}
