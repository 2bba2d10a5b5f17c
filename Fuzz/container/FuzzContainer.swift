import Progressive
import Swiftlet

/// Any bytes as a container: header, table, chunks, planes. The first two bytes say how it is cut and ordered. Checksums
/// are made right first, so that what lies behind them is reached.
@_cdecl("swiftlet_fuzz_container")
public func fuzzContainer(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  guard let data, size > 2 + Container.Header.byteCount else { return 0 }
  var bytes = Array(UnsafeBufferPointer(start: data + 2, count: size - 2))
  repair(&bytes)
  var limits = ContainerReceiver.Limits()
  limits.bytes = 16 << 20
  let receiver = ContainerReceiver(limits: limits)
  let step = Int(data[0]) * 16 + Container.Header.byteCount
  var offsets = Array(stride(from: 0, to: bytes.count, by: step))
  if data[1] & 1 != 0 { offsets = offsets.prefix(1) + offsets.dropFirst().reversed() }
  var image: ContainerImage?
  for offset in offsets {
    do {
      let whole = try bytes[offset..<min(offset + step, bytes.count)].withUnsafeBytes { try receiver.append($0, at: offset) }
      if image == nil, let container = receiver.container { image = try ContainerImage(container) }
      try image?.take(whole, from: receiver)
    } catch {
      _ = "\(error)"
    }
  }
  if image?.isComplete == true { try? image?.verify() }
  return 0
}

/// Checksums of header, table and chunks as they should be. Those of chunks stand in the table, after their lengths; a
/// table that can't be read is left alone.
private func repair(_ bytes: inout [UInt8]) {
  func store(_ sum: UInt32, at offset: Int) { for k in 0..<4 { bytes[offset + k] = UInt8(truncatingIfNeeded: sum >> UInt32(8 * k)) } }
  let start = Container.Header.byteCount
  let table = min(bytes.count - start, Int(bytes[16]) | Int(bytes[17]) << 8)
  for k in 0..<4 { bytes[16 + k] = UInt8(truncatingIfNeeded: table >> (8 * k)) }
  for k in 0..<8 { bytes[20 + k] = UInt8(truncatingIfNeeded: bytes.count >> (8 * k)) }
  store(bytes[start..<start + table].withUnsafeBytes { Checksum.of($0) }, at: 12)
  store(bytes[..<28].withUnsafeBytes { Checksum.of($0) }, at: 28)
  guard let header = try? bytes.withUnsafeBytes({ try Container.Header($0) }),
    let container = try? bytes[start..<start + table].withUnsafeBytes({ try Container(header, table: $0) })
  else { return }
  // The last chunks' entries stand at the end of the table: found by their old checksums.
  var at = start + table
  for chunk in container.chunks.reversed() {
    let old = chunk.checksum
    while at >= start + 4, (0..<4).contains(where: { bytes[at - 4 + $0] != UInt8(truncatingIfNeeded: old >> UInt32(8 * $0)) }) { at -= 1 }
    guard at >= start + 4, chunk.range.upperBound <= bytes.count else { return }
    store(bytes[chunk.range].withUnsafeBytes { Checksum.of($0) }, at: at - 4)
    at -= 4
  }
  store(bytes[start..<start + table].withUnsafeBytes { Checksum.of($0) }, at: 12)
  store(bytes[..<28].withUnsafeBytes { Checksum.of($0) }, at: 28)
}
