/// Single conversions of 16-bit floats, for parameters and tests; bulk data goes through the kernels.
public enum Half {
  /// IEEE binary16 to float, exact.
  public static func float(_ h: UInt16) -> Float {
    let sign = UInt32(h & 0x8000) << 16
    let exponent = UInt32(h >> 10) & 31
    let mantissa = UInt32(h & 0x3ff)
    if exponent == 31 { return Float(bitPattern: sign | 0x7f80_0000 | mantissa << 13) }
    if exponent == 0 {
      let m = Float(mantissa) * 0x1p-24
      return sign == 0 ? m : -m
    }
    return Float(bitPattern: sign | (exponent + 112) << 23 | mantissa << 13)
  }
  /// float to IEEE binary16, rounded to nearest even.
  public static func bits(_ f: Float) -> UInt16 {
    let x = f.bitPattern
    let sign = UInt16(truncatingIfNeeded: x >> 16) & 0x8000
    let magnitude = x & 0x7fff_ffff
    if magnitude > 0x7f80_0000 { return sign | 0x7e00 | UInt16(truncatingIfNeeded: magnitude >> 13) & 0x3ff }
    if magnitude >= 0x4780_0000 { return sign | 0x7c00 }
    if magnitude < 0x3880_0000 {
      // Subnormal: adding 0.5 leaves the rounded significand in the low bits.
      let r = Float(bitPattern: magnitude) + 0.5
      return sign | UInt16(truncatingIfNeeded: r.bitPattern &- 0x3f00_0000)
    }
    let rounded = magnitude &+ 0xfff &+ (magnitude >> 13 & 1)
    return sign | UInt16(truncatingIfNeeded: (rounded &- 0x3800_0000) >> 13)
  }
  /// float to bfloat16, rounded to nearest even.
  public static func bfloat16Bits(_ f: Float) -> UInt16 {
    let x = f.bitPattern
    if f.isNaN { return UInt16(truncatingIfNeeded: x >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (x &+ 0x7fff &+ (x >> 16 & 1)) >> 16)
  }
}
