#!/usr/bin/env python3
"""Operators of language models beside onnxruntime: products with weights of few bits, attention with a cache.

    Benchmarks/language.py [NAME...] [--threads 1] [--rounds 5] [--seconds 0.3]

Each model is one operator. Decoding means one new row behind a past of so many rows, in heads of 128 (of 64 for
MultiHeadAttention and com.microsoft's Attention); the present is a new tensor. The runtimes take turns, each in a
process of its own (bench.c); a figure is the least time of all rounds. GB/s count weights or cache once. Ratios above 1
are faster than onnxruntime. SWIFTLET_CPU selects our kernels' level.
"""
import argparse
import os
import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

import compare

RNG = np.random.default_rng(1)
MICROSOFT = "com.microsoft"


def floats(*shape):
    return RNG.standard_normal(shape, np.float32)


def ints(*values):
    return np.array(values, np.int32)


def product(rows, bits, accuracy, n=2048, k=2048, block=32):
    """MatMulNBits: (domain, operator, inputs, constants, outputs, attributes, bytes that count)"""
    b = RNG.integers(0, 256, (n, k // block, block * bits // 8)).astype(np.uint8)
    scales = floats(n * k // block) / 50
    return (MICROSOFT, "MatMulNBits", {"A": floats(rows, k), "B": b, "scales": scales}, ["B", "scales"], ["Y"],
            {"K": k, "N": n, "bits": bits, "block_size": block, "accuracy_level": accuracy}, b.nbytes + scales.nbytes)


def grouped(rows, past, heads=32, kv=8, size=128):
    """GroupQueryAttention of one sequence."""
    total = past + rows
    inputs = {"query": floats(1, rows, heads * size), "key": floats(1, rows, kv * size),
              "value": floats(1, rows, kv * size), "past_key": floats(1, kv, past, size),
              "past_value": floats(1, kv, past, size), "seqlens_k": ints(total - 1), "total": np.array(total, np.int32)}
    return (MICROSOFT, "GroupQueryAttention", inputs, [], ["output", "present_key", "present_value"],
            {"num_heads": heads, "kv_num_heads": kv}, 8 * kv * total * size)


def multi_head(past, heads=16, size=64):
    new, cache = (1, 1, heads * size), (1, heads, past, size)
    inputs = {"query": floats(*new), "key": floats(*new), "value": floats(*new), "bias": None, "mask": None,
              "attention_bias": None, "past_key": floats(*cache), "past_value": floats(*cache)}
    return (MICROSOFT, "MultiHeadAttention", inputs, [], ["output", "present_key", "present_value"],
            {"num_heads": heads}, 8 * heads * past * size)


def projected(past, heads=16, size=64):
    width = heads * size
    inputs = {"input": floats(1, 1, width), "weights": floats(width, 3 * width), "bias": floats(3 * width),
              "mask": None, "past": floats(2, 1, heads, past, size)}
    return (MICROSOFT, "Attention", inputs, ["weights", "bias"], ["output", "present"],
            {"num_heads": heads, "unidirectional": 1}, 8 * heads * past * size + 12 * width * width)


def standard(rows, past, heads=32, kv=8, size=128):
    """Attention of ai.onnx."""
    inputs = {"Q": floats(1, heads, rows, size), "K": floats(1, kv, rows, size), "V": floats(1, kv, rows, size),
              "mask": None, "past_key": floats(1, kv, past, size), "past_value": floats(1, kv, past, size)}
    if not past:
        inputs = dict(list(inputs.items())[:3])
    return ("", "Attention", inputs, [], ["Y", "present_key", "present_value"] if past else ["Y"],
            {"is_causal": int(rows > 1)}, 8 * kv * (past + rows) * size)


def cases():
    c = {}
    for accuracy in 0, 4:
        for bits in 4, 8:
            for rows in 1, 8, 32, 128:
                name = f"MatMulNBits {bits} bits accuracy {accuracy} rows {rows}"
                c[name] = lambda b=bits, a=accuracy, m=rows: product(m, b, a)
    for past in 128, 1024, 4096:
        c[f"GroupQueryAttention decode {past}"] = lambda p=past: grouped(1, p)
        c[f"GroupQueryAttention decode {past} 32 heads of keys"] = lambda p=past: grouped(1, p, kv=32)
        c[f"MultiHeadAttention decode {past}"] = lambda p=past: multi_head(p)
        c[f"Attention contrib decode {past}"] = lambda p=past: projected(p)
        c[f"Attention decode {past}"] = lambda p=past: standard(1, p)
    for rows in 32, 256:
        c[f"GroupQueryAttention prompt {rows}"] = lambda m=rows: grouped(m, 0)
        c[f"Attention prompt {rows}"] = lambda m=rows: standard(m, 0)
    return c


def model(domain, op, inputs, constants, outputs, attributes):
    names = [n if x is not None else "" for n, x in inputs.items()]
    node = helper.make_node(op, names, outputs, domain=domain, **attributes)
    fed = {n: x for n, x in inputs.items() if x is not None and n not in constants}
    known = [numpy_helper.from_array(inputs[n], n) for n in constants]
    info = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for n, x in fed.items()]
    graph = helper.make_graph([node], "g", info, [onnx.ValueInfoProto(name=n) for n in outputs], known)
    opsets = [helper.make_opsetid("", 23), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10), fed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these; a part of a name is enough")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--library", type=pathlib.Path, default=compare.ROOT / "build/libswiftlet.so")
    options = parser.parse_args()
    onnxruntime.set_default_logger_severity(3)
    libraries = {"swiftlet": options.library, "onnxruntime": compare.ort_library()}
    print(f"{'operator':48} {'ms':>8} {'GB/s':>7} {'/ort':>7}")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        cpus = set(sorted(os.sched_getaffinity(0))[-options.threads:])
        bench = compare.Bench(compare.build_bench(folder), libraries, options.threads, cpus, options.seconds)
        for what, make in cases().items():
            if options.names and not any(n in what for n in options.names):
                continue
            *description, size = make()
            made, fed = model(*description)
            path = folder / "model.onnx"
            onnx.save(made, path)
            arguments = []
            for n, x in fed.items():
                (folder / n).write_bytes(x.tobytes())
                shape = "x".join(map(str, x.shape)) or "scalar"
                arguments += [n, str(compare.TYPES[str(x.dtype)]), shape, str(folder / n)]
            least, failures = {}, {}
            for _ in range(options.rounds):
                for engine in libraries:
                    try:
                        took = bench.measure(engine, path, arguments)["least"]
                        least[engine] = min(least.get(engine, took), took)
                    except compare.Failure as failure:
                        failures[engine] = str(failure)
            if "swiftlet" not in least:
                print(f"{what:48} {failures}", flush=True)
                continue
            ours = least["swiftlet"]
            beside = f"{least['onnxruntime'] / ours:6.2f}x" if "onnxruntime" in least else f" {failures['onnxruntime']}"
            print(f"{what:48} {ours:8.3f} {size / ours / 1e6:7.1f} {beside}", flush=True)


if __name__ == "__main__":
    main()
