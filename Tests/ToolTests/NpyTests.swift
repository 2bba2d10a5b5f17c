import Swiftlet
import Testing

@testable import SwiftletTool

@Suite struct NpyTests {
  /// A file with this header and data.
  private func file(_ header: String, _ data: [UInt8], version: UInt8 = 1) throws -> Buffer {
    let text = Array(header.utf8)
    let length = (0..<(version == 1 ? 2 : 4)).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
    let bytes = [0x93] + Array("NUMPY".utf8) + [version, 0] + length + text + data
    return try Tensor(.uint8, bytes).buffer
  }
  private func read(_ header: String, _ data: [UInt8], version: UInt8 = 1, as type: ElementType? = nil) throws -> Tensor {
    try Npy.tensor(file(header, data, version: version), as: type)
  }

  @Test(arguments: ElementType.allCases.filter { $0 != .string })
  func everyTypeComesBack(_ type: ElementType) throws {
    for shape in [[], [3], [2, 3], [0, 4]] {
      let t = try Tensor(allocating: type, shape)
      for i in 0..<t.byteCount { t.data.storeBytes(of: UInt8(truncatingIfNeeded: i * 37 + 1), toByteOffset: i, as: UInt8.self) }
      let bytes = try Tensor(.uint8, Npy.data(t))
      let back = try Npy.tensor(bytes.buffer.slice(offset: 0, byteCount: bytes.count), as: type)
      #expect(back.type == type)
      #expect(back.shape == shape)
      #expect(try back.numbers().map(\.bitPattern) == t.numbers().map(\.bitPattern))
      // The data begins at a multiple of 64 bytes.
      let width = type.isPacked ? 1 : type.bits / 8
      #expect((bytes.count - t.count * width) % 64 == 0)
    }
  }

  @Test func readsOtherLayouts() throws {
    let big = try read("{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }\n", [1, 0, 0, 2])
    #expect(try big.ints() == [256, 2])
    let fortran = try read("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n", [1, 2, 3, 4, 5, 6], version: 2)
    #expect(try fortran.ints() == [1, 3, 5, 2, 4, 6])
    let both = try read("{\"descr\": \">u2\", 'fortran_order': True, 'shape': (1, 2)}", [0, 1, 0, 2], version: 3)
    #expect(try both.ints() == [1, 2])
    let text = try read("{'descr': '<U2', 'fortran_order': False, 'shape': (2,), }", [97, 0, 0, 0, 0, 0, 0, 0, 0xe9, 0, 0, 0, 98, 0, 0, 0])
    #expect(text.strings == ["a", "éb"])
    #expect(try read("{'descr': '|S3', 'fortran_order': False, 'shape': (), }", [97, 98, 0]).strings == ["ab"])
  }

  @Test(arguments: [
    "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "{'descr': '<f4', 'fortran_order': False, 'shape': (9,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", "{'descr': '<f4', 'shape': (1,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': 1, }", "", "{'descr': '<q7', 'fortran_order': False, 'shape': (1,), }",
  ])
  func refuses(_ header: String) throws {
    #expect(throws: SwiftletError.self) { try read(header, [0, 0, 0, 0]) }
  }

  @Test func refusesWhatIsCutOff() throws {
    let whole = try Npy.data(Tensor([Float(1), 2]))
    for n in 0..<whole.count {
      let part = try Tensor(.uint8, Array(whole[..<n]))
      #expect(throws: SwiftletError.self) { try Npy.tensor(part.buffer.slice(offset: 0, byteCount: n), as: nil) }
    }
  }
}
