import Foundation

@testable import SwiftletTool

/// The bridge, or nil with a word to the reader of the log.
let bridge: Bridge? = {
  do { return try Bridge() } catch {
    print("skipped: \(error)")
    return nil
  }
}()

/// Models in ONNX's textual syntax.
enum Sample {
  static let matmul = """
    <ir_version: 8, opset_import: ["" : 15], producer_name: "hand", metadata_props: ["a": "b", "c": "quote \\" here"]>
    agraph (float[N, 128] "X.1", float[128, 10] W, float[10] B = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1.5e-3})
      => (float[N, ?] "out/0", seq(map(int64, string[])) unused)
      <int64[2] shape = {-1, 10}, float16[3] half = {15360, 0, 64512}, string[2] words = {"a\\\\b", ""}, float scalar = {inf},
       float[2] far = ["location": "weights.bin", "offset": "4096"], uint4[3] packed = {33, 1}, double[] unknown_rank>
    {
       T = MatMul("X.1", W)   # a comment
       [named] S = Add(T, B)
       "out/0" = Softmax<axis = 1>(S)
       unused = "a-domain"."odd op":variant<list: floats = [1, 2.5, -inf], none: ints = [], t = int8[2] {-1, 127},
         types: type_protos = [float[2], optional(float)], name = "x">("", S)
    }
    <domain: "local", opset_import: ["" : 15]>
    f <alpha, beta: float = 0.5> (x, y) => (z) { z = Selu<alpha: float = @alpha>(x) }
    """

  /// If in If in If...
  static func nested(_ depth: Int) -> String {
    let open = String(repeating: "y = If(c) <then_branch = g () => (y) {", count: depth)
    let close = String(repeating: "}, else_branch = h () => (y) { y = Identity(c) }>", count: depth)
    return "<ir_version: 8, opset_import: [\"\" : 15]> g (bool c) => (y) { \(open) y = Identity(c) \(close) }"
  }

  static let all = [matmul, nested(1), nested(9)]
}

extension Data {
  init(_ text: String) { self.init(text.utf8) }
}
