import CKernels
import Tensors

/// The sizes of a pooling: `planes` (batch times channels) of input... become planes of output...; one to six
/// dimensions. Everything is checked once, here.
public struct PoolingGeometry: Hashable, Sendable {
  public let planes: Int
  public let input: [Int]
  public let kernel: [Int]
  public let strides: [Int]
  public let dilations: [Int]
  public let padsBegin: [Int]
  public let padsEnd: [Int]
  public let output: [Int]
  public let inputPlane: Int
  public let outputPlane: Int

  /// The output sizes follow; with `ceilMode` they are rounded up, without windows that begin in the padding behind.
  public init(
    planes: Int, input: [Int], kernel: [Int], strides: [Int]? = nil, dilations: [Int]? = nil, padsBegin: [Int]? = nil,
    padsEnd: [Int]? = nil, ceilMode: Bool = false
  ) throws {
    let ones = [Int](repeating: 1, count: input.count), zeros = [Int](repeating: 0, count: input.count)
    let strides = strides ?? ones, dilations = dilations ?? ones
    let begin = padsBegin ?? zeros, end = padsEnd ?? zeros
    let sizes = try ConvolutionGeometry(
      batch: 1, inputChannels: 1, outputChannels: 1, input: input, kernel: kernel, strides: strides,
      dilations: dilations, padsBegin: begin, padsEnd: end)
    var output = sizes.output
    if ceilMode {
      for d in input.indices {
        let room = input[d] + begin[d] + end[d] - (kernel[d] - 1) * dilations[d] - 1  // checked by `sizes`
        if room % strides[d] != 0, (output[d]) * strides[d] < input[d] + begin[d] { output[d] += 1 }
      }
    }
    try self.init(
      planes: planes, input: input, kernel: kernel, strides: strides, dilations: dilations, padsBegin: begin,
      padsEnd: end, output: output)
  }

  /// With output sizes as given.
  public init(
    planes: Int, input: [Int], kernel: [Int], strides: [Int], dilations: [Int], padsBegin: [Int], padsEnd: [Int],
    output: [Int]
  ) throws {
    let sizes = try ConvolutionGeometry(
      batch: planes, inputChannels: 1, outputChannels: 1, groups: 1, input: input, kernel: kernel, strides: strides,
      dilations: dilations, pads: padsBegin, output: output)
    guard padsEnd.count == input.count, padsEnd.allSatisfy({ abs($0) < 1 << 29 }) else {
      throw SwiftletError.invalid("pooling: bad pads \(padsEnd)")
    }
    self.planes = planes
    self.input = input
    self.kernel = kernel
    self.strides = strides
    self.dilations = dilations
    self.padsBegin = padsBegin
    self.padsEnd = padsEnd
    self.output = output
    inputPlane = sizes.inputPlane
    outputPlane = sizes.outputPlane
  }

  /// One window over everything.
  public init(global planes: Int, input: [Int]) throws {
    // All dimensions as one: two where that makes rows to add up.
    let count = try Checked.count(input)
    let width = count % 64 == 0 ? 64 : count
    guard count > 0 else { throw SwiftletError.invalid("pooling: no elements in \(input)") }
    try self.init(planes: planes, input: [count / width, width], kernel: [count / width, width])
  }
}

/// The element types that can be pooled; only floating-point ones can be averaged.
public protocol PoolScalar: Sendable {
  static var poolKernels: (swk_level) -> UnsafePointer<swk_pool_table>? { get }
}

extension Float: PoolScalar {
  public static var poolKernels: (swk_level) -> UnsafePointer<swk_pool_table>? { { swk_pool_kernels(SWK_F32, $0) } }
}
extension Double: PoolScalar {
  public static var poolKernels: (swk_level) -> UnsafePointer<swk_pool_table>? { { swk_pool_kernels(SWK_F64, $0) } }
}
extension Int8: PoolScalar {
  public static var poolKernels: (swk_level) -> UnsafePointer<swk_pool_table>? { { swk_pool_kernels(SWK_S8, $0) } }
}
extension UInt8: PoolScalar {
  public static var poolKernels: (swk_level) -> UnsafePointer<swk_pool_table>? { { swk_pool_kernels(SWK_U8, $0) } }
}

/// A pooling of planes.
public struct Pooling<Scalar: PoolScalar> {
  public enum Kind: Hashable, Sendable {
    /// The largest element; the type's lowest value for a window without elements.
    case max
    /// The sum divided by the number of elements, those in the padding included or not.
    case average(countIncludePad: Bool)
    /// (sum |x|^p)^(1/p).
    case lp(Double)
  }

  private let kind: Kind
  private let geometry: PoolingGeometry
  private let table: UnsafePointer<swk_pool_table>
  private let shape: swk_pool

  public init(_ kind: Kind, geometry: PoolingGeometry) throws {
    try self.init(kind, geometry: geometry, level: swk_cpu_get().pointee.level)
  }

  init(_ kind: Kind, geometry: PoolingGeometry, level: swk_level) throws {
    guard let table = Scalar.poolKernels(level), kind == .max || table.pointee.average != nil else {
      throw SwiftletError(.unsupported, "pooling: \(kind) of \(Scalar.self)")
    }
    self.kind = kind
    self.geometry = geometry
    self.table = table
    var s = swk_pool()
    s.rank = geometry.input.count
    s.set(\.in, geometry.input)
    s.set(\.out, geometry.output)
    s.set(\.kernel, geometry.kernel)
    s.set(\.stride, geometry.strides)
    s.set(\.dilation, geometry.dilations)
    s.set(\.pad, geometry.padsBegin)
    s.set(\.pad_end, geometry.padsEnd)
    if case .average(let countIncludePad) = kind { s.count_include_pad = countIncludePad }
    if case .lp(let p) = kind { s.p = p }
    shape = s
  }

  private var workerBytes: Int {
    let last = geometry.input.count - 1
    return 2 * (geometry.input[last] + geometry.output[last]) * MemoryLayout<Scalar>.stride
  }

  /// Bytes of scratch that `run` needs with a pool of this width.
  public func scratchBytes(width: Int) -> Int { GemmScratch.bytes(workerBytes, width: width) }

  /// Pools x [planes][input...] into y [planes][output...].
  public func run(
    _ x: UnsafePointer<Scalar>, _ y: UnsafeMutablePointer<Scalar>, pool: ThreadPool, scratch: UnsafeMutableRawPointer
  ) {
    let scratch = GemmScratch(scratch, bytes: workerBytes)
    let kernel = kind == .max ? table.pointee.max : kind.isAverage ? table.pointee.average : table.pointee.lp
    guard let kernel else { return }
    eachPlane(pool) { plane, worker in
      var s = shape
      kernel(&s, x + plane &* geometry.inputPlane, y + plane &* geometry.outputPlane, scratch[worker])
    }
  }

  /// Maximum pooling that also stores each maximum's index in x; with `columnMajor` the first spatial dimension
  /// varies fastest within a plane. -1 for windows without elements.
  public func runMax(
    _ x: UnsafePointer<Scalar>, _ y: UnsafeMutablePointer<Scalar>, indices: UnsafeMutablePointer<Int64>,
    columnMajor: Bool = false, pool: ThreadPool
  ) {
    eachPlane(pool) { plane, _ in
      var s = shape
      s.column_major = columnMajor
      let (from, to) = (plane &* geometry.inputPlane, plane &* geometry.outputPlane)
      table.pointee.max_indices(&s, x + from, y + to, indices + to, Int64(from))
    }
  }

  /// Maximum pooling of x [batch][input...][channels] into y [batch][output...][channels]; the geometry's planes are the
  /// batch. Int8 and UInt8 only.
  public func runMaxChannelsLast(
    _ x: UnsafePointer<Scalar>, _ y: UnsafeMutablePointer<Scalar>, channels: Int, pool: ThreadPool
  ) throws {
    guard let kernel = table.pointee.max_channels else { throw SwiftletError(.unsupported, "pooling: channels last of \(Scalar.self)") }
    _ = try Checked.multiply(Checked.multiply(geometry.planes, max(geometry.inputPlane, geometry.outputPlane)), channels)
    // Whole cache lines of channels for each thread.
    let most = 64 * max(1, channels / 64 / pool.width), parts = max(1, channels / most)
    pool.parallel(over: geometry.planes * parts, grain: max(1, 30_000 / max(1, geometry.inputPlane * most))) { tasks in
      for task in tasks {
        var s = shape
        let (plane, first) = (task / parts, task % parts * most), count = task % parts == parts - 1 ? channels - first : most
        kernel(
          &s, count, channels, x + (plane &* geometry.inputPlane &* channels + first), y + (plane &* geometry.outputPlane &* channels + first))
      }
    }
  }

  private func eachPlane(_ pool: ThreadPool, _ body: (_ plane: Int, _ worker: Int) -> Void) {
    let grain = max(1, 30_000 / max(1, geometry.inputPlane + geometry.outputPlane))
    let tasks = min(pool.width * 4, (geometry.planes + grain - 1) / grain)
    guard tasks > 1, pool.width > 1 else {
      for plane in 0..<geometry.planes { body(plane, 0) }
      return
    }
    let most = (geometry.planes + tasks - 1) / tasks
    pool.parallel((geometry.planes + most - 1) / most) { task, worker in
      for plane in task &* most..<min((task &+ 1) &* most, geometry.planes) { body(plane, worker) }
    }
  }
}

extension Pooling.Kind {
  fileprivate var isAverage: Bool {
    if case .average = self { return true }
    return false
  }
}

extension swk_pool: SpatialFields {}
extension swk_patches: SpatialFields {}

/// C structs with arrays of spatial sizes.
protocol SpatialFields {}

extension SpatialFields {
  /// Sets the first elements of an int32 array.
  mutating func set<Tuple>(_ field: WritableKeyPath<Self, Tuple>, _ values: [Int]) {
    withUnsafeMutableBytes(of: &self[keyPath: field]) { bytes in
      for (d, value) in values.enumerated() where d * 4 < bytes.count {
        bytes.storeBytes(of: Int32(truncatingIfNeeded: value), toByteOffset: d * 4, as: Int32.self)
      }
    }
  }
}
