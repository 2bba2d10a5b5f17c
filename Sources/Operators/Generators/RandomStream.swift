import Kernels
import Tensors

/// The random numbers of one node in one run, by Philox4x32-10. With a seed of its own a node draws what that seed
/// says; the others have the session's seed (see `RunEnvironment`) and a stream each. In a loop each iteration goes on
/// where the one before stopped.
enum RandomStream {
  /// The node's next `count` numbers as doubles, made in parallel: `f` of pairs that are uniform in [0, 1).
  static func draw(
    _ c: KernelContext, _ r: RunContext, seed: UInt64?, _ count: Int,
    _ f: (_ pair: (Double, Double)) -> (Double, Double)
  ) throws -> Tensor {
    let pairs = count / 2 + count % 2
    let (stream, start) = r.environment.advance(c, by: UInt64(pairs))
    let g = Philox(key: seed ?? r.environment.seed, stream: seed == nil ? stream : 0)
    let wide = try r.temporary(.double, [count])
    let p = wide.pointer(Double.self)
    r.pool.parallel(over: pairs, grain: 4096) { range in
      for i in range {
        let v = f(g.uniforms(start &+ UInt64(i)))
        p[2 * i] = v.0
        if 2 * i + 1 < count { p[2 * i + 1] = v.1 }
      }
    }
    return wide
  }
}
