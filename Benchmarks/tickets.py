#!/usr/bin/env python3
"""A network of ticket layers beside the same one with ordinary weights, one thread.

    Benchmarks/tickets.py [--layers 6] [--width 4096] [--batches 1,4,16,64] [--rounds 5] [--seconds 1]

Layers are MatMul (weight [outputs, inputs] behind a Transpose) and Relu; half of the weights are kept. The dense model is
what `swiftlet ticket expand` writes. Both take turns, each in a process of its own (bench.c); a figure is the least run.
Peaks are of the whole process; the pages of the model's file that are resident then count as well.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx

import compare

sys.path.insert(0, str(compare.ROOT / "tools/tickets"))
import ticket


def network(layers, width, batch):
    nodes, values, value = [], [], "x"
    for i in range(layers):
        bits = np.random.default_rng(i).integers(0, 256, width * width // 8, np.uint8)
        call, parts = ticket.node("Signed", f"w{i}", bits, ticket.tensor_seed(1, i), (2 / width) ** 0.5, (width, width))
        nodes += [call, onnx.helper.make_node("Transpose", [f"w{i}"], [f"t{i}"], perm=[1, 0]),
                  onnx.helper.make_node("MatMul", [value, f"t{i}"], [f"h{i}"]),
                  onnx.helper.make_node("Relu", [f"h{i}"], [f"r{i}"])]
        values += parts
        value = f"r{i}"
    info = onnx.helper.make_tensor_value_info
    return ticket.model(onnx.helper.make_graph(nodes, "mlp", [info("x", 1, [batch, width])],
                                               [info(value, 1, [batch, width])], values))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--batches", default="1,4,16,64")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    options = parser.parse_args()
    libraries = {"swiftlet": compare.ROOT / "build/libswiftlet.so"}
    print(f"{options.layers * options.width ** 2 / 1e6:.0f} million weights")
    print(f"{'batch':>5} {'dense ms':>9} {'ticket ms':>9} {'faster':>7}   files and peaks in MB")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        bench = compare.Bench(compare.build_bench(folder), libraries, 1, {min(os.sched_getaffinity(0))}, options.seconds)
        for batch in map(int, options.batches.split(",")):
            paths = [folder / "dense.onnx", folder / "ticket.onnx"]
            onnx.save(network(options.layers, options.width, batch), paths[1])
            subprocess.run([compare.ROOT / "build/swiftlet", "ticket", "expand", paths[1], "-o", paths[0]], check=True,
                           stdout=subprocess.DEVNULL)
            inputs = compare.write_inputs(paths[1], folder)
            figures = [[], []]
            for _ in range(options.rounds):
                for own, path in zip(figures, paths):
                    own.append(bench.measure("swiftlet", path, inputs))
            dense, own = (min(f["least"] for f in figure) for figure in figures)
            sizes = " ".join(f"{p.stat().st_size / 1e6:.1f} {min(f['peak'] for f in figure) / 1e3:.1f}"
                             for p, figure in zip(paths, figures))
            print(f"{batch:5} {dense:9.2f} {own:9.2f} {dense / own:6.2f}x   {sizes}", flush=True)


if __name__ == "__main__":
    main()
