import Kernels
import Tensors

/// FlexAttention: attention whose scores and probabilities are changed by subgraphs of [batch, heads, queries, keys].
enum FlexAttention {
  static let definitions = [
    OperatorDefinition(
      "FlexAttention", domain: "ai.onnx.preview", since: [1],
      inputs: [.required("Q", "T1"), .required("K", "T1"), .required("V", "T1")], outputs: [.required("Y", "T1")],
      types: ["T1": .floats],
      attributes: [
        .float("scale"), .optional(.graph, "score_mod"), .optional(.graph, "prob_mod"), .int("softmax_precision"),
      ],
      takesHalf: true, exactness: .accumulating,
      infer: { c in
        let q = try c.shape(0, rank: 4), k = try c.shape(1, rank: 4), v = try c.shape(2, rank: 4)
        if let q, let k, let v {
          _ = try c.same(q[3], k[3], "the head sizes of Q and K")
          _ = try c.same(k[2], v[2], "the lengths of K and V")
          _ = try c.same(k[1], v[1], "the heads of K and V")
          _ = try c.same(c.same(q[0], k[0], "the batches of Q and K"), v[0], "the batches of Q and V")
          if let h = q[1].value, let g = k[1].value {
            try checkShape(g > 0 && h % g == 0, "\(h) heads of Q for \(g) of K")
          }
        }
        c.set(0, c.elementType(0), [q?[0] ?? .unknown, q?[1] ?? .unknown, q?[2] ?? .unknown, v?[3] ?? .unknown])
      },
      kernel: { c in
        let scoreMod = c.has("score_mod") ? try c.subprogram("score_mod") : nil
        let probMod = c.has("prob_mod") ? try c.subprogram("prob_mod") : nil
        let scale = try c.optionalFloat("scale").map(Double.init)
        let precision = try c.optionalElementType("softmax_precision")
        return { r in
          let type = try r.input(0).type, work = precision ?? type.computed
          try r.writing(0) { y in
            let q = try r.widenedInput(0), k = try r.widenedInput(1), v = try r.widenedInput(2)
            let n = q.shape, keys = k.shape[2], kvHeads = k.shape[1]
            let scale = scale ?? 1 / Double(max(n[3], 1)).squareRoot()
            let scores = try r.scratchTensor(q.type, [n[0], n[1], n[2], keys])
            func products<S: KernelScalar & SIMDScalar>(_: S.Type, _ body: (Int, Int) throws -> Void) throws {
              let sharing = kvHeads > 0 ? max(1, n[1] / kvHeads) : 1
              for b in 0..<n[0] { for h in 0..<n[1] { try body(b * n[1] + h, b * kvHeads + h / sharing) } }
            }
            func multiply<S: KernelScalar>(_ gemm: Gemm<S>, _ out: UnsafeMutablePointer<S>, _ stride: Int) throws {
              let mark = r.environment.scratch.mark
              defer { r.environment.scratch.release(to: mark) }
              gemm.run(
                out, rowStride: stride, pool: r.pool, scratch: try r.scratch(gemm.scratchBytes(width: r.pool.width)))
            }
            func modify(_ graph: Subprogram) throws {
              let given = try converted(scores, work, r)
              guard case .tensor(let out)? = try graph.run([.tensor(given)], in: r).first,
                out.shape == scores.shape
              else {
                throw SwiftletError(.invalidModel, "a modification must give one tensor of the scores' shape")
              }
              try withExtendedLifetime(out) {
                scores.data.copyMemory(from: try converted(out, scores.type, r).data, byteCount: scores.byteCount)
              }
            }
            func compute<S: KernelScalar & SIMDScalar>(_: S.Type) throws {
              try products(S.self) { i, kv in
                try multiply(
                  Gemm<S>(
                    m: n[2], n: keys, k: n[3],
                    a: .strided(q.pointer(S.self) + i * n[2] * n[3], rowStride: n[3], columnStride: 1),
                    b: .strided(k.pointer(S.self) + kv * keys * n[3], rowStride: 1, columnStride: n[3]),
                    epilogue: Epilogue(alpha: scale)),
                  scores.pointer(S.self) + i * n[2] * keys, keys)
              }
              if let scoreMod { try modify(scoreMod) }
              try Kernels.Softmax.apply(
                .softmax, scores.type, scores.data, [n[0] * n[1] * n[2], keys], axis: 1, to: scores.data, pool: r.pool)
              if let probMod { try modify(probMod) }
              try products(S.self) { i, kv in
                try multiply(
                  Gemm<S>(
                    m: n[2], n: v.shape[3], k: keys,
                    a: .strided(scores.pointer(S.self) + i * n[2] * keys, rowStride: keys, columnStride: 1),
                    b: .strided(v.pointer(S.self) + kv * keys * v.shape[3], rowStride: v.shape[3], columnStride: 1)),
                  y.pointer(S.self) + i * n[2] * v.shape[3], v.shape[3])
              }
            }
            try dispatch(q.type, float: { try compute(Float.self) }, double: { try compute(Double.self) })
          }
        }
      })
  ]

  private static func converted(_ t: Tensor, _ type: ElementType, _ r: RunContext) throws -> Tensor {
    guard t.type != type else { return t }
    let out = try r.scratchTensor(type, t.shape)
    try Cast.apply(t.type, t.data, to: type, out.data, t.count, pool: r.pool)
    return out
  }
}
