import FoundationEssentials
import Glibc
import Packing
import Swiftlet

/// Bytes against error, as a table and a picture.
struct PackReport {
  private let title: String
  private let result: Packer.Result
  private let measure: String
  private var curve: [Packer.Point] { result.curve }

  /// - Parameter name: the model's, for people.
  /// - Parameter isCalibrated: whether errors are weighed by what they do to the outputs.
  init(_ result: Packer.Result, of name: String, isCalibrated: Bool) {
    self.result = result
    title = "\(name): \(result.originalBytes) bytes, packed \(result.packedBytes)"
    measure = "relative squared error of the weights" + (isCalibrated ? ", as it matters to the outputs" : "")
  }

  private func share(_ bytes: Int) -> Double { Double(bytes) / Double(max(result.originalBytes, 1)) }
  private func percent(_ bytes: Int) -> String { (share(bytes) * 100).short(3) + " %" }

  /// The error after each twentieth of the original's bytes, after the first step of all tensors, and at the end.
  var table: String {
    var ends = (1...20).compactMap { part in curve.lastIndex { $0.bytes * 20 <= part * result.originalBytes } }
    ends += curve.indices.suffix(1) + (curve.firstIndex { $0.bytes >= result.usableBytes }.map { [$0] } ?? [])
    var lines = ["\("bytes".leftPadded(14))  \("of original".leftPadded(11))  \(measure)"]
    for index in Set(ends).sorted() {
      let point = curve[index]
      let note = point.bytes == result.packedBytes ? "  exact" : point.bytes == result.usableBytes ? "  usable" : ""
      let place = "\("\(point.bytes)".leftPadded(14))  \(percent(point.bytes).leftPadded(11))"
      lines.append("\(place)  \(point.error.short(3))\(note)")
    }
    return lines.joined(separator: "\n")
  }

  /// The curve as SVG; errors on a logarithmic scale.
  var svg: String {
    let (left, top, width, height) = (70.0, 50.0, 600.0, 330.0)
    let least = curve.map(\.error).filter { $0 > 0 }.min() ?? 1
    let decades = min(max((-log10(least)).rounded(.up), 1), 16)
    let most = max(1, share(result.packedBytes))
    func x(_ bytes: Int) -> Double { left + share(bytes) / most * width }
    func y(_ error: Double) -> Double { top + min(max(-log10(max(error, 1e-300)), 0), decades) / decades * height }
    var s = """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 440" font-family="sans-serif" font-size="12" fill="#333">
      <rect width="700" height="440" fill="white"/>
      <text x="\(left)" y="26" font-size="15" font-weight="bold">\(title.escapedForXML)</text>

      """
    func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) {
      s += "<line x1=\"\(x1.short())\" y1=\"\(y1.short())\" x2=\"\(x2.short())\" y2=\"\(y2.short())\" \(style)/>\n"
    }
    func text(_ x: Double, _ y: Double, _ anchor: String, _ content: String, _ style: String = "") {
      s += "<text x=\"\(x.short())\" y=\"\(y.short())\" text-anchor=\"\(anchor)\" \(style)>\(content)</text>\n"
    }
    for decade in stride(from: 0, through: decades, by: decades > 8 ? 2 : 1) {
      let at = y(pow(10, -decade))
      line(left, at, left + width, at, "stroke=\"#ddd\"")
      let label = decade == 0 ? "1" : "10<tspan dy=\"-5\" font-size=\"9\">−\(Int(decade))</tspan>"
      text(left - 8, at + 4, "end", label)
    }
    for tenth in 0...10 {
      let at = left + Double(tenth) / 10 / most * width
      line(at, top, at, top + height, "stroke=\"#ddd\"")
      text(at, top + height + 18, "middle", "\(tenth * 10) %")
    }
    for (bytes, what) in [(result.usableBytes, "usable from"), (result.packedBytes, "exact at")] {
      let at = x(bytes)
      line(at, top, at, top + height, "stroke=\"#c40\" stroke-dasharray=\"4 4\"")
      let isRight = at > left + width * 0.7
      text(at + (isRight ? -6 : 6), top + 14, isRight ? "end" : "start", "\(what) \(percent(bytes))", "fill=\"#c40\"")
    }
    // Thousands of steps would make a picture of megabytes: one point for each half pixel. The last error, 0, is drawn
    // at the foot.
    var points: [String] = []
    var last = -1.0
    for p in curve where x(p.bytes) - last >= 0.5 || p.bytes == result.packedBytes {
      last = x(p.bytes)
      points.append("\(last.short()),\(y(p.error).short())")
    }
    s += "<polyline fill=\"none\" stroke=\"#06c\" stroke-width=\"2\" points=\"\(points.joined(separator: " "))\"/>\n"
    s += "<circle cx=\"\(last.short())\" cy=\"\((top + height).short())\" r=\"4\" fill=\"#06c\"/>\n"
    text(left + width / 2, top + height + 42, "middle", "bytes that have come, of the original's")
    text(0, 0, "middle", measure, "transform=\"translate(18 \((top + height / 2).short())) rotate(-90)\"")
    return s + "</svg>\n"
  }
}

extension String {
  /// Filled up with spaces before it.
  fileprivate func leftPadded(_ width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
  fileprivate var escapedForXML: String {
    reduce(into: "") { $0 += ["<": "&lt;", ">": "&gt;", "&": "&amp;"][$1] ?? String($1) }
  }
}
