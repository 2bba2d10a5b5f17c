import CSystem
import Glibc
import Tensors

/// A library that is opened when it is needed, and stays open.
struct SharedLibrary {
  private let name: String
  private let handle: UnsafeMutableRawPointer

  init(_ name: String, for what: String) throws {
    guard let h = dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
      throw SwiftletError(.unsupported, "\(what) images need the library \(name), which could not be loaded")
    }
    self.name = name
    handle = h
  }
  func function<F>(_ symbol: String, _: F.Type) throws -> F {
    guard let p = dlsym(handle, symbol) else { throw SwiftletError(.unsupported, "\(name) has no \(symbol)") }
    return unsafeBitCast(p, to: F.self)
  }
}

enum JPEGLibrary {
  static func decode(_ image: EncodedImage, _ allocate: ImageDecoder.Allocate) throws {
    let lib = try SharedLibrary("libturbojpeg.so.0", for: "JPEG")
    let start = try lib.function("tjInitDecompress", (@convention(c) () -> OpaquePointer?).self)
    let end = try lib.function("tjDestroy", (@convention(c) (OpaquePointer) -> Int32).self)
    let header = try lib.function(
      "tjDecompressHeader3",
      (@convention(c) (
        OpaquePointer, UnsafeRawPointer?, UInt, UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>,
        UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>
      ) -> Int32).self)
    let decompress = try lib.function(
      "tjDecompress2",
      (@convention(c) (
        OpaquePointer, UnsafeRawPointer?, UInt, UnsafeMutablePointer<UInt8>, Int32, Int32, Int32, Int32, Int32
      ) -> Int32).self)
    guard let handle = start() else { throw SwiftletError(.outOfMemory, "no JPEG decoder") }
    defer { _ = end(handle) }
    var (width, height, sampling, colours) = (Int32(0), Int32(0), Int32(0), Int32(0))
    let bytes = image.bytes
    guard header(handle, bytes.baseAddress, UInt(bytes.count), &width, &height, &sampling, &colours) == 0 else {
      throw SwiftletError(.runtime, "a damaged JPEG image")
    }
    let y = try allocate(Int(width), Int(height))
    let rgb = Int32(0)
    guard decompress(handle, bytes.baseAddress, UInt(bytes.count), y, width, width * 3, height, rgb, 0) == 0 else {
      throw SwiftletError(.runtime, "a damaged JPEG image, or one that isn't RGB or grey")
    }
  }
}

enum PNGLibrary {
  /// `png_image`, version 1.
  private struct Image {
    var opaque: OpaquePointer?
    var version: UInt32 = 1
    var width: UInt32 = 0
    var height: UInt32 = 0
    var format: UInt32 = 0
    var flags: UInt32 = 0
    var colourmapEntries: UInt32 = 0
    var warningOrError: UInt32 = 0
    var message: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
  }

  static func decode(_ image: EncodedImage, _ allocate: ImageDecoder.Allocate) throws {
    let lib = try SharedLibrary("libpng16.so.16", for: "PNG")
    let begin = try lib.function(
      "png_image_begin_read_from_memory",
      (@convention(c) (UnsafeMutableRawPointer, UnsafeRawPointer?, Int) -> Int32).self)
    let finish = try lib.function(
      "png_image_finish_read",
      (@convention(c) (UnsafeMutableRawPointer, UnsafeRawPointer?, UnsafeMutableRawPointer, Int32, UnsafeMutableRawPointer?) -> Int32).self)
    let free = try lib.function("png_image_free", (@convention(c) (UnsafeMutableRawPointer) -> Void).self)
    var state = Image()
    defer { free(&state) }
    guard begin(&state, image.bytes.baseAddress, image.bytes.count) != 0 else {
      throw SwiftletError(.runtime, "a damaged PNG image")
    }
    let (width, height) = (Int(state.width), Int(state.height))
    let y = try allocate(width, height)
    // With alpha, which is then left out, so that nothing is blended.
    state.format = 3
    let rgba = try Tensor(allocating: .uint8, [height, width, 4])
    guard finish(&state, nil, rgba.data, Int32(width * 4), nil) != 0 else {
      throw SwiftletError(.runtime, "a damaged PNG image")
    }
    let p = rgba.pointer(UInt8.self)
    for i in 0..<width * height { for k in 0..<3 { y[3 * i + k] = p[4 * i + k] } }
  }
}

enum WebPLibrary {
  static func decode(_ image: EncodedImage, _ allocate: ImageDecoder.Allocate) throws {
    let lib = try SharedLibrary("libwebp.so.7", for: "WebP")
    let info = try lib.function(
      "WebPGetInfo",
      (@convention(c) (UnsafeRawPointer?, Int, UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>) -> Int32).self)
    let decode = try lib.function(
      "WebPDecodeRGBInto",
      (@convention(c) (UnsafeRawPointer?, Int, UnsafeMutablePointer<UInt8>, Int, Int32) -> UnsafeMutablePointer<UInt8>?).self)
    var (width, height) = (Int32(0), Int32(0))
    guard info(image.bytes.baseAddress, image.bytes.count, &width, &height) != 0 else {
      throw SwiftletError(.runtime, "a damaged WebP image")
    }
    let y = try allocate(Int(width), Int(height))
    guard decode(image.bytes.baseAddress, image.bytes.count, y, Int(width) * Int(height) * 3, width * 3) != nil else {
      throw SwiftletError(.runtime, "a damaged WebP image")
    }
  }
}

/// Where a library is in a file that lies in memory.
private final class MemoryFile {
  let bytes: UnsafeRawBufferPointer
  var at = 0
  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  func read(_ to: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    let n = max(0, min(count, bytes.count - at))
    if n > 0, let to, let from = bytes.baseAddress { to.copyMemory(from: from + at, byteCount: n) }
    at += n
    return n
  }
  func seek(_ to: Int) -> Bool {
    guard to >= 0, to <= bytes.count else { return false }
    at = to
    return true
  }
  static func from(_ p: UnsafeMutableRawPointer?) -> MemoryFile? {
    p.map { Unmanaged<MemoryFile>.fromOpaque($0).takeUnretainedValue() }
  }
}

enum TIFFLibrary {
  private typealias ReadWrite = @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, Int) -> Int
  private typealias Seek = @convention(c) (UnsafeMutableRawPointer?, UInt64, Int32) -> UInt64
  private typealias Close = @convention(c) (UnsafeMutableRawPointer?) -> Int32
  private typealias Size = @convention(c) (UnsafeMutableRawPointer?) -> UInt64
  private typealias Map = @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> Int32
  private typealias Unmap = @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, UInt64) -> Void
  private typealias Open = @convention(c) (
    UnsafePointer<CChar>, UnsafePointer<CChar>, UnsafeMutableRawPointer?, ReadWrite, ReadWrite, Seek, Close, Size, Map, Unmap
  ) -> OpaquePointer?

  static func decode(_ image: EncodedImage, _ allocate: ImageDecoder.Allocate) throws {
    let lib = try SharedLibrary("libtiff.so.6", for: "TIFF")
    let open = try lib.function("TIFFClientOpen", Open.self)
    let close = try lib.function("TIFFClose", (@convention(c) (OpaquePointer) -> Void).self)
    let field = try lib.function("TIFFGetField", UnsafeMutableRawPointer.self)
    let read = try lib.function(
      "TIFFReadRGBAImageOriented",
      (@convention(c) (OpaquePointer, UInt32, UInt32, UnsafeMutableRawPointer, Int32, Int32) -> Int32).self)
    let file = MemoryFile(image.bytes)
    try withExtendedLifetime(file) {
      guard
        let tiff = open(
          "image", "rm", Unmanaged.passUnretained(file).toOpaque(), { MemoryFile.from($0)?.read($1, $2) ?? 0 },
          { _, _, _ in 0 },
          { p, offset, whence in
            guard let f = MemoryFile.from(p), offset <= UInt64(Int.max / 4) else { return .max }
            let base = whence == SEEK_CUR ? f.at : whence == SEEK_END ? f.bytes.count : 0
            return f.seek(base + Int(offset)) ? UInt64(f.at) : .max
          }, { _ in 0 }, { UInt64(MemoryFile.from($0)?.bytes.count ?? 0) }, { _, _, _ in 0 }, { _, _, _ in })
      else { throw SwiftletError(.runtime, "a damaged TIFF image") }
      defer { close(tiff) }
      var (width, height) = (UInt32(0), UInt32(0))
      let object = UnsafeMutableRawPointer(tiff)
      guard sws_call_variadic(field, object, 256, &width) != 0, sws_call_variadic(field, object, 257, &height) != 0 else {
        throw SwiftletError(.runtime, "a TIFF image without a size")
      }
      let y = try allocate(Int(width), Int(height))
      let rgba = try Tensor(allocating: .uint8, [Int(height), Int(width), 4])
      let topLeft = Int32(1)
      guard read(tiff, width, height, rgba.data, topLeft, 1) != 0 else {
        throw SwiftletError(.runtime, "a damaged TIFF image")
      }
      let p = rgba.pointer(UInt8.self)
      for i in 0..<Int(width) * Int(height) { for k in 0..<3 { y[3 * i + k] = p[4 * i + k] } }
    }
  }
}

/// With openjp2's structures as in version 2: `opj_image` (count at 16, components at 24), `opj_image_comp` (64 bytes:
/// dx, dy, w, h, x0, y0, prec, bpp, sgnd..., data at 48).
enum JPEG2000Library {
  static func decode(_ image: EncodedImage, _ allocate: ImageDecoder.Allocate) throws {
    let lib = try SharedLibrary("libopenjp2.so.7", for: "JPEG 2000")
    typealias Object = UnsafeMutableRawPointer
    let createStream = try lib.function("opj_stream_create", (@convention(c) (Int, Int32) -> Object?).self)
    let destroyStream = try lib.function("opj_stream_destroy", (@convention(c) (Object) -> Void).self)
    let setRead = try lib.function(
      "opj_stream_set_read_function",
      (@convention(c) (Object, @convention(c) (Object?, Int, Object?) -> Int) -> Void).self)
    let setSkip = try lib.function(
      "opj_stream_set_skip_function", (@convention(c) (Object, @convention(c) (Int64, Object?) -> Int64) -> Void).self)
    let setSeek = try lib.function(
      "opj_stream_set_seek_function", (@convention(c) (Object, @convention(c) (Int64, Object?) -> Int32) -> Void).self)
    let setData = try lib.function("opj_stream_set_user_data", (@convention(c) (Object, Object?, Object?) -> Void).self)
    let setLength = try lib.function("opj_stream_set_user_data_length", (@convention(c) (Object, UInt64) -> Void).self)
    let create = try lib.function("opj_create_decompress", (@convention(c) (Int32) -> Object?).self)
    let destroy = try lib.function("opj_destroy_codec", (@convention(c) (Object) -> Void).self)
    let defaults = try lib.function("opj_set_default_decoder_parameters", (@convention(c) (Object) -> Void).self)
    let setup = try lib.function("opj_setup_decoder", (@convention(c) (Object, Object) -> Int32).self)
    let header = try lib.function(
      "opj_read_header", (@convention(c) (Object, Object, UnsafeMutablePointer<Object?>) -> Int32).self)
    let decompress = try lib.function("opj_decode", (@convention(c) (Object, Object, Object) -> Int32).self)
    let destroyImage = try lib.function("opj_image_destroy", (@convention(c) (Object) -> Void).self)

    let file = MemoryFile(image.bytes)
    try withExtendedLifetime(file) {
      guard let stream = createStream(1 << 16, 1) else { throw SwiftletError(.outOfMemory, "no JPEG 2000 stream") }
      defer { destroyStream(stream) }
      setRead(stream) { to, count, data in
        let n = MemoryFile.from(data)?.read(to, count) ?? 0
        return n == 0 ? -1 : n
      }
      setSkip(stream) { count, data in
        guard let f = MemoryFile.from(data), f.seek(max(0, min(f.at + Int(clamping: count), f.bytes.count))) else { return -1 }
        return count
      }
      setSeek(stream) { to, data in MemoryFile.from(data)?.seek(Int(to)) ?? false ? 1 : 0 }
      setData(stream, Unmanaged.passUnretained(file).toOpaque(), nil)
      setLength(stream, UInt64(image.bytes.count))
      let isRaw = image.starts([0xff, 0x4f])
      guard let codec = create(isRaw ? 0 : 2) else { throw SwiftletError(.outOfMemory, "no JPEG 2000 decoder") }
      defer { destroy(codec) }
      // opj_dparameters is about 8.2 KB.
      let parameters = UnsafeMutableRawPointer.allocate(byteCount: 1 << 14, alignment: 16)
      defer { parameters.deallocate() }
      defaults(parameters)
      var decoded: Object?
      defer { if let decoded { destroyImage(decoded) } }
      guard setup(codec, parameters) != 0, header(stream, codec, &decoded) != 0, let found = decoded,
        decompress(codec, stream, found) != 0
      else { throw SwiftletError(.runtime, "a damaged JPEG 2000 image") }
      try copy(found, allocate)
    }
  }

  private static func copy(_ image: UnsafeMutableRawPointer, _ allocate: ImageDecoder.Allocate) throws {
    let count = Int(image.load(fromByteOffset: 16, as: UInt32.self))
    guard count > 0, let components = image.load(fromByteOffset: 24, as: UnsafeMutableRawPointer?.self) else {
      throw SwiftletError(.runtime, "a JPEG 2000 image without components")
    }
    func value(_ c: Int, _ i: Int) -> UInt32 { components.load(fromByteOffset: 64 * c + 4 * i, as: UInt32.self) }
    let (width, height) = (Int(value(0, 2)), Int(value(0, 3)))
    let used = count >= 3 ? [0, 1, 2] : [0, 0, 0]
    let y = try allocate(width, height)
    for (k, c) in used.enumerated() {
      let data = components.load(fromByteOffset: 64 * c + 48, as: UnsafePointer<Int32>?.self)
      guard Int(value(c, 2)) == width, Int(value(c, 3)) == height, let data, (1...16).contains(value(c, 6)) else {
        throw SwiftletError(.unsupported, "a JPEG 2000 image with subsampled components or more than 16 bits")
      }
      let offset = value(c, 8) != 0 ? Int32(1) << Int32(value(c, 6) - 1) : 0
      let bits = Int32(value(c, 6))
      for i in 0..<width * height {
        let v = data[i] &+ offset
        y[3 * i + k] = UInt8(clamping: bits > 8 ? v >> (bits - 8) : v << (8 - bits))
      }
    }
  }
}
