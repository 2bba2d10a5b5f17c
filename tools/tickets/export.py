"""Networks as ONNX: weights that are tickets as docs/ticket-format.md has them, or written out; and packed."""
import pathlib
import subprocess

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import popup
import ticket

SWIFTLET = pathlib.Path(__file__).resolve().parent.parent.parent / "build/swiftlet"


def operator(layer):
    """A layer's operator, its attributes, and the names of its parameters in the order of the inputs."""
    match layer:
        case nn.Linear():
            return "Gemm", {"transB": 1}, ["weight"]
        case nn.Conv2d():
            return "Conv", {"kernel_shape": layer.kernel_size, "pads": layer.padding * 2}, ["weight"]
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            return "BatchNormalization", {"epsilon": layer.eps}, ["weight", "bias", "running_mean", "running_var"]
        case nn.MaxPool2d():
            return "MaxPool", {"kernel_shape": [layer.kernel_size] * 2, "strides": [layer.stride] * 2}, []
        case nn.ReLU() | nn.Sigmoid() | nn.Flatten():
            return {nn.ReLU: "Relu", nn.Sigmoid: "Sigmoid", nn.Flatten: "Flatten"}[type(layer)], {}, []
        case nn.Softmax():
            return "Softmax", {"axis": layer.dim}, []
    raise TypeError(f"a layer {type(layer).__name__} has no operator here")


def body(network, value, result, tickets):
    """Nodes and initializers of a Sequential that takes `value` to `result`. Weights that were drawn are written as
    tickets or, if `tickets` is False, as they are."""
    nodes, initializers = [], []
    for index, layer in enumerate(network):
        kind, attributes, parameters = operator(layer)
        name = f"{kind.lower()}{index}"
        inputs, value = [value], result if index + 1 == len(network) else name
        for part in parameters:
            inputs.append(f"{name}.{part}")
            found = popup.found(layer) if tickets and part == "weight" else None
            if found:
                node, data = ticket.ticket(inputs[-1], *found)
                nodes.append(node)
                initializers += data
            else:
                initializers.append(numpy_helper.from_array(getattr(layer, part).detach().numpy(), inputs[-1]))
        nodes.append(helper.make_node(kind, inputs, [value], name, **attributes))
    return nodes, initializers


def model(name, inputs, outputs, nodes, initializers, properties):
    """A checked model. `inputs`, `outputs`: (name, element type, shape, description)."""
    graph = helper.make_graph(nodes, name, *([helper.make_tensor_value_info(*value) for value in values]
                                             for values in (inputs, outputs)), initializers)
    if any(node.domain == ticket.DOMAIN for node in nodes):
        result = ticket.model(graph)
    else:
        result = helper.make_model(graph, opset_imports=[helper.make_opsetid("", ticket.OPSET)], ir_version=8)
    helper.set_model_props(result, {key: str(value) for key, value in properties.items()})
    onnx.checker.check_model(result, full_check=True)
    return result


def write(model, path):
    """Writes the model, and beside it, where Swiftlet is built, the container `.swl`. Tells the sizes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    sizes = [f"{path}: {path.stat().st_size} bytes"]
    if SWIFTLET.exists():
        packed = path.with_suffix(".swl")
        subprocess.run([SWIFTLET, "pack", path, "-o", packed], check=True, stdout=subprocess.DEVNULL)
        sizes.append(f"{packed.name} {packed.stat().st_size}")
    print(", ".join(sizes))
