import FoundationEssentials
import Glibc
import Packing
import Swiftlet

/// Bytes against error, as a table and a picture.
struct PackReport {
  private let curve: [Packer.Point]
  private let originalBytes: Int

  init(_ result: Packer.Result) {
    curve = result.curve
    originalBytes = result.originalBytes
  }

  /// The error after each twentieth of the original's bytes.
  var table: String {
    var lines = ["   bytes  of original  error of weights"]
    for part in 1...20 {
      guard let point = curve.last(where: { $0.bytes * 20 <= part * originalBytes }) else { continue }
      lines.append("\("\(point.bytes)".leftPadded(8))  \("\(part * 5) %".leftPadded(11))  \(point.error.short(3))")
      if point.error <= 0 { break }
    }
    return lines.joined(separator: "\n")
  }

  /// The curve as SVG; errors on a logarithmic scale.
  var svg: String {
    let (left, top, width, height) = (70.0, 20.0, 560.0, 320.0)
    let decades = 8.0
    func x(_ bytes: Double) -> Double { left + bytes / Double(max(originalBytes, 1)) * width }
    func y(_ error: Double) -> Double { top + min(max(-log10(max(error, 1e-300)), 0), decades) / decades * height }
    func number(_ v: Double) -> String { v.short(6) }
    var s = """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 660 400" font-family="sans-serif" font-size="12">
      <rect width="660" height="400" fill="white"/>

      """
    for decade in 0...Int(decades) {
      let at = number(y(pow(10, -Double(decade))))
      s += "<line x1=\"\(left)\" x2=\"\(left + width)\" y1=\"\(at)\" y2=\"\(at)\" stroke=\"#ddd\"/>"
      s += "<text x=\"\(left - 8)\" y=\"\(at)\" text-anchor=\"end\" dominant-baseline=\"middle\">1e-\(decade)</text>\n"
    }
    for tenth in 0...10 {
      let at = number(x(Double(tenth) / 10 * Double(originalBytes)))
      s += "<line x1=\"\(at)\" x2=\"\(at)\" y1=\"\(top)\" y2=\"\(top + height)\" stroke=\"#ddd\"/>"
      s += "<text x=\"\(at)\" y=\"\(top + height + 18)\" text-anchor=\"middle\">\(tenth * 10) %</text>\n"
    }
    // Thousands of steps would make a picture of megabytes: one point for each half pixel.
    var points: [String] = []
    var last = -1.0
    for p in curve where x(Double(p.bytes)) - last >= 0.5 || p.bytes == curve.last?.bytes {
      last = x(Double(p.bytes))
      points.append("\(number(last)),\(number(y(p.error)))")
    }
    s += "<polyline fill=\"none\" stroke=\"#06c\" stroke-width=\"2\" points=\"\(points.joined(separator: " "))\"/>\n"
    s += "<text x=\"\(left + width / 2)\" y=\"\(top + height + 40)\" text-anchor=\"middle\">bytes, of the original file</text>\n"
    s += "<text transform=\"translate(16 \(top + height / 2)) rotate(-90)\" text-anchor=\"middle\">relative squared error of the weights</text>\n</svg>\n"
    return s
  }
}

extension String {
  /// Filled up with spaces before it.
  fileprivate func leftPadded(_ width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}
