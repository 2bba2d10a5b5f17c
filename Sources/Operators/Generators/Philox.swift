/// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011): four random words
/// for each counter, independent of all others, so that any part of a stream can be made anywhere. A key has 2^64
/// streams.
struct Philox {
  let key: UInt64
  var stream: UInt64 = 0

  func words(_ counter: UInt64) -> (UInt32, UInt32, UInt32, UInt32) {
    var c = (
      UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32),
      UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32)
    )
    var k = (UInt32(truncatingIfNeeded: key), UInt32(truncatingIfNeeded: key >> 32))
    for _ in 0..<10 {
      let p = UInt64(c.0) &* 0xD251_1F53
      let q = UInt64(c.2) &* 0xCD9E_8D57
      c = (
        UInt32(truncatingIfNeeded: q >> 32) ^ c.1 ^ k.0, UInt32(truncatingIfNeeded: q),
        UInt32(truncatingIfNeeded: p >> 32) ^ c.3 ^ k.1, UInt32(truncatingIfNeeded: p)
      )
      k = (k.0 &+ 0x9E37_79B9, k.1 &+ 0xBB67_AE85)
    }
    return c
  }

  /// Two numbers in [0, 1) with 53 random bits.
  func uniforms(_ counter: UInt64) -> (Double, Double) {
    let w = words(counter)
    func unit(_ a: UInt32, _ b: UInt32) -> Double { Double((UInt64(a) << 32 | UInt64(b)) >> 11) * 0x1p-53 }
    return (unit(w.0, w.1), unit(w.2, w.3))
  }
}
