#!/usr/bin/env python3
"""Operators that memory bounds: bytes moved per second, beside memcpy and onnxruntime, one thread.

    Benchmarks/operators.py [NAME...] [--megabytes 16] [--rounds 5] [--seconds 0.3]

Each model is one operator on tensors of about --megabytes, of whose result one element leaves the model: results
stand in memory that a runtime has already. The runtimes take turns, each in a process of its own (bench.c); a figure
is the least time of all rounds. Bytes are those of inputs and results, each counted once, however an operator goes
about it; memcpy's are counted the same way. Ratios above 1 are faster than memcpy or onnxruntime.
"""
import argparse
import ctypes
import os
import pathlib
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

import compare

RNG = np.random.default_rng(1)
F, I, U, B, D, H = np.float32, np.int64, np.uint8, np.bool_, np.float64, np.float16


def floats(*shape, dtype=F):
    return RNG.standard_normal(shape, F).astype(dtype)


def ints(high, *shape, dtype=I):
    return RNG.integers(0, high, shape).astype(dtype)


def cases(n):
    """Name -> (operator, inputs, attributes, numbers of constant inputs); about n floats each, n a power of 4."""
    r = int(n**0.5)
    rows = floats(r, r)
    some = np.sort(RNG.permutation(r)[: r // 2])
    c = {
        "Add": ("Add", [rows, floats(r, r)], {}),
        "Add row": ("Add", [rows, floats(r)], {}),
        "Add column": ("Add", [rows, floats(r, 1)], {}),
        "Add int64": ("Add", [ints(9, r, r // 2), ints(9, r, r // 2)], {}),
        "Mul uint8": ("Mul", [ints(9, 2 * r, r, dtype=U), ints(9, 2 * r, r, dtype=U)], {}),
        "Div": ("Div", [rows, np.abs(floats(r, r)) + 1], {}),
        "Max": ("Max", [rows, floats(r, r)], {}),
        "Greater": ("Greater", [rows, floats(r, r)], {}),
        "And": ("And", [rows > 0, floats(r, r) > 0], {}),
        "Relu": ("Relu", [rows], {}),
        "Neg float16": ("Neg", [rows.astype(H)], {}),
        "Clip": ("Clip", [rows, np.array(-1, F), np.array(1, F)], {}),
        "Abs int8": ("Abs", [ints(99, 2 * r, 2 * r, dtype=np.int8)], {}),
        "Not": ("Not", [rows > 0], {}),
        "Where": ("Where", [rows > 0, rows, floats(r, r)], {}),
        "Where scalar": ("Where", [rows > 0, rows, np.array(0, F)], {}),
        "Cast to double": ("Cast", [rows], {"to": 11}),
        "Cast to int64": ("Cast", [rows], {"to": 7}),
        "Cast to float16": ("Cast", [rows], {"to": 10}),
        "Cast uint8 to float": ("Cast", [ints(255, r, r, dtype=U)], {"to": 1}),
        "Cast to bool": ("Cast", [rows], {"to": 9}),
        "Transpose 10": ("Transpose", [rows], {"perm": [1, 0]}),
        "Transpose 10 uint8": ("Transpose", [ints(9, 2 * r, 2 * r, dtype=U)], {"perm": [1, 0]}),
        "Transpose 0231": ("Transpose", [floats(4, 64, r // 16, r // 16)], {"perm": [0, 2, 3, 1]}),
        "Transpose 0213": ("Transpose", [floats(r // 16, 16, 16, r // 16)], {"perm": [0, 2, 1, 3]}),
        "Concat 0": ("Concat", [floats(r // 2, r), floats(r // 2, r)], {"axis": 0}),
        "Concat 1": ("Concat", [floats(r, r // 2), floats(r, r // 2)], {"axis": 1}),
        "Split 1": ("Split", [rows], {"axis": 1, "num_outputs": 2}),
        "Slice rows": ("Slice", [rows, np.array([1]), np.array([r - 1]), np.array([0])], {}, [1, 2, 3]),
        "Slice columns": ("Slice", [rows, np.array([1]), np.array([r - 1]), np.array([1])], {}, [1, 2, 3]),
        "Slice step": ("Slice", [rows, np.array([0]), np.array([r]), np.array([1]), np.array([2])], {}, [1, 2, 3, 4]),
        "Slice reversed":
            ("Slice", [rows, np.array([-1]), np.array([-r - 1]), np.array([1]), np.array([-1])], {}, [1, 2, 3, 4]),
        "Pad constant": ("Pad", [rows, np.array([1, 1, 1, 1])], {"mode": "constant"}, [1]),
        "Pad reflect":
            ("Pad", [floats(1, 16, r // 4, r // 4), np.array([0, 0, 2, 2, 0, 0, 2, 2])], {"mode": "reflect"}, [1]),
        "Pad edge": ("Pad", [floats(1, 16, r // 4, r // 4), np.array([0, 0, 2, 2, 0, 0, 2, 2])], {"mode": "edge"}, [1]),
        "Expand rows": ("Expand", [floats(r), np.array([r, r])], {}, [1]),
        "Expand columns": ("Expand", [floats(r, 1), np.array([r, r])], {}, [1]),
        "Tile": ("Tile", [floats(r, r // 4), np.array([1, 4])], {}, [1]),
        "ConstantOfShape":
            ("ConstantOfShape", [np.array([r, r])], {"value": numpy_helper.from_array(np.array([2], F))}),
        "Range": ("Range", [np.array(0), np.array(n), np.array(1)], {}),
        "Gather rows": ("Gather", [rows, ints(r, r)], {"axis": 0}),
        "Gather columns": ("Gather", [rows, ints(r, r)], {"axis": 1}),
        "GatherElements": ("GatherElements", [rows, ints(r, r, r // 2)], {"axis": 1}),
        "GatherND": ("GatherND", [rows, ints(r, r, 1)], {}),
        "ScatterElements":
            ("ScatterElements", [rows, np.argsort(floats(r, r // 4), 1), floats(r, r // 4)], {"axis": 1}),
        "ScatterElements add":
            ("ScatterElements", [rows, ints(r, r, r // 4), floats(r, r // 4)], {"axis": 1, "reduction": "add"}),
        "ScatterND": ("ScatterND", [rows, some[:, None], floats(r // 2, r)], {}),
        "ScatterND add": ("ScatterND", [rows, some[:, None], floats(r // 2, r)], {"reduction": "add"}),
        "ReduceSum 1": ("ReduceSum", [rows, np.array([1])], {}, [1]),
        "ReduceSum 0": ("ReduceSum", [rows, np.array([0])], {}, [1]),
        "ReduceMean 23": ("ReduceMean", [floats(1, 16, r // 4, r // 4), np.array([2, 3])], {}, [1]),
        "ReduceMax all": ("ReduceMax", [rows], {}),
        "ReduceSum int64": ("ReduceSum", [ints(9, r, r // 2), np.array([1])], {}, [1]),
        "ReduceL2 1": ("ReduceL2", [rows, np.array([1])], {}, [1]),
        "ArgMax 1": ("ArgMax", [rows], {"axis": 1}),
        "ArgMax 0": ("ArgMax", [rows], {"axis": 0}),
        "CumSum 1": ("CumSum", [rows, np.array(1)], {}, [1]),
        "CumSum 0": ("CumSum", [rows, np.array(0)], {}, [1]),
        "TopK 8": ("TopK", [rows, np.array([8])], {"axis": 1}, [1]),
        "TopK all": ("TopK", [floats(r // 4, r), np.array([r])], {"axis": 1}, [1]),
        "Unique": ("Unique", [ints(999, n // 64)], {}),
        "OneHot": ("OneHot", [ints(r, r), np.array(r), np.array([0, 1], F)], {}, [1]),
        "NonZero": ("NonZero", [rows[: r // 4] > 0], {}),
        "Compress": ("Compress", [rows, ints(2, r, dtype=B)], {"axis": 0}),
        "Compress columns": ("Compress", [rows, ints(2, r, dtype=B)], {"axis": 1}),
        "DepthToSpace": ("DepthToSpace", [floats(1, 64, r // 8, r // 8)], {"blocksize": 2}),
        "SpaceToDepth": ("SpaceToDepth", [floats(1, 16, r // 4, r // 4)], {"blocksize": 2}),
        "Trilu": ("Trilu", [rows], {}),
        "EyeLike": ("EyeLike", [rows], {}),
        "ReverseSequence": ("ReverseSequence", [rows, ints(r, r) + 1], {"batch_axis": 0, "time_axis": 1}),
        "Resize nearest":
            ("Resize", [floats(1, 4, r // 4, r // 4), None, np.array([1, 1, 2, 2], F)], {"mode": "nearest"}, [2]),
        "Resize linear":
            ("Resize", [floats(1, 4, r // 4, r // 4), None, np.array([1, 1, 2, 2], F)], {"mode": "linear"}, [2]),
        "QuantizeLinear": ("QuantizeLinear", [rows, np.array(0.1, F), np.array(3, U)], {}, [1, 2]),
        "DequantizeLinear":
            ("DequantizeLinear", [ints(255, r, r, dtype=U), np.array(0.1, F), np.array(3, U)], {}, [1, 2]),
        "FastGelu": ("FastGelu", [rows, floats(r)], {}),
        "BiasGelu": ("BiasGelu", [rows, floats(r)], {}),
    }
    codes, scale = [ints(255, 2 * r, 2 * r, dtype=U) for _ in range(2)], [np.array(0.1, F), np.array(3, U)]
    for name in ("QLinearAdd", "QLinearMul"):
        c[name] = (name, [codes[0], *scale, codes[1], *scale, *scale], {}, [1, 2, 4, 5, 6, 7])
    c["QLinearSigmoid"] = ("QLinearSigmoid", [codes[0], *scale, *scale], {}, [1, 2, 3, 4])
    return {name: (*case, []) if len(case) == 3 else case for name, case in c.items()}


OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
CONTRIB = ("FastGelu", "BiasGelu", "QLinearAdd", "QLinearMul", "QLinearSigmoid")


def model(op, inputs, attributes, constants):
    """(model, fed inputs, bytes of inputs and results)"""
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    outputs = {"Split": 2, "TopK": 2}.get(op, 1)
    # Elements 0 of the results: what leaves the model is small.
    domain = "com.microsoft" if op in CONTRIB else ""
    nodes = [helper.make_node(op, names, [f"y{i}" for i in range(outputs)], domain=domain, **attributes)]
    for i in range(outputs):
        nodes.append(helper.make_node("Reshape", [f"y{i}", "flat"], [f"f{i}"]))
        nodes.append(helper.make_node("Slice", [f"f{i}", "zero", "one"], [f"z{i}"]))
    fed = {n: x for i, (n, x) in enumerate(zip(names, inputs)) if x is not None and i not in constants}
    known = [numpy_helper.from_array(inputs[i], names[i]) for i in constants]
    known += [numpy_helper.from_array(np.array([v], I), k) for k, v in (("flat", -1), ("zero", 0), ("one", 1))]
    info = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for n, x in fed.items()]
    graph = helper.make_graph(nodes, "g", info, [onnx.ValueInfoProto(name=f"z{i}") for i in range(outputs)], known)
    made = helper.make_model(graph, opset_imports=OPSETS, ir_version=10)
    single = helper.make_graph(nodes[:1], "g", info, [onnx.ValueInfoProto(name=f"y{i}") for i in range(outputs)], known)
    single = helper.make_model(single, opset_imports=made.opset_import, ir_version=10)
    results = onnxruntime.InferenceSession(single.SerializeToString()).run(None, fed)
    return made, fed, sum(x.nbytes for x in fed.values()) + sum(np.asarray(y).nbytes for y in results)


def memcpy(megabytes, seconds):
    """Bytes read and written per second."""
    size = megabytes << 20
    a, b = np.ones(size, U), np.ones(size, U)
    least, end = 1e9, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        ctypes.memmove(b.ctypes.data, a.ctypes.data, size)
        least = min(least, time.perf_counter() - start)
    return 2 * size / least


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these; a part of a name is enough")
    parser.add_argument("--megabytes", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--library", type=pathlib.Path, default=compare.ROOT / "build/libswiftlet.so")
    options = parser.parse_args()
    onnxruntime.set_default_logger_severity(3)
    libraries = {"swiftlet": options.library, "onnxruntime": compare.ort_library()}
    print(f"{'operator':20} {'MB':>6} {'GB/s':>7} {'/memcpy':>8} {'/ort':>7}")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        cpus = {max(os.sched_getaffinity(0))}
        bench = compare.Bench(compare.build_bench(folder), libraries, 1, cpus, options.seconds)
        for what, case in cases(1 << (options.megabytes.bit_length() + 17 & ~1)).items():
            if options.names and not any(n in what for n in options.names):
                continue
            made, fed, size = model(*case)
            path = folder / "model.onnx"
            onnx.save(made, path)
            inputs = []
            for n, x in fed.items():
                (folder / n).write_bytes(np.ascontiguousarray(x).tobytes())
                shape = "x".join(map(str, x.shape)) or "scalar"
                inputs += [n, str(compare.TYPES[str(x.dtype)]), shape, str(folder / n)]
            least, copied = {}, 0
            for _ in range(options.rounds):
                copied = max(copied, memcpy(max(size >> 21, 1), options.seconds / 3))
                for engine in libraries:
                    try:
                        took = bench.measure(engine, path, inputs)["least"]
                        least[engine] = min(least.get(engine, took), took)
                    except compare.Failure as failure:
                        least.setdefault(engine + " fails", str(failure))
            if "swiftlet" not in least:
                print(f"{what:20} {least}", flush=True)
                continue
            speed = size / least["swiftlet"] * 1e3
            beside = f"{least['onnxruntime'] / least['swiftlet']:6.2f}x" if "onnxruntime" in least else "      -"
            print(f"{what:20} {size / 1e6:6.1f} {speed / 1e9:7.2f} {speed / copied:7.2f}x {beside}", flush=True)


if __name__ == "__main__":
    main()
