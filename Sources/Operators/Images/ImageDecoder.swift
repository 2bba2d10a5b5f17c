import Tensors

/// ImageDecoder: an encoded image as [height, width, channels]. BMP and PNM are read here; JPEG, JPEG 2000, PNG, TIFF
/// and WebP by their usual libraries (libturbojpeg, libopenjp2, libpng16, libtiff, libwebp), loaded when first needed.
enum ImageDecoder {
  static let definitions = [
    OperatorDefinition(
      "ImageDecoder", since: [20], inputs: [.required("encoded_stream", "T1")], outputs: [.required("image", "T2")],
      types: ["T1": TypeSet(.uint8), "T2": TypeSet(.uint8)], attributes: [.string("pixel_format", "RGB")],
      infer: { c in c.set(0, .uint8, [.unknown, .unknown, .known(try channels(c))]) },
      kernel: { c in
        let channels = try channels(c)
        let isBlueFirst = try c.string("pixel_format") == "BGR"
        return { r in
          let x = try r.input(0)
          guard x.rank == 1 else { throw SwiftletError(.shape, "a vector of bytes is due, not \(x.shape)") }
          var pixels: UnsafeMutablePointer<UInt8>?
          var grey: Tensor?
          var size = (width: 0, height: 0)
          let image = EncodedImage(bytes: UnsafeRawBufferPointer(start: x.data, count: x.count))
          func memory(_ width: Int, _ height: Int) throws -> UnsafeMutablePointer<UInt8> {
            guard width > 0, height > 0, width < 1 << 20, height < 1 << 20 else {
              throw SwiftletError(.runtime, "an image of \(width) x \(height) pixels")
            }
            size = (width, height)
            let rgb = try channels == 3 ? r.output(0, .uint8, [height, width, 3]) : r.temporary(.uint8, [height, width, 3])
            if channels == 1 { grey = rgb }
            rgb.data.initializeMemory(as: UInt8.self, repeating: 0, count: rgb.count)
            pixels = rgb.pointer(UInt8.self)
            return rgb.pointer(UInt8.self)
          }
          do {
            try decode(image, memory)
          } catch let e as SwiftletError where e.code == .runtime {
            // The specification's answer to damaged images and to what is none.
            _ = try r.output(0, .uint8, [0, 0, channels])
            return
          }
          guard let pixels else { throw SwiftletError(.internal, "no image was decoded") }
          let count = size.width * size.height
          if isBlueFirst {
            for i in 0..<count { swap(&pixels[3 * i], &pixels[3 * i + 2]) }
          } else if grey != nil {
            // ITU-R 601-2, in fixed point with rounding.
            let y = try r.output(0, .uint8, [size.height, size.width, 1]).pointer(UInt8.self)
            for i in 0..<count {
              let (red, green, blue) = (Int(pixels[3 * i]), Int(pixels[3 * i + 1]), Int(pixels[3 * i + 2]))
              y[i] = UInt8((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16)
            }
          }
        }
      })
  ]

  private static func channels(_ c: some NodeReading) throws -> Int {
    switch try c.string("pixel_format") {
    case "RGB", "BGR": return 3
    case "Grayscale": return 1
    case let other: throw SwiftletError(.invalidModel, "the pixel_format '\(other)'")
    }
  }

  /// Gives memory for RGB pixels, once the size is known.
  typealias Allocate = (_ width: Int, _ height: Int) throws -> UnsafeMutablePointer<UInt8>

  private static func decode(_ image: EncodedImage, _ allocate: Allocate) throws {
    if image.starts([0xff, 0xd8]) { return try JPEGLibrary.decode(image, allocate) }
    if image.starts([0x89, 0x50, 0x4e, 0x47]) { return try PNGLibrary.decode(image, allocate) }
    if image.starts([0x52, 0x49, 0x46, 0x46]) { return try WebPLibrary.decode(image, allocate) }
    if image.starts([0x49, 0x49, 0x2a, 0]) || image.starts([0x4d, 0x4d, 0, 0x2a]) {
      return try TIFFLibrary.decode(image, allocate)
    }
    if image.starts([0, 0, 0, 0x0c, 0x6a, 0x50]) || image.starts([0xff, 0x4f, 0xff, 0x51]) {
      return try JPEG2000Library.decode(image, allocate)
    }
    if image.starts([0x42, 0x4d]) { return try bmp(image, allocate) }
    if image.starts([0x50]), (0x31...0x36).contains(try image.byte(1)) { return try pnm(image, allocate) }
    throw SwiftletError(.runtime, "the bytes are no image of a known format")
  }

  /// Uncompressed, 24 or 32 bits a pixel, or 8 with a palette.
  private static func bmp(_ image: EncodedImage, _ allocate: Allocate) throws {
    let offset = try image.little(10, 4)
    let header = try image.little(14, 4)
    let width = try image.little(18, 4)
    let signed = Int(Int32(truncatingIfNeeded: try image.little(22, 4)))
    let bits = try image.little(28, 2)
    let compression = try image.little(30, 4)
    guard [8, 24, 32].contains(bits), compression == 0 || (compression == 3 && bits == 32) else {
      throw SwiftletError(.unsupported, "a BMP of \(bits) bits with compression \(compression)")
    }
    let height = abs(signed)
    let y = try allocate(width, height)
    let stride = (width * bits + 31) / 32 * 4
    for row in 0..<height {
      let line = offset + (signed > 0 ? height - 1 - row : row) * stride
      for column in 0..<width {
        var at = line + column * bits / 8
        if bits == 8 { at = 14 + header + 4 * Int(try image.byte(at)) }
        for k in 0..<3 { y[(row * width + column) * 3 + k] = try image.byte(at + 2 - k) }
      }
    }
  }

  /// PBM, PGM and PPM, as text (P1 to P3) and binary (P4 to P6); samples of up to 16 bits are scaled to 8.
  private static func pnm(_ image: EncodedImage, _ allocate: Allocate) throws {
    let kind = Int(try image.byte(1)) - 0x30
    let isText = kind < 4, isBitmap = kind % 3 == 1, channels = kind % 3 == 0 ? 3 : 1
    var at = 2
    func number(digits: Int = 8) throws -> Int {
      while true {
        let c = try image.byte(at)
        if c == 0x23 {
          while try image.byte(at) != 0x0a { at += 1 }
        } else if c > 0x20 {
          break
        }
        at += 1
      }
      var n = 0
      for _ in 0..<digits where at < image.bytes.count && (0x30...0x39).contains(image.bytes[at]) {
        n = n * 10 + Int(image.bytes[at]) - 0x30
        at += 1
      }
      return n
    }
    let width = try number(), height = try number(), most = isBitmap ? 1 : try number()
    guard (1...65535).contains(most) else { throw SwiftletError(.runtime, "a PNM with a greatest value of \(most)") }
    if !isText { at += 1 }
    let y = try allocate(width, height), bytes = most > 255 ? 2 : 1
    for row in 0..<height {
      for column in 0..<width {
        for k in 0..<channels {
          var v: Int
          if isText {
            v = try number(digits: isBitmap ? 1 : 8)
          } else if isBitmap {
            v = Int(try image.byte(at + column / 8) >> UInt8(7 - column % 8) & 1)
          } else {
            v = Int(try image.byte(at))
            if bytes == 2 { v = v << 8 | Int(try image.byte(at + 1)) }
            at += bytes
          }
          // In bitmaps 1 is black.
          if isBitmap { v = 1 - v }
          let level = UInt8(clamping: (v * 255 + most / 2) / most)
          for c in (channels == 3 ? k...k : 0...2) { y[(row * width + column) * 3 + c] = level }
        }
      }
      if isBitmap, !isText { at += (width + 7) / 8 }
    }
  }
}

/// The bytes of an image file, checked at every access.
struct EncodedImage {
  let bytes: UnsafeRawBufferPointer

  func starts(_ magic: [UInt8]) -> Bool { bytes.count >= magic.count && bytes.prefix(magic.count).elementsEqual(magic) }
  func byte(_ i: Int) throws -> UInt8 {
    guard i >= 0, i < bytes.count else { throw SwiftletError(.runtime, "the image ends early") }
    return bytes[i]
  }
  func little(_ i: Int, _ count: Int) throws -> Int {
    try (0..<count).reduce(0) { try $0 | Int(byte(i + $1)) << (8 * $1) }
  }
}
