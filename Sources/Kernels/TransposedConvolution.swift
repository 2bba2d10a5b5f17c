import CKernels
import Tensors

/// The weights of a transposed convolution, packed for the matrix product that it begins with.
///
/// The geometry is that of the convolution whose gradient it is: what this one reads are that one's results
/// (`outputChannels`, `output`), what it makes are that one's images (`inputChannels`, `input`).
public final class PackedTransposedConvolution<Scalar: GemmScalar>: @unchecked Sendable {
  let table: UnsafePointer<swk_gemm_table>
  let memory: AlignedMemory
  let inputChannels: Int
  let outputChannels: Int
  let groups: Int
  let kernel: [Int]
  let blockK: Int
  /// Result channels that a task makes at a time.
  let channelBlock: Int
  let blocks: Int
  let blockBytes: Int
  /// Bytes held.
  public var bytes: Int { memory.bytes }

  /// Packs weights [geometry.outputChannels][geometry.inputChannels / groups][kernel...] of type `source`.
  public convenience init(
    _ weights: UnsafeRawPointer, source: PackedMatrix.Source = Scalar.sourceType, geometry: ConvolutionGeometry
  ) throws {
    try self.init(weights, source: source, geometry: geometry, level: swk_cpu_get().pointee.level)
  }

  init(
    _ weights: UnsafeRawPointer, source: PackedMatrix.Source, geometry: ConvolutionGeometry, level: swk_level
  ) throws {
    guard let table = Scalar.kernels(level), (source == .double) == (Scalar.self == Double.self) else {
      throw SwiftletError.invalid("transposed convolution: no kernels for these weights")
    }
    self.table = table
    inputChannels = geometry.inputChannels
    outputChannels = geometry.outputChannels
    groups = geometry.groups
    kernel = geometry.kernel
    let (channels, k, taps) = (geometry.inputChannelsPerGroup, geometry.outputChannelsPerGroup, geometry.taps)
    let width = table.pointee.mr
    blockK = swk_gemm_block_k(k, table.pointee.kc)
    channelBlock = max(1, min(channels, (48 + taps - 1) / taps))
    blocks = (channels + channelBlock - 1) / channelBlock
    let rows = try Checked.multiply(channelBlock, taps)
    blockBytes = try Checked.count([try Checked.add(rows, width) / width * width, k, MemoryLayout<Scalar>.stride])
    memory = try AlignedMemory(bytes: try Checked.count([blockBytes, blocks, groups]))
    guard channels > 0, k > 0 else { return }
    let sourceSize = source == .double ? 8 : source == .float ? 4 : 2
    for group in 0..<groups {
      for block in 0..<blocks {
        var operand = swk_operand()
        operand.type = source.c
        operand.data = weights + (group &* k &* channels &+ block &* channelBlock) &* taps &* sourceSize
        operand.stride = 1
        operand.k_stride = channels &* taps
        let rows = min(channelBlock, channels &- block &* channelBlock) &* taps
        swk_gemm_prepack(
          table, &operand, width, rows, k, blockK, memory.start + (group &* blocks &+ block) &* blockBytes)
      }
    }
  }
}

/// A transposed convolution (the gradient of a convolution with respect to its image), with the sums finished as those
/// of a convolution are.
public struct TransposedConvolution<Scalar: GemmScalar> {
  let weights: PackedTransposedConvolution<Scalar>
  let geometry: ConvolutionGeometry
  let epilogue: ConvolutionEpilogue<Scalar>
  /// Pixels of the input for which products are made at a time.
  private let pixelBlock: Int
  private let patches: swk_patches
  private let problem: swk_gemm

  /// Any geometry with the channels, groups and kernel of the weights. The epilogue's bias and residual are those of
  /// the result, [batch][geometry.inputChannels][geometry.input...].
  public init(
    _ weights: PackedTransposedConvolution<Scalar>, geometry: ConvolutionGeometry,
    epilogue: ConvolutionEpilogue<Scalar> = ConvolutionEpilogue()
  ) throws {
    guard weights.inputChannels == geometry.inputChannels, weights.outputChannels == geometry.outputChannels,
      weights.groups == geometry.groups, weights.kernel == geometry.kernel
    else { throw SwiftletError.invalid("transposed convolution: the packed weights don't fit the geometry") }
    self.weights = weights
    self.geometry = geometry
    self.epilogue = epilogue
    let table = weights.table
    pixelBlock = Int(table.pointee.nr) * 16
    patches = geometry.patches
    var g = swk_gemm()
    g.n = geometry.outputPlane
    g.k = geometry.outputChannelsPerGroup
    g.kc = weights.blockK
    g.mc = table.pointee.mc
    g.nc = Int(table.pointee.nr) * 16
    g.b.type = table.pointee.type
    g.b.stride = 1
    g.b.k_stride = geometry.outputPlane
    g.a.packed = UnsafeRawPointer(weights.memory.start)
    g.epilogue.alpha = 1
    problem = g
  }

  private var columnsBytes: Int {
    let pixels = min(pixelBlock, geometry.outputPlane)
    return (weights.channelBlock * geometry.taps * pixels * MemoryLayout<Scalar>.stride + 63) / 64 * 64
  }

  private var workerBytes: Int {
    var g = problem
    g.m = weights.channelBlock * geometry.taps
    return columnsBytes + Int(swk_gemm_scratch_bytes(weights.table, &g, g.m, min(pixelBlock, geometry.outputPlane)))
  }

  /// Bytes of scratch that `run` needs with a pool of this width.
  public func scratchBytes(width: Int) -> Int { GemmScratch.bytes(workerBytes, width: width) }

  /// Makes y [batch][geometry.inputChannels][geometry.input...] of x [batch][geometry.outputChannels][geometry.output...].
  public func run(
    _ x: UnsafePointer<Scalar>, _ y: UnsafeMutablePointer<Scalar>, pool: ThreadPool, scratch: UnsafeMutableRawPointer
  ) {
    let scratch = GemmScratch(scratch, bytes: workerBytes)
    let (blocks, groups) = (weights.blocks, geometry.groups)
    let (inPlane, outPlane) = (geometry.outputPlane, geometry.inputPlane)
    let (k, m) = (geometry.outputChannelsPerGroup, geometry.inputChannelsPerGroup)
    guard outPlane > 0, m > 0 else { return }
    pool.parallel(geometry.batch * groups * blocks) { task, worker in
      let product = task / blocks, block = task % blocks, group = product % groups
      let first = block &* weights.channelBlock, channels = min(weights.channelBlock, m &- first)
      let image = y + (product &* m &+ first) &* outPlane
      image.update(repeating: 0, count: channels &* outPlane)
      if inPlane > 0, k > 0 {
        var g = problem
        g.m = channels &* geometry.taps
        g.a.packed = UnsafeRawPointer(weights.memory.start + (group &* blocks &+ block) &* weights.blockBytes)
        g.b.data = UnsafeRawPointer(x + product &* k &* inPlane)
        scatter(&g, channels: channels, into: image, scratch: scratch[worker])
      }
      let channel = group &* m &+ first
      var e = Epilogue<Scalar>(residualLast: epilogue.residualLast, activation: epilogue.activation).c
      e.row_bias = UnsafeRawPointer(epilogue.bias)
      e.beta = 1
      e.residual = UnsafeRawPointer(epilogue.residual.map { $0 + product / groups &* groups &* m &* outPlane })
      e.residual_row = outPlane
      e.residual_column = 1
      weights.table.pointee.finish(&e, image, outPlane, channel, channels, 0, outPlane)
    }
  }

  /// Adds the products of one block of channels to its planes, pixels by pixels.
  private func scatter(
    _ g: inout swk_gemm, channels: Int, into image: UnsafeMutablePointer<Scalar>, scratch: UnsafeMutableRawPointer
  ) {
    var patches = patches
    patches.channels = channels
    let table = weights.table, size = MemoryLayout<Scalar>.stride
    for start in stride(from: 0, to: geometry.outputPlane, by: pixelBlock) {
      let count = min(pixelBlock, geometry.outputPlane - start)
      g.c = scratch - start &* size
      g.ldc = count
      table.pointee.region(&g, 0, g.m, start, start &+ count, scratch + columnsBytes)
      table.pointee.scatter(&patches, scratch, count, start, count, image)
    }
  }
}
