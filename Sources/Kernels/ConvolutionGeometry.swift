import CKernels
import Tensors

/// The sizes of a convolution: images [batch][inputChannels][input...], weights
/// [outputChannels][inputChannels / groups][kernel...], results [batch][outputChannels][output...].
///
/// One to six spatial dimensions. Everything is checked once, here: the kernels rely on it.
public struct ConvolutionGeometry: Hashable, Sendable {
  public let batch: Int
  public let inputChannels: Int
  public let outputChannels: Int
  public let groups: Int
  public let input: [Int]
  public let kernel: [Int]
  public let strides: [Int]
  public let dilations: [Int]
  /// Before the first element of each dimension; what is needed behind the last follows from `output`.
  public let pads: [Int]
  public let output: [Int]

  /// Elements of one channel of the image.
  public let inputPlane: Int
  /// Elements of one channel of the result.
  public let outputPlane: Int
  /// Elements of the kernel's spatial dimensions.
  public let taps: Int

  /// The output sizes are floor((input + padsBegin + padsEnd - dilation * (kernel - 1) - 1) / stride) + 1.
  public init(
    batch: Int, inputChannels: Int, outputChannels: Int, groups: Int = 1, input: [Int], kernel: [Int],
    strides: [Int]? = nil, dilations: [Int]? = nil, padsBegin: [Int]? = nil, padsEnd: [Int]? = nil
  ) throws {
    let rank = input.count
    let ones = [Int](repeating: 1, count: rank), zeros = [Int](repeating: 0, count: rank)
    let strides = strides ?? ones, dilations = dilations ?? ones
    let begin = padsBegin ?? zeros, end = padsEnd ?? zeros
    guard [kernel, strides, dilations, begin, end].allSatisfy({ $0.count == rank }) else {
      throw SwiftletError.invalid("convolution: kernel, strides, dilations, pads and input differ in rank")
    }
    var output: [Int] = []
    for d in 0..<rank {
      guard kernel[d] > 0, strides[d] > 0, dilations[d] > 0 else {
        throw SwiftletError.invalid("convolution: kernel, strides and dilations must be positive")
      }
      let padded = try Checked.add(try Checked.add(input[d], begin[d]), end[d])
      let room = try Checked.subtract(padded, try Checked.add(try Checked.multiply(dilations[d], kernel[d] - 1), 1))
      guard room >= 0 else {
        throw SwiftletError.invalid("convolution: the kernel \(kernel) is larger than the padded input \(input)")
      }
      output.append(room / strides[d] + 1)
    }
    try self.init(
      batch: batch, inputChannels: inputChannels, outputChannels: outputChannels, groups: groups, input: input,
      kernel: kernel, strides: strides, dilations: dilations, pads: begin, output: output)
  }

  /// With output sizes as given: places of the image outside of it count as 0. A transposed convolution has the
  /// geometry of the convolution whose gradient it is: its result is `input`, its input is `output`.
  public init(
    batch: Int, inputChannels: Int, outputChannels: Int, groups: Int, input: [Int], kernel: [Int], strides: [Int],
    dilations: [Int], pads: [Int], output: [Int]
  ) throws {
    let rank = input.count
    guard rank >= 1, rank <= Int(SWK_SPATIAL) else {
      throw SwiftletError(.unsupported, "convolution: \(rank) spatial dimensions")
    }
    guard [kernel, strides, dilations, pads, output].allSatisfy({ $0.count == rank }) else {
      throw SwiftletError.invalid("convolution: kernel, strides, dilations, pads, input and output differ in rank")
    }
    guard batch >= 0, inputChannels >= 0, outputChannels >= 0, groups > 0, inputChannels % groups == 0,
      outputChannels % groups == 0
    else {
      throw SwiftletError.invalid(
        "convolution: \(inputChannels) input and \(outputChannels) output channels don't divide into \(groups) groups")
    }
    for d in 0..<rank {
      guard kernel[d] > 0, strides[d] > 0, dilations[d] > 0, input[d] >= 0, output[d] >= 0 else {
        throw SwiftletError.invalid("convolution: a size, stride or dilation isn't positive")
      }
      let reach = try Checked.add(
        try Checked.multiply(max(output[d] - 1, 0), strides[d]), try Checked.multiply(kernel[d] - 1, dilations[d]))
      let limit = 1 << 29
      guard reach < limit, pads[d] > -limit, pads[d] < limit, strides[d] < limit, dilations[d] < limit else {
        throw SwiftletError(.unsupported, "convolution: a spatial size is beyond 2^29")
      }
    }
    inputPlane = try Checked.count(input)
    outputPlane = try Checked.count(output)
    taps = try Checked.count(kernel)
    guard inputPlane < 1 << 31, input.allSatisfy({ $0 < 1 << 30 }) else {
      throw SwiftletError(.unsupported, "convolution: an image plane is beyond 2^31 elements")
    }
    _ = try Checked.count([batch, inputChannels, inputPlane, 8])
    _ = try Checked.count([batch, outputChannels, outputPlane, 8])
    _ = try Checked.count([outputChannels, inputChannels, taps, 8])
    _ = try Checked.count([max(inputChannels, 1), taps, outputPlane, 8])
    self.batch = batch
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.groups = groups
    self.input = input
    self.kernel = kernel
    self.strides = strides
    self.dilations = dilations
    self.pads = pads
    self.output = output
  }

  var inputChannelsPerGroup: Int { inputChannels / groups }
  var outputChannelsPerGroup: Int { outputChannels / groups }
  /// The depth of the convolution as a matrix product.
  var depth: Int { inputChannelsPerGroup * taps }

  /// Every output pixel reads just the input pixel at its place.
  var isPointwise: Bool {
    taps == 1 && strides.allSatisfy { $0 == 1 } && pads.allSatisfy { $0 == 0 } && input == output
  }

  /// The patches of one group's image.
  var patches: swk_patches {
    var p = swk_patches()
    p.rank = input.count
    p.channels = inputChannelsPerGroup
    p.set(\.in, input)
    p.set(\.out, output)
    p.set(\.kernel, kernel)
    p.set(\.stride, strides)
    p.set(\.dilation, dilations)
    p.set(\.pad, pads)
    return p
  }

  /// The sizes as a depthwise convolution in two dimensions; nil if it isn't one, or has strides or a reach for which
  /// the direct kernels would need much scratch.
  var depthwise: swk_depthwise? {
    guard inputChannelsPerGroup == 1, outputChannels > 0, input.count <= 2, strides.allSatisfy({ $0 <= 8 }),
      zip(kernel, dilations).allSatisfy({ ($0 - 1) * $1 <= 4096 })
    else { return nil }
    func pair(_ x: [Int], _ missing: Int) -> (Int32, Int32) {
      (Int32(truncatingIfNeeded: x.count == 2 ? x[0] : missing), Int32(truncatingIfNeeded: x[x.count - 1]))
    }
    var s = swk_depthwise()
    (s.in_h, s.in_w) = pair(input, 1)
    (s.out_h, s.out_w) = pair(output, 1)
    (s.kernel_h, s.kernel_w) = pair(kernel, 1)
    (s.stride_h, s.stride_w) = pair(strides, 1)
    (s.dilation_h, s.dilation_w) = pair(dilations, 1)
    (s.pad_h, s.pad_w) = pair(pads, 0)
    return s
  }
}
