"""Strong tickets as docs/ticket-format.md has them: generator, masks, and the ONNX form. Needs numpy and onnx.

    python3 tools/tickets/ticket.py vectors          prints the test vectors of docs/ticket-format.md
    python3 tools/tickets/ticket.py sample OUT.onnx   writes a small model with a ticket in it
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

GOLDEN = 0x9E3779B9
DOMAIN, NAME, OPSET = "swiftlet.tickets", "Signed", 18


def mix(x):
    """A bijection of 32-bit words (Chris Wellons, hash prospector, "lowbias32")."""
    x = np.asarray(x, np.uint32)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def words(seed, first, count):
    """Words [first, first + count) of the random stream of a seed of 64 bits."""
    with np.errstate(over="ignore"):
        low = mix(np.uint32(seed & 0xFFFFFFFF) ^ np.uint32(GOLDEN))
        high = mix(np.uint32(seed >> 32) + low + np.uint32(GOLDEN))
        j = np.arange(first, first + count, dtype=np.uint64).astype(np.uint32)
        return mix(mix(j + low) ^ high)


def tensor_seed(seed, index):
    """The seed of tensor `index` of a network."""
    low, high = words(seed, 2 * index, 2)
    return int(low) | int(high) << 32


def signs(seed, count):
    """The signs of the first `count` elements: True is minus."""
    bits = np.unpackbits(words(seed, 0, (count + 31) // 32).astype("<u4").view(np.uint8), bitorder="little")
    return bits[:count].astype(bool)


def expand(mask, seed, scale, shape):
    """The weight, float32."""
    count = int(np.prod(shape, dtype=np.int64))
    if len(mask) != (count + 7) // 8:
        raise ValueError(f"a mask of {len(mask)} bytes for {count} elements")
    kept = np.unpackbits(np.asarray(mask, np.uint8), bitorder="little")[:count].astype(bool)
    scale = np.float32(scale)
    return np.where(kept, np.where(signs(seed, count), -scale, scale), np.float32(0)).reshape(shape)


def pack(kept):
    """Mask bytes of an array of booleans."""
    return np.packbits(np.asarray(kept, bool).ravel(), bitorder="little")


def function():
    """The model-local function: (mask uint8[n], seed uint32[2], scale float, shape int64[rank]) -> weight."""
    nodes = []

    def constant(name, value, kind):
        nodes.append(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(value, kind))))
        return name

    def call(op, inputs, output, **attributes):
        nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def shifted(x, by, output):
        return call("BitwiseXor", [x, call("BitShift", [x, by], output + "_s", direction="RIGHT")], output)

    def mixed(x, name):
        x = call("Mul", [shifted(x, sixteen, name + "_a"), first], name + "_b")
        x = call("Mul", [shifted(x, fifteen, name + "_c"), second], name + "_d")
        return shifted(x, sixteen, name)

    def bits(x, width, kind, name):
        """[n] of `width` bits -> the first `count` of n * width booleans."""
        places = constant(name + "_places", np.arange(width).reshape(1, width), kind)
        column = call("Unsqueeze", [x, ones_axis], name + "_column")
        spread = call("BitShift", [column, places], name + "_spread", direction="RIGHT")
        one = call("BitwiseAnd", [spread, constant(name + "_one", 1, kind)], name + "_bit")
        flat = call("Reshape", [one, any_axis], name + "_flat")
        return call("Cast", [call("Slice", [flat, zero_axis, count], name + "_own")], name, to=TensorProto.BOOL)

    sixteen, fifteen = constant("sixteen", 16, np.uint32), constant("fifteen", 15, np.uint32)
    first, second = constant("first", 0x7FEB352D, np.uint32), constant("second", 0x846CA68B, np.uint32)
    golden = constant("golden", GOLDEN, np.uint32)
    any_axis, zero_axis = constant("any_axis", [-1], np.int64), constant("zero_axis", [0], np.int64)
    ones_axis = constant("ones_axis", [1], np.int64)
    zero, one, more, width = (constant(n, v, np.int64) for n, v in (("z", 0), ("o", 1), ("more", 31), ("width", 32)))
    count = call("ReduceProd", ["shape"], "count", keepdims=1)
    total = call("Squeeze", [count], "total")
    length = call("Div", [call("Add", [total, more], "rounded"), width], "length")
    j = call("Cast", [call("Range", [zero, length, one], "range")], "j", to=TensorProto.UINT32)
    seeds = [call("Gather", ["seed", constant(f"at{i}", i, np.int64)], f"seed{i}") for i in (0, 1)]
    low = mixed(call("BitwiseXor", [seeds[0], golden], "keyed"), "low")
    high = mixed(call("Add", [call("Add", [seeds[1], low], "both"), golden], "keyed_both"), "high")
    word = mixed(call("BitwiseXor", [mixed(call("Add", [j, low], "j_low"), "m"), high], "m_high"), "word")
    minus, kept = bits(word, 32, np.uint32, "minus"), bits("mask", 8, np.uint8, "kept")
    signed = call("Where", [minus, call("Neg", ["scale"], "negative"), "scale"], "signed")
    flat = call("Where", [kept, signed, constant("nothing", 0, np.float32)], "flat")
    call("Reshape", [flat, "shape"], "weight")
    return helper.make_function(DOMAIN, NAME, ["mask", "seed", "scale", "shape"], ["weight"], nodes,
                                [helper.make_opsetid("", OPSET)])


def ticket(name, kept, seed, scale):
    """The node and the initializers of a weight called `name` with the shape of the mask `kept`."""
    data = {"mask": pack(kept), "seed": np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32),
            "scale": np.float32(scale), "shape": np.array(np.shape(kept), np.int64)}
    initializers = [numpy_helper.from_array(np.asarray(value), f"{name}.{part}") for part, value in data.items()]
    node = helper.make_node(NAME, [f"{name}.{part}" for part in data], [name], name=name, domain=DOMAIN)
    return node, initializers


def sample(seed=7, inputs=256, outputs=96, share=0.3):
    """y = Relu(x W1) W2, both weights tickets."""
    nodes, initializers = [], []
    random = np.random.default_rng(1)
    for i, (rows, columns) in enumerate(((inputs, outputs), (outputs, 10))):
        node, own = ticket(f"w{i}", random.random((rows, columns)) < share, tensor_seed(seed, i), (2 / rows) ** 0.5)
        nodes.append(node)
        initializers += own
    nodes += [helper.make_node("MatMul", ["x", "w0"], ["h"]), helper.make_node("Relu", ["h"], ["r"]),
              helper.make_node("MatMul", ["r", "w1"], ["y"])]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "ticket", [value("x", TensorProto.FLOAT, ["n", inputs])],
                              [value("y", TensorProto.FLOAT, ["n", 10]), value("w0", TensorProto.FLOAT, [inputs, outputs])],
                              initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)],
                             functions=[function()], ir_version=8)


def main():
    if sys.argv[1:] == ["vectors"]:
        for seed in (0, 1, 0x0123456789ABCDEF):
            print(f"seed {seed:#018x}: " + " ".join(f"{w:08x}" for w in words(seed, 0, 4)))
        print("tensor seeds of network 7: " + " ".join(f"{tensor_seed(7, i):#018x}" for i in range(3)))
    elif len(sys.argv) == 3 and sys.argv[1] == "sample":
        onnx.save(sample(), sys.argv[2])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
