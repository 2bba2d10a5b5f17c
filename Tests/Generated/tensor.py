#!/usr/bin/env python3
"""Generated cases of arithmetic, movement, reductions, quantization and control flow.

    tensor.py DIR [--seed N] [--scale N]
    swiftlet test DIR
"""
import argparse

import numpy as np
from onnx import TensorProto, helper

from cases import Writer

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--scale", type=int, default=1, help="how many times as many cases")
options = parser.parse_args()
rng = np.random.default_rng(options.seed)
w = Writer(options.folder)

FLOATS = [np.float32, np.float64, np.float16]
INTS = [np.int32, np.int64, np.int8, np.uint8, np.int16, np.uint16, np.uint32, np.uint64]


def pick(items):
    return items[rng.integers(len(items))]


def shape(low=0, high=5, zero=0.05):
    s = [int(rng.integers(1, 6)) for _ in range(rng.integers(low, high))]
    if s and rng.random() < zero:
        s[rng.integers(len(s))] = 0
    return tuple(s)


def data(s, dtype=np.float32, positive=False):
    if dtype == bool:
        return rng.random(s) < 0.5
    if dtype == object:
        return np.array([pick(["a", "b", "xyz", "", "é"]) for _ in range(int(np.prod(s)))], object).reshape(s)
    if np.dtype(dtype).kind == "f":
        return (rng.random(s) * 3 + 0.1 if positive else rng.standard_normal(s) * 3).astype(dtype)
    low = 0 if np.dtype(dtype).kind == "u" else -7
    return rng.integers(1 if positive else low, 9, s).astype(dtype)


def broadcastable():
    """Two or three shapes that broadcast."""
    full = shape(0, 5)
    def part():
        s = [1 if rng.random() < 0.3 else d for d in full]
        return tuple(s[rng.integers(0, len(s) + 1):]) if rng.random() < 0.4 else tuple(s)
    return full, part(), part()


def i64(*v):
    return np.array(v, np.int64)


def constants(n):
    return [i for i in range(1, n) if rng.random() < 0.6]


def axes_of(s, some=True):
    if not s:
        return []
    n = int(rng.integers(1, len(s) + 1)) if some else 1
    axes = rng.permutation(len(s))[:n]
    return [int(a) - len(s) if rng.random() < 0.4 else int(a) for a in axes]


def arithmetic():
    a, b, c = broadcastable()
    op = pick(["Add", "Sub", "Mul", "Div", "Pow", "Mod", "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"])
    dtype = pick(FLOATS + INTS)
    x, y = data(pick([a, b]), dtype), data(c, dtype)
    if op in ("Div", "Mod") and np.dtype(dtype).kind != "f":
        y = data(c, dtype, positive=True)
    if op == "Pow":
        dtype = pick([np.float32, np.float64, np.int32, np.int64])
        x, y = data(a, dtype, positive=True), data(c, pick([np.float32, np.int32, np.int64, dtype]), positive=True)
    kw = {"fmod": 1} if op == "Mod" and (np.dtype(dtype).kind == "f" or rng.random() < 0.5) else {}
    w.node(op, op, [x, y], opset=pick([13, 14, 17, 21]), constants=constants(2), dynamic=rng.random() < 0.5, **kw)


def logic():
    a, b, c = broadcastable()
    op = pick(["And", "Or", "Xor", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitShift", "Where", "Min", "Max", "Sum", "Mean"])
    kw = {}
    if op in ("And", "Or", "Xor"):
        x = [data(a, bool), data(b, bool)]
    elif op == "Where":
        dtype = pick(FLOATS + INTS + [bool, object])
        x = [data(a, bool), data(b, dtype), data(c, dtype)]
    elif op in ("Min", "Max", "Sum", "Mean"):
        dtype = pick([np.float32, np.float64] + ([np.int32, np.int64, np.float16] if op in ("Min", "Max") else []))
        x = [data(s, dtype) for s in (b, a, c)[: rng.integers(1, 4)]]
        if rng.random() < 0.2 and x[0].size and dtype in FLOATS:
            x[0].flat[0] = np.nan
    else:
        dtype = pick([np.uint8, np.uint16, np.uint32, np.uint64] + ([np.int32, np.int64] if op != "BitShift" else []))
        x = [data(a, dtype), data(b, dtype)]
        if op == "BitShift":
            kw["direction"] = pick(["LEFT", "RIGHT"])
    w.node(op, op, x, opset=18, constants=constants(len(x)), dynamic=rng.random() < 0.5, **kw)


UNARY = """Abs Neg Ceil Floor Round Sqrt Reciprocal Exp Log Erf Sign Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh
Tanh Sigmoid Relu Softplus Softsign HardSwish Mish LeakyRelu Elu Celu Selu ThresholdedRelu HardSigmoid Shrink Gelu IsNaN
IsInf Clip Identity""".split()


def unary():
    op = pick(UNARY)
    dtype = pick(FLOATS if op not in ("Abs", "Neg", "Sign", "Clip", "Identity") else FLOATS + [np.int32, np.int64, np.int8])
    x = data(shape(), dtype)
    if op in ("Asin", "Acos", "Atanh"):
        x = np.clip(x / 4, -0.99, 0.99).astype(dtype)
    if op in ("Sqrt", "Log", "Acosh"):
        x = (np.abs(x) + 1).astype(dtype)
    if op in ("IsNaN", "IsInf") and x.size:
        x.flat[0] = pick([np.nan, np.inf, -np.inf])
    kw = {}
    if op in ("LeakyRelu", "Elu", "Celu", "ThresholdedRelu") and rng.random() < 0.7:
        kw["alpha"] = float(rng.random() + 0.1)
    if op == "Shrink":
        kw = {"bias": 0.3, "lambd": 1.1}
    if op == "Gelu":
        kw["approximate"] = pick(["none", "tanh"])
    if op == "IsInf" and rng.random() < 0.5:
        kw["detect_negative"] = 0
    inputs = [x]
    if op == "Clip":
        inputs += [None if rng.random() < 0.3 else np.array(-1, dtype), np.array(2, dtype)]
    w.node(op, op, inputs, opset=20, constants=constants(len(inputs)), dynamic=rng.random() < 0.5, **kw)


def cast():
    types = FLOATS + INTS + [bool]
    a, b = pick(types), pick(types)
    x = data(shape(), a)
    if np.dtype(a).kind == "f" and np.dtype(b).kind == "u":
        x = np.abs(x).astype(a)
    w.node("Cast", "Cast", [x], to=int(helper.np_dtype_to_tensor_dtype(np.dtype(b))), opset=pick([13, 19, 21]))


def reduce():
    op = "Reduce" + pick(["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"])
    dtype = pick([np.float32, np.float64, np.float32, np.float16, np.int32, np.int64])
    if op in ("ReduceLogSum", "ReduceLogSumExp", "ReduceMean", "ReduceL2"):
        dtype = pick([np.float32, np.float64])
    s = shape(0, 6)
    x = data(s, dtype, positive=op == "ReduceLogSum")
    axes = axes_of(s)
    keep = int(rng.integers(2))
    mode = rng.integers(3)
    if mode == 0:
        w.node(op, op, [x], opset=11 if op == "ReduceSum" else pick([11, 13]), axes=axes or None, keepdims=keep)
    else:
        given = np.array(axes, np.int64) if rng.random() < 0.7 else None
        kw = {"noop_with_empty_axes": 1} if given is None and rng.random() < 0.3 else {}
        w.node(op, op, [x, given], opset=18, keepdims=keep, constants=constants(2), dynamic=rng.random() < 0.5, **kw)


def extremes():
    s = shape(1, 5, zero=0)
    op = pick(["ArgMax", "ArgMin", "TopK", "CumSum"])
    axis = axes_of(s, some=False)[0]
    dtype = pick([np.float32, np.float64, np.int32, np.int64])
    x = np.round(data(s, dtype)).astype(dtype)
    if op == "TopK":
        k = int(rng.integers(0, s[axis] + 1))
        w.node(op, op, [x, i64(k)], outputs=2, axis=axis, largest=int(rng.integers(2)), constants=constants(2))
    elif op == "CumSum":
        w.node(op, op, [x, np.array(axis, pick([np.int32, np.int64]))], exclusive=int(rng.integers(2)),
               reverse=int(rng.integers(2)), constants=constants(2))
    else:
        w.node(op, op, [x], axis=axis, keepdims=int(rng.integers(2)), select_last_index=int(rng.integers(2)))


def reshape():
    s = shape(0, 5)
    x = data(s, pick([np.float32, np.int64, np.float16, bool, object]))
    op = pick(["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Shape", "Size", "Transpose", "Expand", "Tile"])
    kw, more = {}, []
    if op == "Reshape":
        target = list(rng.permutation(s))
        if target and rng.random() < 0.6 and x.size:
            target[rng.integers(len(target))] = -1
        more = [i64(*target)] if target else [np.zeros(0, np.int64)]
    elif op == "Flatten":
        kw["axis"] = int(rng.integers(-len(s), len(s) + 1))
    elif op == "Squeeze":
        s = tuple(1 if rng.random() < 0.5 else d for d in s)
        x = data(s, x.dtype.type if x.dtype != object else object)
        ones = [i - (len(s) if rng.random() < 0.4 else 0) for i, d in enumerate(s) if d == 1]
        more = [i64(*ones)] if ones and rng.random() < 0.7 else []
    elif op == "Unsqueeze":
        n = int(rng.integers(1, 3))
        more = [np.array(rng.permutation(len(s) + n)[:n] - (len(s) + n if rng.random() < 0.4 else 0), np.int64)]
    elif op == "Shape" and rng.random() < 0.7:
        kw = {"start": int(rng.integers(-5, 5)), "end": int(rng.integers(-5, 5))}
    elif op == "Transpose" and s and rng.random() < 0.8:
        kw["perm"] = [int(p) for p in rng.permutation(len(s))]
    elif op == "Expand":
        s = tuple(1 if rng.random() < 0.4 else d for d in s)
        x = data(s, x.dtype.type if x.dtype != object else object)
        target = [int(rng.integers(1, 4)) if d == 1 else pick([1, d]) for d in s]
        more = [i64(*([2] * int(rng.integers(2)) + target))]
    elif op == "Tile":
        more = [i64(*[int(rng.integers(0 if rng.random() < 0.1 else 1, 4)) for _ in s])]
    w.node(op, op, [x] + more, opset=pick([15, 17, 21]), constants=constants(1 + len(more)), dynamic=rng.random() < 0.5, **kw)


def concat():
    s = shape(1, 5)
    dtype = pick([np.float32, np.int64, np.float16, object])
    axis = axes_of(s, some=False)[0]
    if rng.random() < 0.5:
        parts = []
        for _ in range(rng.integers(1, 4)):
            t = list(s)
            t[axis] = int(rng.integers(0, 4))
            parts.append(data(tuple(t), dtype))
        w.node("Concat", "Concat", parts, axis=axis, constants=constants(len(parts)), dynamic=rng.random() < 0.5)
        return
    n = int(rng.integers(1, 4))
    t = list(s)
    if rng.random() < 0.5:
        cuts = [int(rng.integers(0, 4)) for _ in range(n)]
        t[axis] = sum(cuts)
        w.node("Split", "Split", [data(tuple(t), dtype), i64(*cuts)], outputs=n, axis=axis, opset=pick([13, 18]),
               constants=constants(2))
    else:
        t[axis] = int(rng.integers(n, 3 * n))
        w.node("Split", "Split", [data(tuple(t), dtype)], outputs=n, axis=axis, num_outputs=n, opset=18)


def slice_():
    s = shape(1, 5)
    x = data(s, pick([np.float32, np.int64, np.float16, object]))
    axes = axes_of(s)
    big = 2**63 - 1
    starts = [int(rng.integers(-7, 7)) for _ in axes]
    ends = [pick([int(rng.integers(-7, 7)), big, -big]) for _ in axes]
    steps = [pick([1, 1, 2, 3, -1, -2]) for _ in axes]
    mode = rng.integers(3)
    if mode == 0:
        w.node("Slice", "Slice", [x], opset=9, starts=starts, ends=[max(min(e, 2**31), -(2**31)) for e in ends], axes=[a % len(s) for a in axes])
    else:
        index = pick([np.int64, np.int64, np.int32])
        clip = lambda v: np.clip(np.array(v, object), np.iinfo(index).min + 1, np.iinfo(index).max).astype(index)
        inputs = [x, clip(starts), clip(ends), clip(axes), clip(steps)]
        w.node("Slice", "Slice", inputs, opset=13, constants=constants(5), dynamic=rng.random() < 0.5)


def pad():
    s = shape(1, 5, zero=0)
    x = data(s, pick([np.float32, np.float64, np.int32, np.int64]))
    mode = pick(["constant", "edge", "reflect", "wrap"])
    limit = (lambda d: d - 1) if mode == "reflect" else (lambda d: d if mode == "wrap" else 3)
    axes = axes_of(s)
    if mode == "constant":
        pads = [int(rng.integers(-(s[a] // 2), 4)) for a in axes] + [int(rng.integers(-(s[a] // 2), 4)) for a in axes]
    else:
        pads = [int(rng.integers(0, limit(s[a]) + 1)) for a in axes + axes]
    value = np.array(3, x.dtype) if mode == "constant" and rng.random() < 0.6 else None
    if rng.random() < 0.3:
        full = [0] * (2 * len(s))
        for i, a in enumerate(axes):
            full[a % len(s)], full[a % len(s) + len(s)] = pads[i], pads[i + len(axes)]
        w.node("Pad", "Pad", [x, i64(*full), value], opset=pick([11, 13]) if mode != "wrap" else 19, mode=mode, constants=constants(3))
    else:
        w.node("Pad", "Pad", [x, i64(*pads), value, np.array(axes, np.int64)], opset=19, mode=mode, constants=constants(4),
               dynamic=rng.random() < 0.5)


def gather():
    s = shape(1, 5, zero=0)
    dtype = pick([np.float32, np.int64, np.float16, object, bool])
    x = data(s, dtype)
    axis = axes_of(s, some=False)[0]
    index = pick([np.int32, np.int64])
    op = pick(["Gather", "GatherElements", "GatherND", "ScatterElements", "ScatterND", "OneHot", "Compress", "ReverseSequence"])
    def indices(t, n):
        return rng.integers(-n, n, t).astype(index)
    if op == "Gather":
        w.node(op, op, [x, indices(shape(0, 3), s[axis])], axis=axis, constants=constants(2), dynamic=rng.random() < 0.5)
    elif op in ("GatherElements", "ScatterElements"):
        t = tuple(int(rng.integers(1, d + 1)) for d in s)
        if op == "GatherElements":
            w.node(op, op, [x, indices(t, s[axis])], axis=axis, constants=constants(2))
        else:
            reduction = pick(["none", "add", "mul", "max", "min"])
            dtype = pick([np.float32, np.int64, np.int32])
            at = indices(t, s[axis])
            if reduction == "none":
                n = min(t[axis], s[axis])
                at = np.broadcast_to(np.arange(t[axis]).reshape([-1 if k == axis % len(s) else 1 for k in range(len(s))]), t).astype(index)
            w.node(op, op, [data(s, dtype), at, data(t, dtype)], axis=axis, reduction=reduction, opset=18, constants=constants(3))
    elif op in ("GatherND", "ScatterND"):
        batch = int(rng.integers(0, len(s))) if op == "GatherND" else 0
        depth = int(rng.integers(1, len(s) - batch + 1))
        t = s[:batch] + shape(0, 3, zero=0)
        at = np.stack([rng.integers(-s[batch + k], s[batch + k], t) for k in range(depth)], -1).astype(np.int64)
        if op == "GatherND":
            w.node(op, op, [x, at], batch_dims=batch, opset=13, constants=constants(2), dynamic=rng.random() < 0.5)
        else:
            reduction = pick(["add", "mul", "max", "min"])
            dtype = pick([np.float32, np.int64])
            w.node(op, op, [data(s, dtype), at, data(at.shape[:-1] + s[depth:], dtype)], reduction=reduction, opset=18)
    elif op == "OneHot":
        depth = int(rng.integers(1, 6))
        t = shape(0, 4)
        w.node(op, op, [rng.integers(-depth, depth, t).astype(np.int64), np.array(depth, np.int64), np.array([2, 5], pick([np.float32, np.int64]))],
               axis=int(rng.integers(-len(t) - 1, len(t) + 1)), opset=11, constants=constants(3))
    elif op == "Compress":
        if rng.random() < 0.5:
            w.node(op, op, [x, data((int(rng.integers(1, s[axis] + 1)),), bool)], axis=axis, opset=11)
        else:
            w.node(op, op, [x, data((int(rng.integers(1, x.size + 1)),), bool)], opset=11)
    elif len(s) >= 2:
        time = int(rng.integers(2))
        w.node(op, op, [x, rng.integers(1, s[time] + 1, s[1 - time]).astype(np.int64)], time_axis=time, batch_axis=1 - time, opset=10)


def other():
    op = pick(["Range", "ConstantOfShape", "NonZero", "Trilu", "EyeLike", "DepthToSpace", "SpaceToDepth", "Unique", "PRelu"])
    if op == "Range":
        dtype = pick([np.float32, np.int64, np.int32, np.float64])
        w.node(op, op, [np.array(v, dtype) for v in (rng.integers(-5, 5), rng.integers(-9, 9), pick([1, 2, -1, 3]))], opset=11, constants=constants(3))
    elif op == "ConstantOfShape":
        value = helper.make_tensor("", *pick([(TensorProto.FLOAT, [1], [2.5]), (TensorProto.INT64, [1], [7]), (TensorProto.BOOL, [1], [1])]))
        w.node(op, op, [i64(*shape(0, 4)) if rng.random() < 0.9 else np.zeros(0, np.int64)], opset=9, value=value)
    elif op == "NonZero":
        w.node(op, op, [data(shape(1, 4), pick([np.float32, np.int64, bool]))], opset=13)
    elif op == "Trilu":
        x = data(shape(0, 3, zero=0) + (int(rng.integers(1, 6)), int(rng.integers(1, 6))), pick([np.float32, np.int64]))
        w.node(op, op, [x, np.array(rng.integers(-6, 7), np.int64)], upper=int(rng.integers(2)), opset=14, constants=constants(2))
    elif op == "EyeLike":
        w.node(op, op, [data((int(rng.integers(1, 6)), int(rng.integers(1, 6))))], k=int(rng.integers(-4, 5)), dtype=pick([1, 7, 11]), opset=9)
    elif op == "DepthToSpace":
        w.node(op, op, [data((2, 12, 2, 3))], blocksize=2, mode=pick(["DCR", "CRD"]), opset=13)
    elif op == "SpaceToDepth":
        w.node(op, op, [data((2, 3, 4, 6))], blocksize=2, opset=13)
    elif op == "PRelu":
        s = shape(1, 5)
        w.node(op, op, [data(s), data(tuple(pick([1, d]) for d in s[rng.integers(len(s)):]))], opset=16, constants=constants(2))
    else:
        s = shape(1, 4, zero=0)
        x = np.round(data(s, pick([np.float32, np.int64]))) % 3
        kw = {"axis": axes_of(s, some=False)[0]} if rng.random() < 0.6 else {}
        w.node(op, op, [x], outputs=4, opset=11, sorted=int(rng.integers(2)), **kw)


def quantize():
    s = shape(1, 5, zero=0)
    axis = axes_of(s, some=False)[0]
    qtype = pick([np.uint8, np.int8, np.uint16, np.int16])
    mode = rng.integers(3)
    if mode == 0:
        t = ()
    elif mode == 1:
        t = (s[axis],)
    else:
        block = int(rng.integers(1, s[axis] + 1))
        t = tuple(-(-d // block) if k == axis % len(s) else d for k, d in enumerate(s))
    scale = (rng.random(t) + 0.05).astype(np.float32)
    info = np.iinfo(qtype)
    zero = None if rng.random() < 0.3 and qtype == np.uint8 else rng.integers(0 if info.min == 0 else -5, 6, t).astype(qtype)
    kw = {"axis": axis} if mode else {}
    if mode == 2:
        kw["block_size"] = block
    opset = 21 if mode == 2 or qtype in (np.uint16, np.int16) else pick([13, 19, 21])
    if rng.random() < 0.5:
        w.node("QuantizeLinear", "QuantizeLinear", [data(s) * 20, np.asarray(scale), zero], opset=opset, constants=constants(3), **kw)
    else:
        x = rng.integers(info.min, info.max, s).astype(qtype)
        w.node("DequantizeLinear", "DequantizeLinear", [x, np.asarray(scale), zero], opset=opset, constants=constants(3), **kw)


def loop():
    """A loop that sums, collects, and stops early when its condition says so."""
    n, limit = int(rng.integers(0, 6)), int(rng.integers(0, 12))
    f = TensorProto.FLOAT
    body = helper.make_graph(
        [
            helper.make_node("Add", ["s", "outer"], ["s2"]),
            helper.make_node("ReduceSum", ["s2"], ["t"], keepdims=0),
            helper.make_node("Less", ["t", "limit"], ["c2"]),
            helper.make_node("Identity", ["s2"], ["scan"]),
        ], "body",
        [helper.make_tensor_value_info("i", 7, []), helper.make_tensor_value_info("c", 9, []), helper.make_tensor_value_info("s", f, [2])],
        [helper.make_tensor_value_info("c2", 9, []), helper.make_tensor_value_info("s2", f, [2]), helper.make_tensor_value_info("scan", f, [2])],
        [helper.make_tensor("limit", f, [], [float(limit)])])
    graph = helper.make_graph(
        [helper.make_node("Loop", ["m", "cond", "x"], ["y", "z"], body=body)], "case",
        [helper.make_tensor_value_info("m", 7, []), helper.make_tensor_value_info("cond", 9, []),
         helper.make_tensor_value_info("x", f, [2]), helper.make_tensor_value_info("outer", f, [2])],
        [helper.make_tensor_value_info("y", f, None), helper.make_tensor_value_info("z", f, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    w.model("Loop", model, [np.array(n, np.int64), np.array(rng.random() < 0.9), data((2,)), data((2,), positive=True)])


FAMILIES = [(arithmetic, 200), (logic, 120), (unary, 200), (cast, 80), (reduce, 200), (extremes, 100), (reshape, 220),
            (concat, 100), (slice_, 150), (pad, 120), (gather, 220), (other, 150), (quantize, 120), (loop, 20)]
for family, count in FAMILIES:
    for _ in range(count * options.scale):
        family()
print(f"{w.count} cases; left out: {len(w.dropped)} on which the references differ, {len(w.failed)} that none of them runs")
