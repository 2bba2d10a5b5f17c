"""The model-local functions of docs/ticket-format.md: standard operators that give the weights bit for bit."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

DOMAIN, OPSET = "swiftlet.tickets", 18


class Body:
    """The nodes of a function under construction; values are names."""

    def __init__(self):
        self.nodes, self.constants = [], {}

    def constant(self, value, kind=np.int64):
        key = (np.asarray(value, kind).tobytes(), np.shape(value), kind)
        if key not in self.constants:
            self.constants[key] = f"c{len(self.constants)}"
            tensor = numpy_helper.from_array(np.asarray(value, kind))
            self.nodes.append(helper.make_node("Constant", [], [self.constants[key]], value=tensor))
        return self.constants[key]

    def call(self, op, *inputs, output=None, **attributes):
        output = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def word(self, value):
        return self.constant(value, np.uint32)

    def right(self, x, by, kind=np.uint32):
        return self.call("BitShift", x, self.constant(by, kind), direction="RIGHT")

    def folded(self, x, by):
        """x ^ x >> by"""
        return self.call("BitwiseXor", x, self.right(x, by))

    def mix(self, x):
        x = self.call("Mul", self.folded(x, 16), self.word(0x7FEB352D))
        x = self.call("Mul", self.folded(x, 15), self.word(0x846CA68B))
        return self.folded(x, 16)

    def reshape(self, x, shape, **attributes):
        return self.call("Reshape", x, shape, allowzero=1, **attributes)

    def count(self):
        """Elements, int64 [1]."""
        return self.call("ReduceProd", self.call("Concat", self.constant([1]), "shape", axis=0))

    def bits(self, x, width, kind, shape):
        """x, words of `width` bits, as bits in the shape, an int64 vector."""
        column = self.call("Unsqueeze", x, self.constant([-1]))
        spread = self.call("BitShift", column, self.constant(np.arange(width), kind), direction="RIGHT")
        return self.reshape(self.call("BitwiseAnd", spread, self.constant(1, kind)), shape)

    def mask(self, name):
        """The mask as bool [count]."""
        all_bits = self.call("Mul", self.call("Shape", name), self.constant([8]))
        own = self.call("Slice", self.bits(name, 8, np.uint8, all_bits), self.constant([0]), self.count())
        return self.call("Cast", own, to=TensorProto.BOOL)

    def seeds(self):
        return [self.call("Gather", "seed", self.constant(i)) for i in (0, 1)]

    def signs(self, factors):
        """bool [count]: true is minus."""
        rank = self.call("Shape", "shape")
        most = self.call("Min", self.call("Sub", rank, self.constant([1])), self.constant([1]))
        outer = self.call("Slice", "shape", self.constant([0]), self.call("Max", most, self.constant([0])))
        rows = self.call("ReduceProd", self.call("Concat", self.constant([1]), outer, axis=0))
        columns = self.call("Div", self.count(), self.call("Max", rows, self.constant([1])))
        each = self.call("Div", self.call("Add", columns, self.constant([255])), self.constant([256]))
        total = self.call("Squeeze", self.call("Mul", rows, each))
        low, high = self.seeds()
        golden = self.word(0x9E3779B9)
        low = self.mix(self.call("BitwiseXor", low, golden))
        high = self.mix(self.call("Add", self.call("Add", high, low), golden))
        numbers = self.call("Range", self.constant(0), total, self.constant(1))
        numbers = self.call("Cast", numbers, to=TensorProto.UINT32)
        key = self.mix(self.call("BitwiseXor", self.mix(self.call("Add", numbers, low)), high))
        column = self.call("Unsqueeze", key, self.constant([1]))
        words = self.folded(self.call("Mul", column, self.constant(factors, np.uint32)), 16)
        padded = self.call("Concat", rows, self.call("Mul", each, self.constant([256])), axis=0)
        matrix = self.bits(words, 32, np.uint32, padded)
        own = self.call("Slice", matrix, self.constant([0]), columns, self.constant([1]))
        inner = self.call("Slice", "shape", self.constant([1]), self.constant([2]))
        channels = self.call("ReduceProd", self.call("Concat", self.constant([1]), inner, axis=0))
        taps = self.call("Div", columns, self.call("Max", channels, self.constant([1])))
        own = self.reshape(own, self.call("Concat", rows, taps, channels, axis=0))
        own = self.reshape(self.call("Transpose", own, perm=[0, 2, 1]), self.count())
        return self.call("Cast", own, to=TensorProto.BOOL)

    def signed(self, magnitude, minus):
        return self.call("Where", minus, self.call("Neg", magnitude), magnitude)

    def kept(self, mask, flat):
        """The weight: `flat` where the mask says so."""
        own = self.call("Where", mask, flat, self.constant(0, np.float32))
        self.reshape(own, "shape", output="weight")

    def function(self, name, *inputs):
        return helper.make_function(DOMAIN, name, list(inputs) + ["shape"], ["weight"], self.nodes,
                                    [helper.make_opsetid("", OPSET)])


def signed(factors):
    body = Body()
    body.kept(body.mask("mask"), body.signed("scale", body.signs(factors)))
    return body.function("Signed", "mask", "seed", "scale")


def coated(factors):
    body = Body()
    shape = body.call("Shape", "planes")
    bytes_ = body.call("Slice", shape, body.constant([1]), body.constant([2]))
    planes = body.call("Slice", shape, body.constant([0]), body.constant([1]))
    flat = body.call("Concat", planes, body.call("Mul", bytes_, body.constant([8])), axis=0)
    bits = body.bits("planes", 8, np.uint8, flat)
    own = body.call("Slice", bits, body.constant([0]), body.count(), body.constant([1]))
    places = body.call("Slice", body.constant([[1], [2], [4], [8]]), body.constant([0]), planes, body.constant([0]))
    weighted = body.call("Mul", body.call("Cast", own, to=TensorProto.INT64), places)
    code = body.call("ReduceSum", weighted, body.constant([0]), keepdims=0)
    magnitude = body.call("Gather", "magnitudes", code)
    is_kept = body.call("Not", body.call("Equal", magnitude, body.constant(0, np.float32)))
    body.kept(is_kept, body.signed(magnitude, body.signs(factors)))
    return body.function("Coated", "planes", "seed", "magnitudes")


def ternary():
    body = Body()
    body.kept(body.mask("mask"), body.signed("scale", body.mask("signs")))
    return body.function("Ternary", "mask", "signs", "scale")


def uniform():
    body = Body()
    wide = lambda x: body.call("Cast", x, to=TensorProto.UINT64)
    word = lambda x: body.call("Cast", x, to=TensorProto.UINT32)

    def product(x, factor):
        """The low and the high word of x * factor."""
        p = body.call("Mul", wide(x), body.constant(factor, np.uint64))
        low = body.call("BitwiseAnd", p, body.constant(0xFFFFFFFF, np.uint64))
        return word(low), word(body.right(p, 32, np.uint64))

    calls = body.call("Div", body.call("Add", body.count(), body.constant([3])), body.constant([4]))
    numbers = body.call("Range", body.constant(0), body.call("Squeeze", calls), body.constant(1))
    (a, b), keys = product(numbers, 1), body.seeds()
    c = d = body.call("BitwiseXor", a, a)
    for _ in range(10):
        (p_low, p_high), (q_low, q_high) = product(a, 0xD2511F53), product(c, 0xCD9E8D57)
        xor = lambda x, y, key: body.call("BitwiseXor", body.call("BitwiseXor", x, y), key)
        a, b, c, d = xor(q_high, b, keys[0]), q_low, xor(p_high, d, keys[1]), p_low
        keys = [body.call("Add", key, body.word(step)) for key, step in zip(keys, (0x9E3779B9, 0xBB67AE85))]
    columns = [body.call("Unsqueeze", x, body.constant([1])) for x in (a, b, c, d)]
    words = body.reshape(body.call("Concat", *columns, axis=1), body.call("Mul", calls, body.constant([4])))
    own = body.call("Slice", words, body.constant([0]), body.count())
    draw = body.call("Cast", body.right(own, 8), to=TensorProto.FLOAT)
    centred = body.call("Sub", body.call("Mul", draw, body.constant(2**-23, np.float32)), body.constant(1, np.float32))
    body.kept(body.mask("mask"), body.call("Mul", centred, "scale"))
    return body.function("Uniform", "mask", "seed", "scale")


def functions():
    """All of them."""
    from ticket import FACTORS
    return [signed(FACTORS), coated(FACTORS), ternary(), uniform()]
