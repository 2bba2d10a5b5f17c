import CKernels
import Kernels
import Tensors
import Testing

private func cast<T: BitwiseCopyable, R: BitwiseCopyable>(
  _ from: ElementType, _ x: [T], _ to: ElementType, _ zero: R, count: Int? = nil, outCount: Int? = nil,
  saturate: Bool = true, roundMode: ScaleRounding = .up, level: swk_level = .best
) throws -> [R] {
  try output(outCount ?? x.count, of: zero) {
    try Cast.apply(from, x, to: to, $0, count ?? x.count, saturate: saturate, roundMode: roundMode, level: level)
  }
}

@Suite struct CastTests {
  @Test(arguments: levels) func everyHalfAndBack(level: swk_level) throws {
    let all = (0...UInt16.max).map { $0 }
    let wide: [Float] = try cast(.float16, all, .float, 0, level: level)
    let back: [UInt16] = try cast(.float, wide, .float16, 0, level: level)
    let brains: [Float] = try cast(.bfloat16, all, .float, 0, level: level)
    let brainsBack: [UInt16] = try cast(.float, brains, .bfloat16, 0, level: level)
    for h in all {
      #expect(same(wide[Int(h)], Half.float(h)))
      #expect(same(brains[Int(h)], Float(bitPattern: UInt32(h) << 16)))
      if !wide[Int(h)].isNaN { #expect(back[Int(h)] == h) }
      if !brains[Int(h)].isNaN { #expect(brainsBack[Int(h)] == h) }
    }
  }

  @Test(arguments: levels) func narrowingRoundsToNearestEven(level: swk_level) throws {
    var generator = Generator(seed: 11)
    let x = specialFloats + (0..<20_000).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: generator.next() >> 32)) }
      + generator.floats(5000) + (0..<5000).map { Float(bitPattern: 0x3300_0000 + UInt32($0) * 0x800) }
    let halves: [UInt16] = try cast(.float, x, .float16, 0, level: level)
    let brains: [UInt16] = try cast(.float, x, .bfloat16, 0, level: level)
    for i in x.indices where !x[i].isNaN {
      #expect(halves[i] == Half.bits(x[i]))
      #expect(brains[i] == Half.bfloat16Bits(x[i]))
    }
  }

  @Test func doublesAndLongIntegersRoundOnce() throws {
    // Just above the middle of two halves: rounding to float first would fall onto the middle.
    let x: [Double] = [1 + 0x1p-11, 1 + 0x1p-11 + 0x1p-40, 1 + 0x3p-11 - 0x1p-40, -1 - 0x1p-11 - 0x1p-50, 65519.99999999999]
    #expect(try cast(.double, x, .float16, UInt16(0)) == [0x3c00, 0x3c01, 0x3c01, 0xbc01, 0x7bff])
    let n: [Int64] = [(1 << 62) + (1 << 54), (1 << 62) + (1 << 54) + 1, -(1 << 62) - (1 << 54) - 1]
    #expect(try cast(.int64, n, .bfloat16, UInt16(0)) == [0x5e80, 0x5e81, 0xde81])
  }

  @Test(arguments: levels) func floatsToIntegersTruncate(level: swk_level) throws {
    let x: [Float] = [0, 1.9, -1.9, 127, 128, 300, -129, 2147483520, 2147483648, -2147483648, .infinity, .nan, 1e19]
    #expect(
      try cast(.float, x, .int32, Int32(0), level: level)
        == [0, 1, -1, 127, 128, 300, -129, 2147483520, .min, .min, .min, .min, .min])
    #expect(
      try cast(.float, x, .int64, Int64(0), level: level)
        == [0, 1, -1, 127, 128, 300, -129, 2147483520, 1 << 31, -1 << 31, .min, .min, .min])
    #expect(try cast(.float, x, .int8, Int8(0), level: level) == [0, 1, -1, 127, -128, 44, 127, -128, 0, 0, 0, 0, 0])
    #expect(try cast(.float, x, .uint8, UInt8(0), level: level) == [0, 1, 255, 127, 128, 44, 127, 128, 0, 0, 0, 0, 0])
    #expect(
      try cast(.float, [-1, 4294967040, 1e19] as [Float], .uint64, UInt64(0), level: level)
        == [.max, 4294967040, 9999999980506447872])
    #expect(try cast(.float, [0, -0.0, 0.1, .nan] as [Float], .bool, UInt8(9), level: level) == [0, 0, 1, 1])
  }

  @Test(arguments: levels) func integersWrap(level: swk_level) throws {
    let x: [Int64] = [0, 1, -1, 255, 256, -129, .max, .min]
    #expect(try cast(.int64, x, .uint8, UInt8(0), level: level) == x.map { UInt8(truncatingIfNeeded: $0) })
    #expect(try cast(.int64, x, .int32, Int32(0), level: level) == x.map { Int32(truncatingIfNeeded: $0) })
    #expect(try cast(.int64, x, .double, 0.0, level: level) == x.map { Double($0) })
    #expect(try cast(.int64, x, .float, Float(0), level: level) == x.map { Float($0) })
    #expect(try cast(.int64, x, .bool, UInt8(9), level: level) == [0, 1, 1, 1, 1, 1, 1, 1])
    #expect(try cast(.bool, [0, 1, 1] as [UInt8], .float, Float(9), level: level) == [0, 1, 1])
  }

  /// Codes are those of the ml_dtypes package and of ONNX's tables.
  @Test func eightBitFloats() throws {
    let x: [Float] = [.nan, .infinity, -.infinity, 1e9, -0.0, -1e-30, 449, 464, 465, 240, 248, 7, 2.5, 0.75, 0x1p-9, 0x1p-10]
    #expect(
      try cast(.float, x, .float8e4m3fn, UInt8(0), saturate: false)
        == [0x7f, 0x7f, 0xff, 0x7f, 0x80, 0x80, 0x7e, 0x7e, 0x7f, 0x77, 0x78, 0x4e, 0x42, 0x34, 0x01, 0x00])
    #expect(
      try cast(.float, x, .float8e4m3fn, UInt8(0))
        == [0x7f, 0x7e, 0xfe, 0x7e, 0x80, 0x80, 0x7e, 0x7e, 0x7e, 0x77, 0x78, 0x4e, 0x42, 0x34, 0x01, 0x00])
    #expect(
      try cast(.float, x, .float8e4m3fnuz, UInt8(0), saturate: false)
        == [0x80, 0x80, 0x80, 0x80, 0x00, 0x00, 0x80, 0x80, 0x80, 0x7f, 0x80, 0x56, 0x4a, 0x3c, 0x02, 0x01])
    #expect(
      try cast(.float, x, .float8e5m2, UInt8(0), saturate: false)
        == [0x7e, 0x7c, 0xfc, 0x7c, 0x80, 0x80, 0x5f, 0x5f, 0x5f, 0x5c, 0x5c, 0x47, 0x41, 0x3a, 0x18, 0x14])
    #expect(
      try cast(.float, x, .float8e5m2fnuz, UInt8(0))
        == [0x80, 0x7f, 0xff, 0x7f, 0x00, 0x00, 0x63, 0x63, 0x63, 0x60, 0x60, 0x4b, 0x45, 0x3e, 0x1c, 0x18])
  }

  @Test(arguments: [ElementType.float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz])
  func everyCodeAndBack(type: ElementType) throws {
    let all = (0...UInt8.max).map { $0 }
    let wide: [Float] = try cast(type, all, .float, 0)
    let back: [UInt8] = try cast(.float, wide, type, 0, saturate: false)
    for c in all where !wide[Int(c)].isNaN { #expect(back[Int(c)] == c) }
    #expect(wide.filter(\.isNaN).count == (type == .float8e5m2 ? 6 : type == .float8e4m3fn ? 2 : 1))
    let finite = wide.filter { $0.isFinite }
    #expect(finite.max() == (type == .float8e4m3fn ? 448 : type == .float8e4m3fnuz ? 240 : 57344))
  }

  @Test func scalesRoundAsAsked() throws {
    let x: [Float] = [1, 1.25, 1.5, 1.75, 2, .infinity, .greatestFiniteMagnitude]
    #expect(try cast(.float, x, .float8e8m0, UInt8(0)) == [127, 128, 128, 128, 128, 255, 254])
    #expect(try cast(.float, x, .float8e8m0, UInt8(0), roundMode: .down) == [127, 127, 127, 127, 128, 255, 254])
    #expect(try cast(.float, x, .float8e8m0, UInt8(0), roundMode: .nearest) == [127, 127, 128, 128, 128, 255, 254])
    #expect(try cast(.float8e8m0, [0, 127, 130] as [UInt8], .float, Float(0)) == [0x1p-127, 1, 8])
  }

  @Test func packedTypesKeepTheLowBitsFirst() throws {
    let x: [Float] = [1, -2, 7, -8, 3]
    #expect(try cast(.float, x, .int4, UInt8(0), outCount: 3) == [0xe1, 0x87, 0x03])
    #expect(try cast(.int4, [0xe1, 0x87, 0x03] as [UInt8], .float, Float(0), count: 5, outCount: 5) == x)
    #expect(try cast(.uint4, [0xe1, 0x87] as [UInt8], .int32, Int32(0), count: 3, outCount: 3) == [1, 14, 7])
    #expect(try cast(.int8, [1, -1, -2, 0, 1] as [Int8], .int2, UInt8(0), outCount: 2) == [0b0010_1101, 0b01])
    #expect(try cast(.int2, [0b0010_1101] as [UInt8], .int8, Int8(9), count: 4, outCount: 4) == [1, -1, -2, 0])
    #expect(try cast(.float, [0.5, -6, 100, 2.5] as [Float], .float4e2m1, UInt8(0), outCount: 2) == [0xf1, 0x47])
    #expect(try cast(.float4e2m1, [0xf1, 0x47] as [UInt8], .float, Float(0), count: 4, outCount: 4) == [0.5, -6, 6, 2])
  }

  @Test func sixBitsStandInOneStream() throws {
    // Four to three bytes, the first in the lowest bits; NaN has no code, and what is too great becomes the greatest.
    let x: [Float] = [1, -0.125, 7.5, 100, 2.25]
    #expect(try cast(.float, x, .float6e2m3, UInt8(0), outCount: 4) == [0x48, 0xf8, 0x7d, 0x11])
    #expect(try cast(.float6e2m3, [0x48, 0xf8, 0x7d, 0x11] as [UInt8], .float, Float(0), count: 5, outCount: 5) == [1, -0.125, 7.5, 7.5, 2.25])
    let all = (0..<64).map { UInt8($0) }
    for (type, greatest, least) in [(ElementType.float6e2m3, Float(7.5), Float(0.125)), (.float6e3m2, 28, 0.0625)] {
      var packed = [UInt8](repeating: 0, count: 48)
      for (i, code) in all.enumerated() {
        packed[i * 6 / 8] |= code << UInt8(i * 6 % 8)
        if i * 6 % 8 > 2 { packed[i * 6 / 8 + 1] |= code >> UInt8(8 - i * 6 % 8) }
      }
      let wide: [Float] = try cast(type, packed, .float, 0, count: 64, outCount: 64)
      #expect(wide[31] == greatest && wide[63] == -greatest && wide[1] == least && wide[32].sign == .minus)
      #expect(wide[..<32].sorted() == Array(wide[..<32]))
      #expect(try cast(.float, wide, type, UInt8(0), outCount: 48) == packed)
    }
  }

  @Test func everyPairOfTypesHasOne() throws {
    let types = ElementType.allCases.filter { $0 != .string && !$0.isComplex }
    for from in types {
      for to in types {
        let x = [UInt8](repeating: 0, count: 1024 * 8)
        let out: [UInt8] = try output(1024 * 8, of: 0xaa) { try Cast.apply(from, x, to: to, $0, 1001) }
        let used = try to.byteCount(1001)
        #expect(out[used...].allSatisfy { $0 == 0xaa })
        if from != .float8e8m0 && to != .float8e8m0 { #expect(out[..<used].allSatisfy { $0 == 0 }, "\(from) \(to)") }
      }
    }
    #expect(throws: SwiftletError.self) { try cast(.complex64, [0.0], .float, Float(0)) }
  }
}
