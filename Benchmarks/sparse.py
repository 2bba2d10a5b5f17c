#!/usr/bin/env python3
"""Pruned models beside the dense ones in onnxruntime, one thread.

    Benchmarks/sparse.py MODEL... [--sparsity 0.9 0.5] [--pattern unstructured 1x4] [--rounds 5] [--seconds 1] [--sizes]
                         [--sparse-format]

Each model is pruned by magnitude (`swiftlet prune`), then onnxruntime with the dense model, Swiftlet with the dense one
and Swiftlet with the pruned one take turns, each in a process of its own (bench.c). A figure is the least of the
rounds' medians; of all runs with `--figure least`; of the medians of processor time with `--figure busy`, for machines
on which other things run too. Inputs as for compare.py.

Memory of the weights is what a process has after its runs, without the activations (`swiftlet bench`: arena_bytes) and
what a process with the digits sample has; the share is the pruned model's over that of the dense one, both in Swiftlet.
With --sparse-format the pruned models have sparse_initializers instead of zeros. With --sizes, what files take:
dense, pruned, packed (`swiftlet pack`), and with sparse_initializer (`swiftlet prune --sparse-format`).
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

import compare

SWIFTLET = compare.ROOT / "build/swiftlet"


def swiftlet(*arguments):
    subprocess.run([SWIFTLET, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def prune(model, output, sparsity, pattern, *options):
    swiftlet("prune", model, "--sparsity", sparsity, "--pattern", pattern, "-o", output, *options)
    return output


def drop_from_cache(path):
    """A file just written lies in the page cache in pieces of 2 MB, which are mapped whole, and count as the process's,
    where one byte is read; read from the disk it doesn't."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def others_kb(bench, model, folder):
    """Memory of a process, in KB, that is not for the weights of the model."""
    digits = compare.ROOT / "samples/digits/model.onnx"
    told = subprocess.run([SWIFTLET, "bench", model, "--threads", "1", "--seconds", "0", "--json"], check=True,
                          capture_output=True).stdout
    empty = bench.measure("swiftlet", digits, compare.write_inputs(digits, folder))["resident"]
    return empty + json.loads(told)["arena_bytes"] / 1024


def print_sizes(model, pruned, sparsity, pattern, folder):
    packed, coordinates = folder / "pruned.swl", folder / "coordinates.onnx"
    swiftlet("pack", pruned, "-o", packed)
    prune(model, coordinates, sparsity, pattern, "--sparse-format")
    sizes = " ".join(f"{path.stat().st_size / 1e6:.1f}" for path in (model, pruned, packed, coordinates))
    print(f"  files, MB: {sizes} (dense, pruned, packed, sparse_initializer)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--sparsity", nargs="+", default=["0.9"])
    parser.add_argument("--pattern", nargs="+", default=["unstructured"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--figure", choices=["median", "least", "busy"], default="median")
    parser.add_argument("--sizes", action="store_true")
    parser.add_argument("--sparse-format", action="store_true")
    options = parser.parse_args()
    libraries = {"swiftlet": compare.ROOT / "build/libswiftlet.so", "onnxruntime": compare.ort_library()}
    print(f"{'model':24} {'pruned':>6} {'pattern':12} {'ort ms':>9} {'dense ms':>9} {'pruned ms':>9} {'vs ort':>7} "
          f"{'vs dense':>8}   weights in memory, MB")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        cpus = {min(os.sched_getaffinity(0))}
        bench = compare.Bench(compare.build_bench(folder), libraries, 1, cpus, options.seconds)
        for model in options.models:
            others = others_kb(bench, model, folder)
            inputs = compare.write_inputs(model, folder)
            for sparsity, pattern in ((s, p) for s in options.sparsity for p in options.pattern):
                form = ["--sparse-format"] if options.sparse_format else []
                pruned = prune(model, folder / "pruned.onnx", sparsity, pattern, *form)
                drop_from_cache(pruned)
                runs = [("onnxruntime", model), ("swiftlet", model), ("swiftlet", pruned)]
                figures = [[] for _ in runs]
                for _ in range(options.rounds):
                    for own, (engine, path) in zip(figures, runs):
                        own.append(bench.measure(engine, path, inputs))
                ort, dense, sparse = (min(f[options.figure] for f in own) for own in figures)
                before, after = (min(f["resident"] for f in own) - others for own in figures[1:])
                print(f"{model.stem:24} {sparsity:>6} {pattern:12} {ort:9.2f} {dense:9.2f} {sparse:9.2f} "
                      f"{ort / sparse:6.2f}x {dense / sparse:7.2f}x   {before / 1024:.0f} to {after / 1024:.0f}, "
                      f"{after / before:.3f}", flush=True)
                if options.sizes:
                    print_sizes(model, pruned, sparsity, pattern, folder)


if __name__ == "__main__":
    main()
