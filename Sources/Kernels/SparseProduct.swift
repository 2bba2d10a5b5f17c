import CKernels
import Tensors

/// A product with sparse weights ready to be run: a matrix product, or one group of a convolution, for `count` matrices
/// or images that follow each other.
struct SparseProduct {
  private let weights: SparseWeights
  private let problem: swk_sparse_product
  private let patches: swk_patches?
  private let batch: GemmBatch?
  private let count: Int
  /// Positions, or rows of an image's outermost dimension.
  private let extent: Int

  /// How the work is cut for the workers of a pool of some width.
  private struct Parts {
    var extent: Int
    var rowBlocks: Int
    var scratchBytes: Int
  }

  /// A scratch of more bytes isn't worth the copying that it saves.
  private static let enough = 3 << 19

  /// `n` positions. With `transposed` the result has a row for each position, else one for each row of the weights.
  init(
    _ weights: SparseWeights, x: swk_operand, patches: swk_patches? = nil, n: Int, transposed: Bool,
    epilogue: swk_epilogue, batch: GemmBatch? = nil, count: Int
  ) throws {
    self.weights = weights
    self.patches = patches
    self.batch = batch
    self.count = count
    extent = patches.map { Int($0.out.0) } ?? n
    var p = swk_sparse_product()
    (p.x, p.n, p.c_transposed, p.epilogue) = (x, n, transposed, epilogue)
    problem = p
    guard extent == 0 || scratch(of: 1) > 0 else {
      throw SwiftletError(.limit, "convolution: one row of the padded image is too large")
    }
  }

  /// Bytes of scratch for a part of this extent; 0: too many.
  private func scratch(of size: Int) -> Int {
    withPointers { Int(weights.table.pointee.scratch_bytes(&$0, max(1, min(size, extent)))) }
  }

  private var rowBlocks: Int { (weights.rows + weights.packed.block_rows - 1) / weights.packed.block_rows }

  private func parts(width: Int) -> Parts {
    let all = rowBlocks
    let work = 2 * Double(weights.nonzeros) * Double(max(problem.n, 1)) * Double(max(count, 1))
    var wanted = width == 1 ? 1 : Int(min(work / Split.worthwhile, Double(width &* 4)))
    if count >= width &* 2 { wanted = 1 }
    wanted = max(1, wanted / max(count, 1))
    let tile = patches == nil ? Int(weights.table.pointee.tile(weights.group)) : 1
    // A ticket's blocks are made for each part: it should have some positions.
    let few = weights.ticket == nil ? 1 : patches == nil ? 256 / tile : 256 / max(1, problem.n / max(1, extent))
    let unit = tile * max(1, few)
    let units = max(1, (extent + unit - 1) / unit), across = min(wanted, units)
    let down = min(all, (wanted + across - 1) / across)
    var size = (units + across - 1) / across * unit
    var bytes = scratch(of: size)
    if patches != nil || weights.ticket != nil {
      let most = weights.ticket == nil ? Self.enough : Self.enough * (patches == nil ? 4 : 1) + scratch(of: 1)
      while size > tile, bytes == 0 || bytes > most {
        size = (size / tile + 1) / 2 * tile
        bytes = scratch(of: size)
      }
    }
    return Parts(extent: max(size, 1), rowBlocks: max(1, (all + down - 1) / max(down, 1)), scratchBytes: bytes)
  }

  private func withPointers<R>(_ body: (inout swk_sparse_product) -> R) -> R {
    var p = problem
    return withUnsafePointer(to: weights.packed) { packed in
      p.weights = packed
      guard let patches else { return body(&p) }
      return withUnsafePointer(to: patches) {
        p.x.patches = $0
        return body(&p)
      }
    }
  }

  func scratchBytes(width: Int) -> Int { GemmScratch.bytes(parts(width: width).scratchBytes, width: width) }

  /// `x` nil: where the operand says. Result rows are `ldc` elements apart. Without a batch, images are `xStep` and
  /// results `cStep` bytes apart.
  func run(
    _ x: UnsafeRawPointer?, _ c: UnsafeMutableRawPointer, ldc: Int, xStep: Int = 0, cStep: Int = 0, pool: ThreadPool,
    scratch: UnsafeMutableRawPointer
  ) {
    guard extent > 0, problem.n > 0, count > 0, weights.rows > 0 else { return }
    let split = parts(width: pool.width)
    let scratch = GemmScratch(scratch, bytes: split.scratchBytes)
    let all = rowBlocks
    let across = (extent + split.extent - 1) / split.extent, down = (all + split.rowBlocks - 1) / split.rowBlocks
    let tasks = across * down
    withPointers { problem in
      problem.ldc = ldc
      let shared = problem
      pool.parallel(tasks * count) { task, worker in
        var p = shared
        let image = task / tasks
        var at = (x: image &* xStep, c: image &* cStep, residual: image &* cStep)
        if let batch {
          let offsets = batch.offsets(of: image)
          at = (offsets.a &* 4, offsets.c &* 4, offsets.residual &* 4)
        }
        p.x.data = (x ?? p.x.data).map { $0 + at.x }
        p.c = (c + at.c).assumingMemoryBound(to: Float.self)
        p.epilogue.residual = p.epilogue.residual.map { $0 + at.residual }
        let n0 = task % tasks / down &* split.extent, b0 = task % down &* split.rowBlocks
        weights.table.pointee.region(
          &p, b0, min(b0 &+ split.rowBlocks, all), n0, min(n0 &+ split.extent, extent), scratch[worker])
      }
    }
  }
}
