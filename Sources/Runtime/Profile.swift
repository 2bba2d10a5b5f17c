import Graphs
import Tensors

/// Times of the nodes of the last run.
public struct Profile {
  public struct Entry {
    public let node: String
    public let operatorName: String
    /// What the kernel chose among several ways to compute; "" if there is one way.
    public let kernel: String
    /// Monotonic nanoseconds.
    public let start: UInt64
    public let duration: UInt64
    public let inputs: [String]
    public let outputs: [String]
  }
  public private(set) var entries: [Entry] = []

  mutating func begin() { entries.removeAll(keepingCapacity: true) }
  mutating func add(_ i: Program.Instruction, _ kernel: String, from start: UInt64, to end: UInt64, _ frame: Frame) {
    func types(_ values: [Int]) -> [String] { values.map { $0 < 0 ? "" : frame.values[$0]?.type.description ?? "" } }
    entries.append(
      Entry(
        node: i.node.name, operatorName: i.node.qualifiedOpType, kernel: kernel, start: start, duration: end - start,
        inputs: types(i.inputs), outputs: types(i.outputs)))
  }

  /// The trace in Chrome's trace event format (chrome://tracing, Perfetto).
  public var json: String {
    func quoted(_ s: String) -> String {
      var r = "\""
      for u in s.unicodeScalars {
        switch u {
        case "\"", "\\": r += "\\\(u)"
        case _ where u.value < 32: r += " "
        default: r.unicodeScalars.append(u)
        }
      }
      return r + "\""
    }
    let first = entries.first?.start ?? 0
    let events = entries.map { e in
      "{\"name\":\(quoted(e.node)),\"cat\":\(quoted(e.operatorName)),\"ph\":\"X\",\"pid\":1,\"tid\":1,"
        + "\"ts\":\(Double(e.start - first) / 1000),\"dur\":\(Double(e.duration) / 1000),\"args\":{\"operator\":"
        + "\(quoted(e.operatorName)),\"kernel\":\(quoted(e.kernel)),\"inputs\":[\(e.inputs.map(quoted).joined(separator: ","))],\"outputs\":["
        + "\(e.outputs.map(quoted).joined(separator: ","))]}}"
    }
    return "{\"traceEvents\":[\(events.joined(separator: ",\n"))]}"
  }
}
