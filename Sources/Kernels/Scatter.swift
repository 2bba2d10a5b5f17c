import CKernels
import Tensors

/// Writing along indices, with or without what stood there before.
public enum Scatter {
  /// How an update and what stands at its place become one; of bool, `add` is or and `multiply` is and.
  public enum Reduction: Sendable {
    case add, multiply, max, min

    fileprivate var swk: swk_combine_op {
      switch self {
      case .add: SWK_COMBINE_ADD
      case .multiply: SWK_COMBINE_MUL
      case .max: SWK_COMBINE_MAX
      case .min: SWK_COMBINE_MIN
      }
    }
  }

  /// ScatterElements: `x[i… with indices[i…] along axis] = updates[i…]`, in place; later ones win. Indices as
  /// `Gather.elements` takes them; the updates have their shape.
  public static func elements(
    _ x: UnsafeMutableRawPointer, _ shape: [Int], axis: Int, indices: UnsafeRawPointer, _ indexType: ElementType,
    _ indicesShape: [Int], updates: UnsafeRawPointer, elementSize: Int, level: swk_level = .best
  ) throws {
    guard let kernels = swk_movement_get(level, elementSize) else {
      throw SwiftletError(.unsupported, "elements of \(elementSize) bytes")
    }
    try Gather.eachStretch(shape, axis: axis, indices: indices, indexType, indicesShape) { base, index, at, step in
      kernels.pointee.scatter(x + base &* elementSize, updates + at &* elementSize, index, step.axis, step.other, step.n)
    }
  }

  /// The same with what stands there and the updates combined, in order. float, double, bool, integers of 8 to 64 bits;
  /// complex numbers are added only.
  public static func combineElements(
    _ x: UnsafeMutableRawPointer, _ type: ElementType, _ shape: [Int], axis: Int, indices: UnsafeRawPointer,
    _ indexType: ElementType, _ indicesShape: [Int], updates: UnsafeRawPointer, _ reduction: Reduction
  ) throws {
    let combine = try kernel(reduction, type), size = type.bits / 8, parts = parts(type)
    try Gather.eachStretch(shape, axis: axis, indices: indices, indexType, indicesShape) { base, index, at, step in
      combine(x + base &* size, updates + at &* size, index, step.axis &* parts, step.other &* parts, step.n, parts)
    }
  }

  /// ScatterND: rows of `rowLength` elements of the updates combined with those of `x` that `rows` names (checked by the
  /// caller), in place and in order.
  public static func combineRows(
    _ x: UnsafeMutableRawPointer, _ type: ElementType, rows: [Int64], rowLength: Int, updates: UnsafeRawPointer,
    _ reduction: Reduction
  ) throws {
    let n = rowLength &* parts(type)
    try kernel(reduction, type)(x, updates, rows, n, 0, rows.count, n)
  }

  /// Whether elements of the type can be combined so.
  public static func combines(_ type: ElementType, _ reduction: Reduction) -> Bool { find(reduction, type) != nil }

  private static func kernel(_ reduction: Reduction, _ type: ElementType) throws -> swk_combine_fn {
    guard let kernel = find(reduction, type) else { throw Binary.unsupported("the reduction \(reduction)", type) }
    return kernel
  }

  private static func find(_ reduction: Reduction, _ type: ElementType) -> swk_combine_fn? {
    switch (type, reduction) {
    case (.bool, .add): swk_combine_get(SWK_COMBINE_MAX, SWK_T_U8)
    case (.bool, .multiply): swk_combine_get(SWK_COMBINE_MIN, SWK_T_U8)
    case (.bool, _): swk_combine_get(reduction.swk, SWK_T_U8)
    case (.complex64, .add): swk_combine_get(SWK_COMBINE_ADD, SWK_T_F32)
    case (.complex128, .add): swk_combine_get(SWK_COMBINE_ADD, SWK_T_F64)
    default: swk_combine_get(reduction.swk, type.swk)
    }
  }

  /// How many numbers an element consists of.
  private static func parts(_ type: ElementType) -> Int { type.isComplex ? 2 : 1 }
}
