#!/usr/bin/env python3
"""Pruned models beside the dense ones in onnxruntime, one thread.

    Benchmarks/sparse.py MODEL... [--sparsity 0.9] [--pattern 1x4] [--rounds 5] [--seconds 1]

Each model is pruned by magnitude (`swiftlet prune`), then onnxruntime with the dense model, Swiftlet with the dense one
and Swiftlet with the pruned one take turns, each in a process of its own (bench.c). A figure is the least of the rounds'
medians, or with `--figure least` of all runs, for machines on which other things run too. Inputs as for compare.py.
"""
import argparse
import os
import pathlib
import subprocess
import tempfile

import compare


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--sparsity", default="0.9")
    parser.add_argument("--pattern", default="unstructured")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--figure", choices=["median", "least"], default="median")
    options = parser.parse_args()
    libraries = {"swiftlet": compare.ROOT / "build/libswiftlet.so", "onnxruntime": compare.ort_library()}
    print(f"{'model':24} {'ort ms':>9} {'dense ms':>9} {'pruned ms':>9} {'vs ort':>7} {'vs dense':>8}   peak MB of each")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        cpus = {min(os.sched_getaffinity(0))}
        bench = compare.Bench(compare.build_bench(folder), libraries, 1, cpus, options.seconds)
        for model in options.models:
            pruned = folder / "pruned.onnx"
            subprocess.run([compare.ROOT / "build/swiftlet", "prune", model, "--sparsity", options.sparsity, "--pattern",
                            options.pattern, "-o", pruned], check=True, stdout=subprocess.DEVNULL)
            inputs = compare.write_inputs(model, folder)
            runs = [("onnxruntime", model), ("swiftlet", model), ("swiftlet", pruned)]
            figures = [[] for _ in runs]
            for _ in range(options.rounds):
                for own, (engine, path) in zip(figures, runs):
                    own.append(bench.measure(engine, path, inputs))
            ort, dense, sparse = (min(f[options.figure] for f in own) for own in figures)
            peaks = " ".join(f"{min(f['peak'] for f in own) / 1e3:5.0f}" for own in figures)
            print(f"{model.stem:24} {ort:9.2f} {dense:9.2f} {sparse:9.2f} {ort / sparse:6.2f}x {dense / sparse:7.2f}x   "
                  f"{peaks}", flush=True)


if __name__ == "__main__":
    main()
