import CKernels
import Tensors

/// ONNX's Reduce operators.
public enum ReductionOperator: Sendable, CaseIterable {
  case sum, mean, max, min, prod, l1, l2, logSum, logSumExp, sumSquare

  /// What is folded; logSumExp folds `sumExp` after `max`.
  fileprivate var fold: swk_reduce_op {
    switch self {
    case .sum, .mean, .logSum: SWK_REDUCE_SUM
    case .max: SWK_REDUCE_MAX
    case .min: SWK_REDUCE_MIN
    case .prod: SWK_REDUCE_PROD
    case .l1: SWK_REDUCE_SUM_ABS
    case .l2, .sumSquare: SWK_REDUCE_SUM_SQUARE
    case .logSumExp: SWK_REDUCE_SUM_EXP
    }
  }
}

public enum Reduction {
  /// `out` = `x` of `shape` reduced over `axes` (in [0, rank), no two the same; none: every element by itself), the
  /// remaining axes in their order. float, double, float16, bfloat16, int32, int64, uint32, uint64; max and min also the
  /// smaller integers and bool. Integer sums wrap; mean, l2 and the logarithms of integers are computed in double and
  /// truncated. No elements give 0, 1 for a product, the infinity or least integer for a maximum, NaN for a mean.
  public static func apply(
    _ op: ReductionOperator, _ type: ElementType, _ x: UnsafeRawPointer, _ shape: [Int], axes: [Int],
    to out: UnsafeMutableRawPointer, pool: ThreadPool? = nil, level: swk_level = .best
  ) throws {
    guard let work = workType(op, type) else { throw Binary.unsupported("reduction \(op)", type) }
    let groups = Groups(shape, axes)
    let count = try Checked.count(shape), outCount = groups.outCount
    if outCount == 0 { return }
    let wide = try Cast.converted(type, x, to: work, count, pool: pool)
    let result = work == type ? nil : try Allocator.system.allocate(try work.byteCount(outCount))
    let target = result?.base ?? out
    try reduce(op, work, UnsafeRawPointer(wide?.base) ?? x, groups, to: target, pool, level)
    withExtendedLifetime(wide) {}
    if let result { try Cast.apply(work, result.base, to: type, out, outCount, pool: pool, level: level) }
  }

  private static func workType(_ op: ReductionOperator, _ type: ElementType) -> ElementType? {
    if type.isHalf { return .float }
    switch op {
    case .max, .min, .sum, .prod, .l1, .sumSquare: return type
    case .mean, .l2, .logSum, .logSumExp: return type == .float ? .float : .double
    }
  }

  private static func reduce(
    _ op: ReductionOperator, _ type: ElementType, _ x: UnsafeRawPointer, _ groups: Groups,
    to out: UnsafeMutableRawPointer, _ pool: ThreadPool?, _ level: swk_level
  ) throws {
    guard let kernel = swk_reduction_get(level, op.fold, type.swk) else {
      throw Binary.unsupported("reduction \(op)", type)
    }
    let n = groups.outCount
    switch op {
    case .logSumExp:
      guard let max = swk_reduction_get(level, SWK_REDUCE_MAX, type.swk) else {
        throw Binary.unsupported("reduction \(op)", type)
      }
      let shift = try Allocator.system.allocate(try type.byteCount(n))
      fold(max.pointee, type, x, groups, shift: nil, to: shift.base, pool)
      // The greatest of nothing, or of infinities only, would make NaN of the differences.
      let bounds: UnaryParameters
      if type == .float {
        bounds = try UnaryParameters(
          clip: type, low: [-Float.greatestFiniteMagnitude], high: [Float.greatestFiniteMagnitude])
      } else {
        bounds = try UnaryParameters(
          clip: type, low: [-Double.greatestFiniteMagnitude], high: [Double.greatestFiniteMagnitude])
      }
      try Unary.apply(.clip, type, shift.base, to: shift.base, n, bounds, level: level)
      fold(kernel.pointee, type, x, groups, shift: shift.base, to: out, pool)
      try Unary.apply(.log, type, out, to: out, n, pool: pool, level: level)
      try Binary.apply(.add, type, out, [n], shift.base, [n], to: out, [n], pool: pool, level: level)
    case .mean:
      fold(kernel.pointee, type, x, groups, shift: nil, to: out, pool)
      if type == .float {
        try Binary.apply(.divide, type, out, [n], [Float(groups.reducedCount)], [], to: out, [n], level: level)
      } else {
        try Binary.apply(.divide, type, out, [n], [Double(groups.reducedCount)], [], to: out, [n], level: level)
      }
    case .l2:
      fold(kernel.pointee, type, x, groups, shift: nil, to: out, pool)
      try Unary.apply(.sqrt, type, out, to: out, n, pool: pool, level: level)
    case .logSum:
      fold(kernel.pointee, type, x, groups, shift: nil, to: out, pool)
      try Unary.apply(.log, type, out, to: out, n, pool: pool, level: level)
    default:
      fold(kernel.pointee, type, x, groups, shift: nil, to: out, pool)
    }
  }

  /// Folds all of `x` into fresh accumulators at `out`.
  private static func fold(
    _ kernel: swk_reduction, _ type: ElementType, _ x: UnsafeRawPointer, _ groups: Groups,
    shift: UnsafeMutableRawPointer?, to out: UnsafeMutableRawPointer, _ pool: ThreadPool?
  ) {
    let size = type.bits / 8
    kernel.start(out, groups.outCount)
    guard groups.reducedCount > 0 else { return }
    // Threads take parts of the longest kept group.
    guard let widest = groups.list.indices.filter({ !groups.list[$0].isReduced }).max(by: {
      groups.list[$0].size < groups.list[$1].size
    }) else {
      return fold(kernel, size, groups.list[...], x, shift, out)
    }
    let bytes = groups.outCount &* groups.reducedCount &* size
    Parallel.ranges(groups.list[widest].size, bytes: bytes, multipleOf: 16, pool: pool) { start, end in
      var part = groups.list
      part[widest].size = end - start
      let offset = start &* part[widest].outStride &* size
      fold(
        kernel, size, part[...], x + start &* part[widest].stride &* size, shift.map { $0 + offset }, out + offset)
    }
  }

  private static func fold(
    _ kernel: swk_reduction, _ size: Int, _ groups: ArraySlice<Groups.Group>, _ x: UnsafeRawPointer,
    _ shift: UnsafeMutableRawPointer?, _ out: UnsafeMutableRawPointer
  ) {
    guard let last = groups.last else { return kernel.runs(x, 1, 0, 1, shift, out) }
    let rest = groups.dropLast()
    if groups.count > 2 {
      guard let first = groups.first else { return }
      for i in 0..<first.size {
        let offset = i &* first.outStride &* size
        fold(
          kernel, size, groups.dropFirst(), x + i &* first.stride &* size, shift.map { $0 + offset }, out + offset)
      }
    } else if last.isReduced {
      kernel.runs(x, rest.first?.size ?? 1, rest.first?.stride ?? 0, last.size, shift, out)
    } else {
      kernel.columns(x, rest.first?.size ?? 1, rest.first?.stride ?? 0, last.size, shift, out)
    }
  }
}

/// The axes of a contiguous tensor as runs of reduced and kept ones that take turns.
struct Groups {
  struct Group {
    var size: Int
    let isReduced: Bool
    /// In elements of the tensor, and of the result (0 for reduced ones).
    var stride = 0, outStride = 0
  }
  private(set) var list: [Group] = []
  private(set) var reducedCount = 1
  private(set) var outCount = 1

  init(_ shape: [Int], _ axes: [Int]) {
    for (axis, size) in shape.enumerated() {
      let isReduced = axes.contains(axis)
      if isReduced { reducedCount &*= size } else { outCount &*= size }
      if size == 1 { continue }
      if let last = list.last, last.isReduced == isReduced {
        list[list.count - 1].size &*= size
      } else {
        list.append(Group(size: size, isReduced: isReduced))
      }
    }
    var stride = 1, outStride = 1
    for i in list.indices.reversed() {
      list[i].stride = stride
      stride &*= list[i].size
      if !list[i].isReduced {
        list[i].outStride = outStride
        outStride &*= list[i].size
      }
    }
  }
}
