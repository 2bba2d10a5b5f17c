import CKernels

/// CRC-32C, the checksum of chunks, tables and files.
public enum Checksum {
  public static func of(_ bytes: UnsafeRawBufferPointer, after sum: UInt32 = 0) -> UInt32 {
    swk_crc32c(sum, bytes.baseAddress, bytes.count)
  }
}
