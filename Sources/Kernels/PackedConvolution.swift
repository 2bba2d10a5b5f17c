import CKernels
import Tensors

/// A convolution's weights in the order in which the kernels read them, with the algorithm that was chosen for them.
///
/// The choice looks at all of the geometry, but the weights serve any batch, image sizes and pads.
public final class PackedConvolution<Scalar: GemmScalar>: @unchecked Sendable {
  enum Algorithm: String {
    /// A matrix product for each image and group: weights [M = output channels][K] times patches [K][N = pixels].
    case gemm
    /// The roles changed, for few pixels: patches [M = pixels][K] times weights [K][N = output channels].
    case gemmTransposed
    /// One input channel a group: direct, weights as they are.
    case depthwise
    /// 3x3 kernels of stride 1: a quarter of the multiplications, four times the weights' memory, sums a digit less
    /// exact.
    case winograd
    /// Weights of which only what isn't zero is kept.
    case sparse
  }

  let algorithm: Algorithm
  /// The algorithm, for people.
  public var kernelName: String {
    sparse.first?.kernelName ?? ticket.map { $0.kernelName + (winograd == nil ? "" : ", winograd") }
      ?? fixedPoint.map { _ in FixedPointWeights.kernelName } ?? algorithm.rawValue
  }
  let inputChannels: Int
  let outputChannels: Int
  let groups: Int
  let kernel: [Int]
  let strides: [Int]
  let dilations: [Int]
  let table: UnsafePointer<swk_gemm_table>
  let depthwise: UnsafePointer<swk_depthwise_table>?
  let winograd: UnsafePointer<swk_winograd_table>?
  let memory: AlignedMemory
  let groupBytes: Int
  let blockK: Int
  /// The weights of each group, for `sparse`.
  let sparse: [SparseWeights]
  /// Not nil: a ticket is kept instead of floats, and expanded as panels are packed, or as Winograd's kernels or the
  /// sparse ones need it.
  let ticket: TicketWeights?
  /// Not nil: integers with scales are kept instead of floats, for `gemm`.
  let fixedPoint: FixedPointWeights?
  /// Bytes held.
  public var bytes: Int { sparse.reduce(memory.bytes + (ticket?.bytes ?? fixedPoint?.bytes ?? 0)) { $0 + $1.bytes } }

  /// Packs weights [outputChannels][inputChannels / groups][kernel...] of type `source`. They aren't read again.
  /// `winograd` false keeps to plain sums; weights that are only close to others become `FixedPointWeights`.
  public convenience init(
    _ weights: UnsafeRawPointer, source: PackedMatrix.Source = Scalar.sourceType, geometry: ConvolutionGeometry,
    winograd: Bool = true, isApproximate: Bool = false, pool: ThreadPool? = nil
  ) throws {
    let level = swk_cpu_get().pointee.level
    let dense = winograd && Self.suitsWinograd(geometry) ? Algorithm.winograd : nil
    let inFixedPoint = try isApproximate && dense == nil && Self.suitsFixedPoint(geometry, Scalar.kernels())
    let (m, k) = (geometry.outputChannelsPerGroup, geometry.depth), size = source == .float ? 4 : 2
    let sparse = try Self.sparseParts(geometry) { group in
      let part = SparseSource(
        data: weights + group * m * k * size, type: source, rows: m, k: k, rowStride: k, kStride: 1)
      return try SparseWeights.choose(part, rival: inFixedPoint ? .integers : dense == nil ? .gemm : .winograd, level: level, pool: pool)
    }
    guard sparse.isEmpty else {
      try self.init(sparse, geometry: geometry, level: level)
      return
    }
    if inFixedPoint,
      let fixedPoint = try FixedPointWeights.make(
        Self.operand(weights, source, geometry), .a, outputs: m, channels: geometry.inputChannels, taps: geometry.taps,
        level: level, pool: pool)
    {
      try self.init(fixedPoint, geometry: geometry)
      return
    }
    try self.init(weights, source: source, geometry: geometry, pool: pool, level: level, algorithm: dense)
  }

  /// Keeps a ticket of the weights' shape, each output channel of which is multiplied by its scale. One group.
  public convenience init(
    _ ticket: Ticket, scales: [Float]?, geometry: ConvolutionGeometry, pool: ThreadPool? = nil
  ) throws {
    try self.init(
      ticket, scales: scales, geometry: geometry, pool: pool, level: swk_cpu_get().pointee.level,
      algorithm: Self.suitsWinograd(geometry) ? .winograd : nil)
  }

  /// `algorithm` is that of floats.
  init(
    _ ticket: Ticket, scales: [Float]?, geometry: ConvolutionGeometry, pool: ThreadPool?, level: swk_level,
    algorithm wish: Algorithm?
  ) throws {
    guard let table = Scalar.kernels(level), Scalar.self == Float.self, geometry.groups == 1,
      ticket.rows == geometry.outputChannels, ticket.columns == geometry.depth, ticket.taps == geometry.taps
    else { throw SwiftletError.invalid("convolution: the ticket doesn't fit the geometry") }
    self.table = table
    let weights = try TicketWeights(ticket, scales: scales, level: level, pool: pool)
    self.ticket = weights
    let isWinograd = wish == .winograd
    let sparse = try SparseWeights.choose(
      weights, taps: geometry.taps, rival: isWinograd ? .winograd : .gemm, level: level)
    self.sparse = sparse.map { [$0] } ?? []
    algorithm = sparse != nil ? .sparse : wish ?? Self.blocked(geometry, table)
    winograd = isWinograd && sparse == nil ? swk_winograd_f32(level) : nil
    (inputChannels, outputChannels, groups) = (geometry.inputChannels, geometry.outputChannels, 1)
    (kernel, strides, dilations) = (geometry.kernel, geometry.strides, geometry.dilations)
    blockK = swk_gemm_block_k(geometry.depth, table.pointee.kc)
    (depthwise, groupBytes, fixedPoint) = (nil, 0, nil)
    memory = try AlignedMemory(bytes: 0)
  }

  /// Integers with scales.
  init(_ fixedPoint: FixedPointWeights, geometry: ConvolutionGeometry) throws {
    (self.fixedPoint, table, blockK, algorithm) = (fixedPoint, fixedPoint.table, fixedPoint.blockK, .gemm)
    (inputChannels, outputChannels, groups) = (geometry.inputChannels, geometry.outputChannels, 1)
    (kernel, strides, dilations) = (geometry.kernel, geometry.strides, geometry.dilations)
    (depthwise, winograd, sparse, groupBytes, ticket) = (nil, nil, [], 0, nil)
    memory = try AlignedMemory(bytes: 0)
  }

  private static func suitsFixedPoint(_ g: ConvolutionGeometry, _ table: UnsafePointer<swk_gemm_table>) -> Bool {
    Scalar.self == Float.self && g.groups == 1 && best(g, table) == .gemm
      && FixedPointWeights.suits(depth: g.depth, outputs: g.outputChannels)
  }

  /// Weights of a group in the kernels' order: k = tap * channels + channel.
  private static func operand(
    _ weights: UnsafeRawPointer, _ source: PackedMatrix.Source, _ geometry: ConvolutionGeometry
  ) -> swk_operand {
    var operand = swk_operand()
    operand.data = weights
    operand.type = source.c
    operand.stride = geometry.depth
    operand.k_stride = 1
    if geometry.taps > 1 {
      operand.k_inner = geometry.inputChannelsPerGroup
      operand.k_stride = geometry.taps
      operand.k_outer_stride = 1
    }
    return operand
  }

  /// The weights of each group as sparse ones; none if `pack` doesn't want all of them to be.
  static func sparseParts(
    _ geometry: ConvolutionGeometry, pack: (_ group: Int) throws -> SparseWeights?
  ) throws -> [SparseWeights] {
    guard Scalar.self == Float.self, geometry.inputChannelsPerGroup > 1 || geometry.groups == 1 else { return [] }
    var parts: [SparseWeights] = []
    for group in 0..<geometry.groups {
      guard let packed = try pack(group) else { return [] }
      parts.append(packed)
    }
    return parts
  }

  /// Sparse weights, of each group.
  init(_ sparse: [SparseWeights], geometry: ConvolutionGeometry, level: swk_level) throws {
    guard let table = Scalar.kernels(level), Scalar.self == Float.self, sparse.count == geometry.groups else {
      throw SwiftletError.invalid("convolution: no kernels for these weights")
    }
    self.table = table
    self.sparse = sparse
    algorithm = .sparse
    inputChannels = geometry.inputChannels
    outputChannels = geometry.outputChannels
    groups = geometry.groups
    kernel = geometry.kernel
    strides = geometry.strides
    dilations = geometry.dilations
    (depthwise, winograd, groupBytes, blockK, ticket, fixedPoint) = (nil, nil, 0, 0, nil, nil)
    memory = try AlignedMemory(bytes: 0)
  }

  init(
    _ weights: UnsafeRawPointer, source: PackedMatrix.Source, geometry: ConvolutionGeometry, pool: ThreadPool?,
    level: swk_level, algorithm wish: Algorithm?
  ) throws {
    guard let table = Scalar.kernels(level), (source == .double) == (Scalar.self == Double.self) else {
      throw SwiftletError.invalid("convolution: no kernels for these weights")
    }
    self.table = table
    let algorithm = wish ?? Self.best(geometry, table)
    self.algorithm = algorithm
    inputChannels = geometry.inputChannels
    outputChannels = geometry.outputChannels
    groups = geometry.groups
    kernel = geometry.kernel
    strides = geometry.strides
    dilations = geometry.dilations
    let sourceSize = source == .double ? 8 : source == .float ? 4 : 2
    (sparse, ticket, fixedPoint) = ([], nil, nil)
    let (m, k) = (geometry.outputChannelsPerGroup, geometry.depth)
    let blockK = swk_gemm_block_k(k, table.pointee.kc)
    self.blockK = blockK
    depthwise = algorithm == .depthwise ? swk_depthwise_f32(level) : nil
    winograd = algorithm == .winograd ? swk_winograd_f32(level) : nil
    if let winograd {
      groupBytes = 0
      memory = try Self.transformed(weights, source: source, geometry: geometry, table: table, winograd: winograd)
      return
    }
    let width = algorithm == .depthwise ? 1 : algorithm == .gemm ? table.pointee.mr : table.pointee.nr
    let padded = (m + width - 1) / width * width
    let groupBytes = try Checked.count([padded, k, MemoryLayout<Scalar>.stride])
    self.groupBytes = groupBytes
    memory = try AlignedMemory(bytes: try Checked.multiply(groupBytes, groups))
    let start = memory.start
    func packBlock(group: Int, block: Int) {
      var operand = Self.operand(weights + group &* m &* k &* sourceSize, source, geometry)
      let k0 = block &* blockK
      let out = start + group &* groupBytes + k0 &* padded &* MemoryLayout<Scalar>.stride
      if algorithm == .depthwise {  // [channel][tap], as in memory
        (operand.k_inner, operand.k_stride) = (0, 1)
        for channel in 0..<m {
          table.pointee.pack(&operand, 1, channel, 1, 0, k, out + channel &* k &* MemoryLayout<Scalar>.stride)
        }
      } else {
        table.pointee.pack(&operand, width, 0, m, k0, min(blockK, k &- k0), out)
      }
    }
    guard m > 0, k > 0 else { return }
    let blocks = algorithm == .depthwise ? 1 : (k - 1) / blockK + 1
    if let pool {
      pool.parallel(groups * blocks) { task, _ in packBlock(group: task / blocks, block: task % blocks) }
    } else {
      for task in 0..<groups * blocks { packBlock(group: task / blocks, block: task % blocks) }
    }
  }

  /// Weights for `winograd`.
  private static func transformed(
    _ weights: UnsafeRawPointer, source: PackedMatrix.Source, geometry: ConvolutionGeometry,
    table: UnsafePointer<swk_gemm_table>, winograd: UnsafePointer<swk_winograd_table>
  ) throws -> AlignedMemory {
    let (channels, outputs) = (geometry.inputChannels, geometry.outputChannels)
    let count = try Checked.count([channels, outputs, 9])
    let floats = try AlignedMemory(bytes: count * 4)
    var operand = swk_operand()
    operand.data = weights
    operand.type = source.c
    operand.stride = count
    operand.k_stride = 1
    table.pointee.pack(&operand, 1, 0, 1, 0, count, floats.start)
    let bytes = try Checked.multiply(Int(winograd.pointee.weights_count(channels, outputs)), 4)
    let memory = try AlignedMemory(bytes: bytes)
    winograd.pointee.transform(
      floats.start.assumingMemoryBound(to: Float.self), channels, outputs,
      memory.start.assumingMemoryBound(to: Float.self))
    return memory
  }

  /// Can Winograd's kernels do it, do they pay, and is their memory small beside the images?
  private static func suitsWinograd(_ g: ConvolutionGeometry) -> Bool {
    guard Scalar.self == Float.self, Self.canUseWinograd(g), g.inputChannels >= 24, g.outputChannels >= 24,
      g.outputPlane >= 256
    else { return false }
    let bytes = 36 * 4 * g.inputChannels * g.outputChannels
    let images = 4 * (g.inputPlane * g.inputChannels + g.outputPlane * g.outputChannels)
    return bytes <= max(5 << 19, 2 * images)
  }

  static func canUseWinograd(_ g: ConvolutionGeometry) -> Bool {
    let level = swk_cpu_get().pointee.level
    guard Scalar.self == Float.self, let table = swk_winograd_f32(level) else { return false }
    return g.kernel == [3, 3] && g.strides == [1, 1] && g.dilations == [1, 1] && g.groups == 1
      && g.inputChannels > 0 && g.inputChannels <= Int(table.pointee.most_channels)
  }

  private static func best(_ g: ConvolutionGeometry, _ table: UnsafePointer<swk_gemm_table>) -> Algorithm {
    Scalar.self == Float.self && g.depthwise != nil ? .depthwise : blocked(g, table)
  }

  /// Which way round the matrix product is faster.
  private static func blocked(_ g: ConvolutionGeometry, _ table: UnsafePointer<swk_gemm_table>) -> Algorithm {
    // Cycles for each k, packing of the image included.
    let (mr, nr) = (Int(table.pointee.mr), Int(table.pointee.nr))
    let (channels, pixels) = (g.outputChannelsPerGroup, g.outputPlane)
    let panelCost = g.isPointwise ? 2.0 : 4.0
    let straight = tileCost(channels, pixels, mr, nr) + Double((pixels + nr - 1) / nr) * panelCost
    let turned = tileCost(pixels, channels, mr, nr) + Double((pixels + mr - 1) / mr) * (g.isPointwise ? 2 : Double(mr))
    return turned < straight ? .gemmTransposed : .gemm
  }

  /// Cycles that the micro-kernels take for each k: two vectors a cycle, but no less than four cycles a tile.
  private static func tileCost(_ m: Int, _ n: Int, _ mr: Int, _ nr: Int) -> Double {
    func rowCost(_ rows: Int) -> Double {
      let rest = n % nr, vectors = rest == 0 ? 0 : rest * 2 <= nr ? 1 : 2
      return Double(n / nr) * max(Double(rows), 4) + (vectors > 0 ? max(Double(rows * vectors) / 2, 4) : 0)
    }
    return Double(m / mr) * rowCost(mr) + (m % mr > 0 ? rowCost(m % mr) : 0)
  }
}
