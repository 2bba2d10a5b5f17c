import CKernels
import Tensors

/// What a convolution does to its sums before it stores them: f(sum + bias[channel] + residual), f the activation.
public struct ConvolutionEpilogue<Scalar: GemmScalar> {
  /// One number for each output channel.
  public var bias: UnsafePointer<Scalar>?
  /// An addend of the output's shape.
  public var residual: UnsafePointer<Scalar>?
  /// Adds the residual after the activation.
  public var residualLast: Bool
  public var activation: Activation

  public init(
    bias: UnsafePointer<Scalar>? = nil, residual: UnsafePointer<Scalar>? = nil, residualLast: Bool = false,
    activation: Activation = .none
  ) {
    self.bias = bias
    self.residual = residual
    self.residualLast = residualLast
    self.activation = activation
  }
}

/// A convolution over images [batch][channels][...] with packed weights.
public struct Convolution<Scalar: GemmScalar> {
  let weights: PackedConvolution<Scalar>
  let geometry: ConvolutionGeometry
  let epilogue: ConvolutionEpilogue<Scalar>
  private let patches: swk_patches
  private let problem: swk_gemm
  /// Images times groups, unless the whole batch is one product.
  private let products: Int
  /// One for each group, for sparse weights.
  private let sparse: [SparseProduct]

  /// `geometry` may differ from the one that the weights were packed for in batch, image sizes and pads.
  public init(
    _ weights: PackedConvolution<Scalar>, geometry: ConvolutionGeometry,
    epilogue: ConvolutionEpilogue<Scalar> = ConvolutionEpilogue()
  ) throws {
    guard weights.inputChannels == geometry.inputChannels, weights.outputChannels == geometry.outputChannels,
      weights.groups == geometry.groups, weights.kernel == geometry.kernel, weights.strides == geometry.strides,
      weights.dilations == geometry.dilations
    else { throw SwiftletError.invalid("convolution: the packed weights don't fit the geometry") }
    self.weights = weights
    self.geometry = geometry
    self.epilogue = epilogue
    var patches = geometry.patches
    if let fixedPoint = weights.fixedPoint { patches.channels = fixedPoint.channelPairs }
    self.patches = patches
    var g = swk_gemm()
    var image = swk_operand()
    image.type = weights.table.pointee.type
    // Single pixels: all images together are the matrix.
    let single = weights.algorithm != .gemm && geometry.isPointwise && geometry.outputPlane == 1 && geometry.groups == 1
    let pixels = single ? geometry.batch : geometry.outputPlane
    image.stride = single ? geometry.inputChannels : 1
    image.k_stride = geometry.inputPlane
    g.k = weights.fixedPoint?.units ?? geometry.depth
    g.kc = weights.blockK
    g.mc = weights.table.pointee.mc
    g.nc = weights.table.pointee.nr * 16  // a block of packed patches stays in L2
    if weights.algorithm == .gemm {
      (g.m, g.n) = (geometry.outputChannelsPerGroup, pixels)
      g.b = image
      g.a = Self.operand(weights)
      g.ldc = geometry.outputPlane
    } else {
      (g.m, g.n) = (pixels, geometry.outputChannelsPerGroup)
      g.a = image
      g.b = Self.operand(weights)
      g.ldc = single ? geometry.outputChannels : geometry.outputPlane
      g.c_transposed = !single
    }
    problem = g
    products = single ? 1 : geometry.batch * geometry.groups
    sparse = try weights.sparse.enumerated().map { group, weights in
      let channels = geometry.outputChannelsPerGroup, first = group * channels
      var e = Self.epilogueForC(epilogue)
      let bias = epilogue.bias.map { UnsafeRawPointer($0 + first) }
      e.residual = epilogue.residual.map { UnsafeRawPointer($0 + first * geometry.outputPlane) }
      e.residual_row = single ? channels : geometry.outputPlane
      e.residual_column = 1
      if single { e.column_bias = bias } else { e.row_bias = bias }
      return try SparseProduct(
        weights, x: image, patches: geometry.isPointwise ? nil : geometry.patches, n: pixels, transposed: single, epilogue: e,
        count: single ? 1 : geometry.batch)
    }
  }

  private static func operand(_ weights: PackedConvolution<Scalar>) -> swk_operand {
    var operand = swk_operand()
    operand.type = weights.table.pointee.type
    if let ticket = weights.ticket {
      operand.ticket = UnsafePointer(ticket.packed)
    } else {
      operand.packed = UnsafeRawPointer((weights.fixedPoint?.panels ?? weights.memory).start)
    }
    return operand
  }

  /// Bytes of scratch that `run` needs with a pool of this width.
  public func scratchBytes(width: Int) -> Int {
    if weights.algorithm == .sparse { return sparse.reduce(0) { max($0, $1.scratchBytes(width: width)) } }
    if weights.algorithm == .depthwise { return GemmScratch.bytes(depthwiseBytes, width: width) }
    if weights.algorithm == .winograd { return GemmScratch.bytes(winogradBytes, width: width) }
    let split = Split(problem, table: weights.table, batch: products, width: width)
    return roundedBytes + GemmScratch.bytes(split.scratchBytes, width: split.tasks == 1 ? 1 : width)
  }

  /// Bytes that inputs take as pairs, and their scales; 0 for floats.
  private var roundedBytes: Int { weights.fixedPoint == nil ? 0 : pairBytes + scaleBytes }
  private var pairBytes: Int {
    ((geometry.inputChannels &+ 1) / 2 &* geometry.inputPlane &* geometry.batch &* 4 &+ 63) & ~63
  }
  private var scaleBytes: Int { ((geometry.inputChannels &+ 1) &* geometry.batch &* 4 &+ 63) & ~63 }

  /// Convolves x into y, both of the geometry's sizes.
  public func run(
    _ x: UnsafePointer<Scalar>, _ y: UnsafeMutablePointer<Scalar>, pool: ThreadPool, scratch: UnsafeMutableRawPointer
  ) {
    guard geometry.outputPlane > 0, geometry.outputChannels > 0, geometry.batch > 0 else { return }
    if weights.algorithm == .depthwise {
      runDepthwise(UnsafeRawPointer(x), UnsafeMutableRawPointer(y), pool: pool, scratch: scratch)
    } else if weights.algorithm == .sparse {
      runSparse(UnsafeRawPointer(x), UnsafeMutableRawPointer(y), pool: pool, scratch: scratch)
    } else if weights.algorithm == .winograd {
      runWinograd(UnsafeRawPointer(x), UnsafeMutableRawPointer(y), pool: pool, scratch: scratch)
    } else {
      runGemm(UnsafeRawPointer(x), UnsafeMutableRawPointer(y), pool: pool, scratch: scratch)
    }
  }

  private func runSparse(
    _ x: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, pool: ThreadPool, scratch: UnsafeMutableRawPointer
  ) {
    let g = geometry
    let input = g.inputChannelsPerGroup * g.inputPlane * 4, output = g.outputChannelsPerGroup * g.outputPlane * 4
    for (group, product) in sparse.enumerated() {
      product.run(
        x + group * input, y + group * output, ldc: Int(problem.ldc), xStep: input * g.groups, cStep: output * g.groups,
        pool: pool, scratch: scratch)
    }
  }

  private func runGemm(
    _ x: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, pool: ThreadPool, scratch: UnsafeMutableRawPointer
  ) {
    var x = x
    let scales = (scratch + pairBytes).assumingMemoryBound(to: Float.self)
    if let fixedPoint = weights.fixedPoint {
      fixedPoint.round(
        x.assumingMemoryBound(to: Float.self), images: geometry.batch, plane: geometry.inputPlane,
        to: scratch.assumingMemoryBound(to: Int32.self), scales: scales, pool: pool)
      x = UnsafeRawPointer(scratch)
    }
    let split = Split(problem, table: weights.table, batch: products, width: pool.width)
    let scratch = GemmScratch(scratch + roundedBytes, bytes: split.scratchBytes)
    let size = MemoryLayout<Scalar>.stride
    let groups = geometry.groups, pointwise = geometry.isPointwise, straight = weights.algorithm == .gemm
    let inputBytes = (weights.fixedPoint?.channelPairs ?? geometry.inputChannelsPerGroup) * geometry.inputPlane * size
    let channels = geometry.outputChannelsPerGroup
    let outputBytes = channels * geometry.outputPlane * size
    let c = Self.epilogueForC(epilogue)
    withUnsafePointer(to: patches) { patches in
      func run(_ task: Int, _ scratch: UnsafeMutableRawPointer) {
        let product = task / split.regions, group = product % groups
        var g = problem
        var image = x + product &* inputBytes
        if products == 1 { image = x }
        let packed = (straight ? problem.a : problem.b).packed.map { $0 + group &* weights.groupBytes }
        if straight {
          g.a.packed = packed
          g.b.data = image
          g.b.patches = pointwise ? nil : patches
        } else {
          g.b.packed = packed
          g.a.data = image
          g.a.patches = pointwise ? nil : patches
        }
        g.c = y + product &* outputBytes
        g.epilogue = c
        if let fixedPoint = weights.fixedPoint {
          g.epilogue.row_scales = fixedPoint.scales
          g.epilogue.alpha = Double(scales[product])
        }
        let bias = UnsafeRawPointer(epilogue.bias).map { $0 + group &* channels &* size }
        if straight { g.epilogue.row_bias = bias } else { g.epilogue.column_bias = bias }
        if let residual = UnsafeRawPointer(epilogue.residual) {
          g.epilogue.residual = residual + product &* outputBytes
          g.epilogue.residual_row = straight || !problem.c_transposed ? Int(problem.ldc) : 1
          g.epilogue.residual_column = straight || !problem.c_transposed ? 1 : Int(problem.ldc)
        }
        split.run(&g, region: task % split.regions, table: weights.table, scratch: scratch)
      }
      if split.tasks == 1 { return run(0, scratch[0]) }
      pool.parallel(split.tasks) { task, worker in run(task, scratch[worker]) }
    }
  }

  private static func epilogueForC(_ epilogue: ConvolutionEpilogue<Scalar>) -> swk_epilogue {
    var c = Epilogue<Scalar>(residualLast: epilogue.residualLast, activation: epilogue.activation).c
    c.beta = 1
    return c
  }

  private var depthwiseBytes: Int {
    guard var s = geometry.depthwise, let table = weights.depthwise else { return 0 }
    return Int(table.pointee.scratch_bytes(&s))
  }

  private func runDepthwise(
    _ x: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, pool: ThreadPool, scratch: UnsafeMutableRawPointer
  ) {
    guard let s = geometry.depthwise, let table = weights.depthwise else { return }
    let scratch = GemmScratch(scratch, bytes: depthwiseBytes)
    let planes = geometry.inputChannels, multiplier = geometry.outputChannelsPerGroup
    let inPlane = geometry.inputPlane, outPlane = geometry.outputPlane, taps = geometry.taps
    let work = 2 * Double(outPlane) * Double(taps) * Double(multiplier)
    let wanted = pool.width == 1 ? 1 : min(pool.width * 4, Int(min(work * Double(planes) / 100_000, 1e6)) + 1)
    let most = max(1, (planes + wanted - 1) / wanted), chunks = (planes + most - 1) / most
    var c = Self.epilogueForC(epilogue)
    c.row_bias = UnsafeRawPointer(epilogue.bias)
    c.residual_row = outPlane
    c.residual_column = 1
    let kernels = weights.memory.start.assumingMemoryBound(to: Float.self)
    let (batch, residual) = (geometry.batch, UnsafeRawPointer(epilogue.residual))
    func run(_ task: Int, _ scratch: UnsafeMutableRawPointer) {
      let image = task / chunks, first = task % chunks * most, count = min(most, planes - first)
      var s = s, c = c
      let outputs = image &* planes &* multiplier
      c.residual = residual.map { $0 + outputs &* outPlane &* 4 }
      table.pointee.planes(
        &s, (x + (image &* planes &+ first) &* inPlane &* 4).assumingMemoryBound(to: Float.self),
        kernels + first &* multiplier &* taps, count, multiplier,
        (y + (outputs &+ first &* multiplier) &* outPlane &* 4).assumingMemoryBound(to: Float.self), &c,
        first &* multiplier, scratch)
    }
    if batch * chunks == 1 { return run(0, scratch[0]) }
    pool.parallel(batch * chunks) { task, worker in run(task, scratch[worker]) }
  }

  private var winogradShape: swk_winograd {
    func int32(_ x: Int) -> Int32 { Int32(truncatingIfNeeded: x) }
    let g = geometry
    return swk_winograd(
      in_h: int32(g.input[0]), in_w: int32(g.input[1]), out_h: int32(g.output[0]), out_w: int32(g.output[1]),
      pad_h: int32(g.pads[0]), pad_w: int32(g.pads[1]), in_channels: g.inputChannels, out_channels: g.outputChannels,
      ticket: weights.ticket.map { UnsafePointer($0.packed) })
  }

  private var winogradBytes: Int {
    var s = winogradShape
    return Int(weights.winograd?.pointee.scratch_bytes(&s) ?? 0)
  }

  private func runWinograd(
    _ x: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, pool: ThreadPool, scratch: UnsafeMutableRawPointer
  ) {
    guard let table = weights.winograd else { return }
    var s = winogradShape
    let scratch = GemmScratch(scratch, bytes: winogradBytes)
    let blocks = Int(table.pointee.block_count(&s))
    let inputs = geometry.inputChannels * geometry.inputPlane, outputs = geometry.outputChannels * geometry.outputPlane
    var c = Self.epilogueForC(epilogue)
    c.row_bias = UnsafeRawPointer(epilogue.bias)
    c.residual_row = geometry.outputPlane
    c.residual_column = 1
    let transformed = UnsafePointer(weights.memory.start.assumingMemoryBound(to: Float.self))
    let residual = UnsafeRawPointer(epilogue.residual)
    pool.parallel(geometry.batch * blocks) { task, worker in
      let image = task / blocks
      var s = s, c = c
      c.residual = residual.map { $0 + image &* outputs &* 4 }
      table.pointee.block(
        &s, (x + image &* inputs &* 4).assumingMemoryBound(to: Float.self), transformed,
        (y + image &* outputs &* 4).assumingMemoryBound(to: Float.self), &c, task % blocks, scratch[worker])
    }
  }
}
