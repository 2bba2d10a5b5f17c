import Glibc
import Progressive
import Swiftlet
import TestSupport
import Testing

/// A transfer of a container with everything that can go wrong: pieces in any order, overlapping what is there, cut,
/// sent again, damaged on the way, and begun anew from what is on disk.
private struct Transfer {
  let sent: [UInt8]
  var numbers: Numbers
  var receiver = ContainerReceiver()
  var image: ContainerImage?
  /// What a cache would hold, damaged bytes included.
  var disk: [UInt8]
  private(set) var wasDamaged = false
  private(set) var resumes = 0

  init(_ sent: [UInt8], _ seed: UInt64) {
    self.sent = sent
    numbers = Numbers(seed)
    disk = Array(repeating: 0, count: sent.count)
  }

  private mutating func take(_ bytes: ArraySlice<UInt8>) throws {
    let whole = try bytes.withUnsafeBytes { try receiver.append($0, at: bytes.startIndex) }
    if image == nil, let container = receiver.container { image = try ContainerImage(container) }
    try image?.take(whole, from: receiver)
  }

  /// - Throws: the receiver's errors.
  mutating func begin() throws {
    disk[..<Container.Header.byteCount] = sent[..<Container.Header.byteCount]
    try take(sent[..<Container.Header.byteCount])
  }

  /// Sends a piece in which something is missing, or starts again from what is on disk.
  mutating func step() throws {
    if Int.random(in: 0..<12, using: &numbers) == 0 { return try resume() }
    guard let missing = receiver.missing(in: 0..<sent.count).randomElement(using: &numbers) else { return }
    let start = max(0, missing.lowerBound - Int.random(in: 0...40, using: &numbers))
    let end = min(sent.count, start + Int.random(in: 1...sent.count / 3, using: &numbers))
    var piece = sent[start..<end]
    if Int.random(in: 0..<6, using: &numbers) == 0, end > Container.Header.byteCount {
      let place = Int.random(in: max(start, Container.Header.byteCount)..<end, using: &numbers)
      piece[place] ^= UInt8.random(in: 1...255, using: &numbers)
      wasDamaged = true
    }
    for range in receiver.missing(in: start..<end) { disk[range] = piece[range] }
    try take(piece)
  }

  /// Takes chunks that a call which ended in an error has left.
  mutating func finish() throws { try take(sent[0..<0]) }

  private mutating func resume() throws {
    let missing = receiver.missing(in: 0..<sent.count)
    receiver = ContainerReceiver()
    image = nil
    resumes += 1
    var at = 0
    var failure: (any Error)?
    for gap in missing + [sent.count..<sent.count] {
      do { try take(disk[at..<gap.lowerBound]) } catch { failure = error }
      at = gap.upperBound
    }
    if let failure { throw failure }
  }
}

@Suite struct ScheduleTests {
  @Test func everyTransferEndsExact() throws {
    let model = sampleModel(seed: 9)
    let packed = try pack(model)
    var resumes = 0
    for seed in UInt64(0)..<2000 {
      var transfer = Transfer(packed, seed)
      try transfer.begin()
      while !transfer.receiver.isComplete {
        do { try transfer.step() } catch let e as SwiftletError {
          #expect(transfer.wasDamaged && e.code == .parse && e.byteOffset != nil, "seed \(seed): \(e)")
        }
      }
      try transfer.finish()
      let image = try #require(transfer.image)
      #expect(image.isComplete, "seed \(seed)")
      try image.verify()
      #expect(image.files[0].byteCount == model.count, "seed \(seed)")
      #expect(memcmp(image.files[0].base, model, model.count) == 0, "seed \(seed)")
      resumes += transfer.resumes
    }
    #expect(resumes > 1000)
  }

  /// A sender whose copy is damaged is told so: it never ends as if all were well.
  @Test func aDamagedOriginalNeverEnds() throws {
    let packed = try pack(sampleModel(seed: 9))
    for seed in UInt64(0)..<50 {
      var numbers = Numbers(seed)
      var damaged = packed
      let place = Int.random(in: Container.Header.byteCount..<packed.count, using: &numbers)
      damaged[place] ^= 1
      var transfer = Transfer(damaged, seed)
      try transfer.begin()
      var last: SwiftletError?
      for _ in 0..<200 {
        do { try transfer.step() } catch let e as SwiftletError { last = e }
      }
      #expect(!transfer.receiver.isComplete)
      #expect(last?.code == .parse && last?.message.contains("damaged container") == true, "seed \(seed)")
    }
  }
}
