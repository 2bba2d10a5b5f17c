// The Swift API: Model, Session, Tensor and what they need.
@_exported import Graphs
@_exported import ONNX
@_exported import Operators
@_exported import Passes
@_exported import Runtime
@_exported import Tensors
@_exported import Kernels
