"""Strong tickets as docs/ticket-format.md has them: generators, masks, and the ONNX form. Needs numpy and onnx.

    python3 tools/tickets/ticket.py vectors                 prints the test vectors of docs/ticket-format.md
    python3 tools/tickets/ticket.py sample OUT.onnx [KIND]   writes a small model with tickets of a kind in it: Signed
                                                            (the default), Coated, Ternary or Uniform
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from functions import DOMAIN, OPSET, functions

GOLDEN = 0x9E3779B9
FACTORS = (0xDA12F9AB, 0x875A1C87, 0xF272A923, 0xBBD017E7, 0xB4FB3971, 0x3D99AB15, 0x2E24E747, 0x03E8E4F1)


def mix(x):
    """A bijection of 32-bit words (Chris Wellons, hash prospector, "lowbias32")."""
    x = np.asarray(x, np.uint32)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def blocks(seed, count):
    """The first `count` blocks of a seed of 64 bits: uint32 [count, 8]."""
    with np.errstate(over="ignore"):
        low = mix(np.uint32(seed & 0xFFFFFFFF) ^ np.uint32(GOLDEN))
        high = mix(np.uint32(seed >> 32) + low + np.uint32(GOLDEN))
        key = mix(mix(np.arange(count, dtype=np.uint64).astype(np.uint32) + low) ^ high)
        product = key[:, None] * np.array(FACTORS, np.uint32)
        return product ^ (product >> np.uint32(16))


def tensor_seed(seed, index):
    """The seed of tensor `index` of a network."""
    low, high = blocks(seed, index + 1)[index, :2]
    return int(low) | int(high) << 32


def matrix(shape):
    """The rows and columns of a shape."""
    rows = int(shape[0]) if len(shape) > 1 else 1
    return rows, int(np.prod(shape, dtype=np.int64)) // max(rows, 1)


def signs(seed, shape):
    """True where the element is minus."""
    rows, columns = matrix(shape)
    each = -(-columns // 256)
    bits = np.unpackbits(blocks(seed, rows * each).astype("<u4").view(np.uint8), bitorder="little")
    channels = int(shape[1]) if len(shape) > 1 else 1
    own = bits.reshape(rows, each * 256)[:, :columns].reshape(rows, columns // max(channels, 1), channels)
    return own.swapaxes(1, 2).reshape(shape).astype(bool)


def philox(seed, count):
    """`count` words of Philox4x32-10 (Salmon et al., 2011) with the key `seed` from the counter 0 on."""
    counter = np.arange(-(-count // 4), dtype=np.uint64)
    mask = np.uint64(0xFFFFFFFF)
    a, b, c, d = counter & mask, counter >> np.uint64(32), counter * np.uint64(0), counter * np.uint64(0)
    keys = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p, q = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, b = q >> np.uint64(32) ^ b ^ np.uint64(keys[0]), q & mask
        c, d = p >> np.uint64(32) ^ d ^ np.uint64(keys[1]), p & mask
        keys = [(keys[0] + 0x9E3779B9) & 0xFFFFFFFF, (keys[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack([a, b, c, d], 1).ravel()[:count].astype(np.uint32)


def unpack(mask, shape):
    """The bits of a mask as booleans of a shape."""
    count = int(np.prod(shape, dtype=np.int64))
    mask = np.asarray(mask, np.uint8)
    if mask.shape != ((count + 7) // 8,):
        raise ValueError(f"a mask of the shape {mask.shape} for {count} elements")
    bits = np.unpackbits(mask, bitorder="little")
    if bits[count:].any():
        raise ValueError("spare bits of a mask are set")
    return bits[:count].astype(bool).reshape(shape)


def pack(kept):
    """Mask bytes of an array of booleans."""
    return np.packbits(np.asarray(kept, bool).ravel(), bitorder="little")


def expand(kind, bits, seed_or_signs, scale, shape):
    """The weight, float32. The arguments are the inputs of the function; a seed is a number or its two words."""
    shape = tuple(int(n) for n in shape)
    scale = np.asarray(scale, np.float32)
    if kind == "Ternary":
        minus = unpack(seed_or_signs, shape)
    else:
        seed = seed_or_signs if isinstance(seed_or_signs, int) else int(seed_or_signs[0]) | int(seed_or_signs[1]) << 32
    if kind == "Uniform":
        draw = (philox(seed, int(np.prod(shape, dtype=np.int64))) >> np.uint32(8)).astype(np.float32)
        draw = (draw * np.float32(2**-23) - np.float32(1)).reshape(shape)
        return np.where(unpack(bits, shape), draw * scale, np.float32(0))
    if kind == "Coated":
        code = sum(unpack(plane, shape).astype(np.int64) << p for p, plane in enumerate(bits))
        magnitude = scale[code]
    else:
        magnitude = np.where(unpack(bits, shape), scale, np.float32(0))
    if kind != "Ternary":
        minus = signs(seed, shape)
    return np.where(minus & (magnitude != 0), -magnitude, magnitude)


def node(kind, name, bits, seed_or_signs, scale, shape):
    """The call that makes a weight called `name`, and its initializers."""
    names = {"Signed": ("mask", "seed", "scale"), "Coated": ("planes", "seed", "magnitudes"),
             "Ternary": ("mask", "signs", "scale"), "Uniform": ("mask", "seed", "scale")}[kind] + ("shape",)
    if isinstance(seed_or_signs, int):
        seed_or_signs = np.array([seed_or_signs & 0xFFFFFFFF, seed_or_signs >> 32], np.uint32)
    values = (bits, seed_or_signs, np.asarray(scale, np.float32), np.array(shape, np.int64))
    initializers = [numpy_helper.from_array(np.asarray(value), f"{name}.{part}") for part, value in zip(names, values)]
    return helper.make_node(kind, [i.name for i in initializers], [name], name=name, domain=DOMAIN), initializers


def ticket(name, kept, seed, scale):
    """A Signed ticket with the shape of the mask `kept`: the node and the initializers of the weight called `name`."""
    return node("Signed", name, pack(kept), seed, scale, np.shape(kept))


def model(graph):
    """The graph as a model that has the functions of this format."""
    used = {n.op_type for n in graph.node if n.domain == DOMAIN}
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)],
                             functions=[f for f in functions() if f.name in used], ir_version=8)


def sample(kind="Signed", seed=7, inputs=256, outputs=96, share=0.3):
    """y = Relu(x W0) W1', both weights tickets."""
    random = np.random.default_rng(1)
    nodes, initializers = [], []
    for i, shape in enumerate(((inputs, outputs), (10, outputs))):
        scale, own = (2 / shape[i]) ** 0.5, tensor_seed(seed, i)
        bits = pack(random.random(shape) < share)
        if kind == "Coated":
            bits, scale = np.stack([bits, bits & pack(random.random(shape) < 0.5)]), [0, scale, 0, 3 * scale]
        if kind == "Ternary":
            own = bits & pack(random.random(shape) < 0.5)
        made, values = node(kind, f"w{i}", bits, own, scale, shape)
        nodes.append(made)
        initializers += values
    nodes += [helper.make_node("MatMul", ["x", "w0"], ["h"]), helper.make_node("Relu", ["h"], ["r"]),
              helper.make_node("Gemm", ["r", "w1"], ["y"], transB=1)]
    value = helper.make_tensor_value_info
    return model(helper.make_graph(
        nodes, "ticket", [value("x", TensorProto.FLOAT, ["n", inputs])],
        [value("y", TensorProto.FLOAT, ["n", 10]), value("w0", TensorProto.FLOAT, [inputs, outputs])], initializers))


def main():
    if sys.argv[1:] == ["vectors"]:
        for seed in (0, 1, 0x0123456789ABCDEF):
            print(f"seed {seed:#018x}: " + " ".join(f"{w:08x}" for w in blocks(seed, 2).ravel()[[0, 1, 7, 8]]))
        print("tensor seeds of network 7: " + " ".join(f"{tensor_seed(7, i):#018x}" for i in range(3)))
        print("Philox, key 0: " + " ".join(f"{w:08x}" for w in philox(0, 4)))
    elif len(sys.argv) in (3, 4) and sys.argv[1] == "sample":
        onnx.save(sample(*sys.argv[3:]), sys.argv[2])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
