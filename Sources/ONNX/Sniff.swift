import Tensors

/// What bytes that are no ONNX model look like instead, or nil.
func sniff(_ bytes: UnsafeRawBufferPointer) -> String? {
  if bytes.isEmpty { return "the file is empty" }
  func begins(_ prefix: [UInt8], at offset: Int = 0) -> Bool {
    bytes.count >= offset + prefix.count && prefix.indices.allSatisfy { bytes[offset + $0] == prefix[$0] }
  }
  func begins(text: String, at offset: Int = 0) -> Bool { begins(Array(text.utf8), at: offset) }
  if begins(text: "version https://git-lfs") {
    return "this is a Git LFS pointer, not the model: fetch the real file with 'git lfs pull'"
  }
  if begins([0x1f, 0x8b]) { return "this is a gzip file: unpack it first" }
  if begins(text: "PK\u{3}\u{4}") { return "this is a zip archive (a PyTorch checkpoint?), not an ONNX model" }
  if begins([0x28, 0xb5, 0x2f, 0xfd]) { return "this is a zstd file: unpack it first" }
  if begins([0xfd, 0x37, 0x7a, 0x58, 0x5a]) { return "this is an xz file: unpack it first" }
  if begins(text: "BZh") { return "this is a bzip2 file: unpack it first" }
  if begins(text: "GGUF") { return "this is a GGUF file, not an ONNX model" }
  if begins(text: "ORTM", at: 4) { return "this is an ORT-format model (.ort): give the ONNX file it was made from" }
  if begins(text: "TFL3", at: 4) { return "this is a TensorFlow Lite model, not an ONNX model" }
  if begins([0x89, 0x48, 0x44, 0x46]) { return "this is an HDF5 file (Keras?), not an ONNX model" }
  if begins([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]) { return "this is a NumPy array, not an ONNX model" }
  if begins([0x80, 2]) || begins([0x80, 4]) { return "this is a Python pickle, not an ONNX model" }
  if begins([0x7b, 0x22], at: 8) { return "this is a safetensors file: weights without a graph" }
  let head = String(decoding: bytes.prefix(256), as: UTF8.self).lowercased()
  let start = head.drop { $0.isWhitespace }
  if start.hasPrefix("<!doctype") || start.hasPrefix("<html") { return "this is an HTML page, not a model" }
  if start.hasPrefix("<?xml") || start.hasPrefix("<net") { return "this is XML (an OpenVINO model?), not an ONNX model" }
  if start.hasPrefix("{") { return "this is JSON, not a binary ONNX model" }
  let inAngles = start.hasPrefix("<") ? start.dropFirst().drop { $0.isWhitespace } : start
  if inAngles.hasPrefix("ir_version") {
    return "this is ONNX in a text form: convert it to the binary form"
  }
  return nil
}
