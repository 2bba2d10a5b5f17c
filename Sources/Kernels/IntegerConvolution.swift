import CKernels
import Tensors

/// A convolution's 8-bit weights less their zero points, packed.
public final class PackedIntegerConvolution: @unchecked Sendable {
  let table: UnsafePointer<swk_gemm_table>
  let memory: AlignedMemory
  let groupBytes: Int
  let blockK: Int
  let inputChannels: Int
  let outputChannels: Int
  let groups: Int
  let kernel: [Int]
  let strides: [Int]
  let dilations: [Int]
  /// Depthwise: the weights as floats, whose sums are exact (below 2^22).
  let depthwise: PackedConvolution<Float>?
  /// Sparse weights, whose sums are exact in float too.
  let sparse: PackedConvolution<Float>?
  /// Bytes held.
  public var bytes: Int { (depthwise ?? sparse)?.bytes ?? memory.bytes }

  /// Packs weights [outputChannels][inputChannels / groups][kernel...]. `zeros`, if given, has one zero point of the
  /// weights' type for each output channel; else all have `zero`.
  public convenience init(
    _ weights: UnsafeRawPointer, signed: Bool, zero: Int32 = 0, zeros: UnsafeRawPointer? = nil,
    geometry: ConvolutionGeometry
  ) throws {
    try self.init(
      weights, signed: signed, zero: zero, zeros: zeros, geometry: geometry, table: IntegerGemm.kernels(),
      level: swk_cpu_get().pointee.level)
  }

  init(
    _ weights: UnsafeRawPointer, signed: Bool, zero: Int32, zeros: UnsafeRawPointer?, geometry: ConvolutionGeometry,
    table: UnsafePointer<swk_gemm_table>, level: swk_level
  ) throws {
    self.table = table
    inputChannels = geometry.inputChannels
    outputChannels = geometry.outputChannels
    groups = geometry.groups
    kernel = geometry.kernel
    strides = geometry.strides
    dilations = geometry.dilations
    let (m, depth) = (geometry.outputChannelsPerGroup, geometry.depth)
    let units = (depth + 1) / 2, width = table.pointee.mr
    blockK = swk_gemm_block_k(units, table.pointee.kc)
    func element(_ index: Int, channel: Int) -> Int32 {
      func at(_ data: UnsafeRawPointer, _ i: Int) -> Int32 {
        signed ? Int32(data.load(fromByteOffset: i, as: Int8.self)) : Int32(data.load(fromByteOffset: i, as: UInt8.self))
      }
      return at(weights, index) - (zeros.map { at($0, channel) } ?? zero)
    }
    if geometry.depthwise != nil, geometry.taps <= 64 {
      let floats = (0..<geometry.outputChannels * depth).map { Float(element($0, channel: $0 / depth)) }
      depthwise = try PackedConvolution<Float>(
        floats, source: .float, geometry: geometry, pool: nil, level: level, algorithm: .depthwise)
      sparse = nil
      groupBytes = 0
      memory = try AlignedMemory(bytes: 0)
      return
    }
    depthwise = nil
    let parts = try PackedConvolution<Float>.sparseParts(geometry) { group in
      let source = SparseSource(
        integers: weights + group * m * depth, signed: signed, zero: zero, zeros: zeros.map { $0 + group * m }, rows: m,
        k: depth, rowStride: depth, kStride: 1)
      return try SparseWeights.choose(source, rival: .integers, level: level, pool: nil)
    }
    if !parts.isEmpty {
      sparse = try PackedConvolution<Float>(parts, geometry: geometry, level: level)
      groupBytes = 0
      memory = try AlignedMemory(bytes: 0)
      return
    }
    sparse = nil
    groupBytes = try Checked.count([(m + width - 1) / width * width, units, 4])
    memory = try AlignedMemory(bytes: try Checked.multiply(groupBytes, groups))
    guard m > 0, depth > 0 else { return }
    // The kernels' order of k is [tap][channel].
    let (channels, taps) = (geometry.inputChannelsPerGroup, geometry.taps)
    let turned = try AlignedMemory(bytes: try Checked.multiply(m, depth))
    for group in 0..<groups {
      for row in 0..<m {
        let from = weights + (group &* m &+ row) &* depth, to = turned.start + row &* depth
        for channel in 0..<channels {
          for tap in 0..<taps {
            to.storeBytes(
              of: from.load(fromByteOffset: channel &* taps &+ tap, as: UInt8.self),
              toByteOffset: tap &* channels &+ channel, as: UInt8.self)
          }
        }
      }
      var operand = IntegerGemm.operand(
        .strided(
          turned.start, signed: signed, rowStride: depth, columnStride: 1, zero: zero,
          zeros: zeros.map { $0 + group &* m }),
        side: .a, k: depth)
      swk_gemm_prepack(table, &operand, width, m, units, blockK, memory.start + group &* groupBytes)
    }
  }
}

/// A convolution of 8-bit integers less their zero points, exact in Int32 (wrapping beyond). Padding counts as the
/// input's zero point.
public struct IntegerConvolution {
  private let weights: PackedIntegerConvolution
  private let geometry: ConvolutionGeometry
  private let signed: Bool
  private let zero: Int32
  private let patches: swk_patches
  private let problem: swk_gemm
  private let sparse: Convolution<Float>?
  private let depthwise: (shape: swk_depthwise, table: UnsafePointer<swk_depthwise_table>, weights: UnsafePointer<Float>)?

  /// `signed` and `zero` are those of the input. `geometry` may differ from the one that the weights were packed for in
  /// batch, image sizes and pads.
  public init(
    _ weights: PackedIntegerConvolution, geometry: ConvolutionGeometry, signed: Bool, zero: Int32
  ) throws {
    guard weights.inputChannels == geometry.inputChannels, weights.outputChannels == geometry.outputChannels,
      weights.groups == geometry.groups, weights.kernel == geometry.kernel, weights.strides == geometry.strides,
      weights.dilations == geometry.dilations
    else { throw SwiftletError.invalid("convolution: the packed weights don't fit the geometry") }
    self.weights = weights
    self.geometry = geometry
    self.signed = signed
    self.zero = zero
    if let floats = weights.depthwise, let shape = geometry.depthwise, let table = floats.depthwise {
      depthwise = (shape, table, UnsafePointer(floats.memory.start.assumingMemoryBound(to: Float.self)))
    } else {
      depthwise = nil
    }
    sparse = try weights.sparse.map { try Convolution($0, geometry: geometry) }
    _ = try Checked.count([geometry.batch, geometry.inputChannels, geometry.inputPlane, 4])
    patches = geometry.patches
    let table = weights.table
    var g = swk_gemm()
    g.m = geometry.outputChannelsPerGroup
    g.n = geometry.outputPlane
    g.k = (geometry.depth + 1) / 2
    g.kc = weights.blockK
    g.mc = table.pointee.mc
    g.nc = table.pointee.nr * 16
    g.ldc = geometry.outputPlane
    g.a.packed = UnsafeRawPointer(weights.memory.start)
    g.b.type = signed ? SWK_S8 : SWK_U8
    g.b.stride = 1
    g.b.k_stride = geometry.inputPlane
    g.b.depth = geometry.depth
    g.b.zero = zero
    problem = g
  }

  private var products: Int { geometry.batch * geometry.groups }
  private var inputs: Int { geometry.batch * geometry.inputChannels * geometry.inputPlane }

  /// Bytes of scratch that `run` needs with a pool of this width.
  public func scratchBytes(width: Int) -> Int {
    if let sparse { return WidenedIntegers.bytes(inputs) + sparse.scratchBytes(width: width) }
    if depthwise != nil { return GemmScratch.bytes(depthwiseBytes, width: width) }
    let split = Split(problem, table: weights.table, batch: products, width: width)
    return GemmScratch.bytes(split.scratchBytes, width: split.tasks == 1 ? 1 : width)
  }

  /// Convolves x, bytes [batch][inputChannels][input...], into y.
  public func run(
    _ x: UnsafeRawPointer, _ y: UnsafeMutablePointer<Int32>, pool: ThreadPool, scratch: UnsafeMutableRawPointer
  ) {
    guard geometry.outputPlane > 0, geometry.outputChannels > 0, geometry.batch > 0 else { return }
    if let sparse { return run(sparse, x, y, pool: pool, scratch: scratch) }
    if depthwise != nil { return runDepthwise(x, y, pool: pool, scratch: scratch) }
    let split = Split(problem, table: weights.table, batch: products, width: pool.width)
    let scratch = GemmScratch(scratch, bytes: split.scratchBytes)
    let inputBytes = geometry.inputChannelsPerGroup * geometry.inputPlane
    let outputs = geometry.outputChannelsPerGroup * geometry.outputPlane
    let pointwise = geometry.isPointwise
    withUnsafePointer(to: patches) { patches in
      func run(_ task: Int, _ scratch: UnsafeMutableRawPointer) {
        let product = task / split.regions, group = product % geometry.groups
        var g = problem
        g.a.packed = UnsafeRawPointer(weights.memory.start + group &* weights.groupBytes)
        g.b.data = x + product &* inputBytes
        g.b.patches = pointwise ? nil : patches
        g.c = UnsafeMutableRawPointer(y + product &* outputs)
        split.run(&g, region: task % split.regions, table: weights.table, scratch: scratch)
      }
      if split.tasks == 1 { return run(0, scratch[0]) }
      pool.parallel(split.tasks) { task, worker in run(task, scratch[worker]) }
    }
  }

  /// The kernels of sparse integers store int32 where those of floats store floats.
  private func run(
    _ sparse: Convolution<Float>, _ x: UnsafeRawPointer, _ y: UnsafeMutablePointer<Int32>, pool: ThreadPool,
    scratch: UnsafeMutableRawPointer
  ) {
    let floats = scratch.assumingMemoryBound(to: Float.self)
    WidenedIntegers.widen(
      x, signed: signed, rows: geometry.batch * geometry.inputChannels, count: geometry.inputPlane,
      rowStride: geometry.inputPlane, columnStride: 1, zero: zero, zeros: nil, to: floats, pool: pool)
    sparse.run(
      floats, UnsafeMutableRawPointer(y).assumingMemoryBound(to: Float.self), pool: pool,
      scratch: scratch + WidenedIntegers.bytes(inputs))
  }

  /// A plane of floats, its results, and what the float kernels need.
  private var depthwiseBytes: Int {
    guard var depthwise else { return 0 }
    let planes = (geometry.inputPlane + geometry.outputChannelsPerGroup * geometry.outputPlane) * 4
    return planes + 128 + Int(depthwise.table.pointee.scratch_bytes(&depthwise.shape))
  }

  private func runDepthwise(
    _ x: UnsafeRawPointer, _ y: UnsafeMutablePointer<Int32>, pool: ThreadPool, scratch: UnsafeMutableRawPointer
  ) {
    guard let depthwise else { return }
    let scratch = GemmScratch(scratch, bytes: depthwiseBytes)
    let (inPlane, multiplier, taps) = (geometry.inputPlane, geometry.outputChannelsPerGroup, geometry.taps)
    let outputs = multiplier * geometry.outputPlane
    let (signed, zero) = (signed, zero)
    pool.parallel(geometry.batch * geometry.inputChannels) { plane, worker in
      let floats = scratch[worker].assumingMemoryBound(to: Float.self)
      let from = x + plane &* inPlane, results = floats + inPlane
      if signed {
        let bytes = from.assumingMemoryBound(to: Int8.self)
        for i in 0..<inPlane { floats[i] = Float(Int32(bytes[i]) &- zero) }
      } else {
        let bytes = from.assumingMemoryBound(to: UInt8.self)
        for i in 0..<inPlane { floats[i] = Float(Int32(bytes[i]) &- zero) }
      }
      var (shape, epilogue) = (depthwise.shape, swk_epilogue())
      epilogue.alpha = 1
      depthwise.table.pointee.planes(
        &shape, floats, depthwise.weights + plane % geometry.inputChannels &* multiplier &* taps, 1, multiplier,
        results, &epilogue, 0, UnsafeMutableRawPointer(results + outputs).alignedUp(toMultipleOf: 64))
      let to = y + plane &* outputs
      for i in 0..<outputs { to[i] = results[i].exactInt32 }
    }
  }
}

extension Float {
  /// An integer below 2^22 without the checks of a conversion: added to 1.5 * 2^23 it is the low bits of the sum.
  fileprivate var exactInt32: Int32 {
    Int32(bitPattern: (self + 12_582_912).bitPattern) &- Int32(bitPattern: Float(12_582_912).bitPattern)
  }
}
