#!/usr/bin/env python3
"""The time to the first right answer over a slow line: `swiftlet watch` of a packed model beside downloading the ONNX
file and running it, over the same server at the same rate.

arrival.py TOOL MODEL [--data FOLDER] [--metric cosine|top1|boxes] [--rate 1000000] [--rounds 1] [--pack='OPTION ...']

Data sets and metrics are those of progressive.py. An answer is right when it is that of the whole model and stays so:
the cosine of every row is 0.99 or more, the first class is the same, the boxes are the same. For each data set, the
least of the rounds: seconds from the start of the process to the answer of the downloaded model (curl, then swiftlet
run), to the right answer of the watch, and to its last answer, whose outputs have to be those of the downloaded model,
bit for bit.
Needs curl, numpy, onnx, onnxruntime.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx

import progressive

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Tests", "Progressive"))
from servers import Faulty  # noqa: E402

LEAST = {"cosine": 0.99, "top1": 1, "boxes": 1}


def contents(path):
    with open(path, "rb") as f:
        return f.read()


def outputs(folder, names):
    return [np.load(os.path.join(folder, re.sub(r"[^A-Za-z0-9._-]", "_", n) + ".npy")) for n in names]


def downloaded(tool, server, names, inputs, folder):
    """Seconds until the outputs of the downloaded model are written; `names`: its files."""
    begun = time.monotonic()
    parts = [x for n in names for x in ("-o", os.path.join(folder, n), server + n)]
    subprocess.run(["curl", "-sS", "--fail", *parts], check=True)
    model = os.path.join(folder, names[0])
    subprocess.run([tool, "run", model, *inputs, "--out", os.path.join(folder, "downloaded")], check=True)
    return time.monotonic() - begun


def watched(tool, url, inputs, folder):
    """Number and seconds of each generation."""
    begun, times = time.monotonic(), []
    command = [tool, "watch", url, *inputs, "--out", os.path.join(folder, "watched"), "--every"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            times.append((int(re.search(r"generation (\d+)", line)[1]), time.monotonic() - begun))
    if process.returncode:
        sys.exit(f"{command} failed")
    return times


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool"), parser.add_argument("model"), parser.add_argument("--data")
    parser.add_argument("--metric", default="cosine", choices=LEAST)
    parser.add_argument("--rate", type=float, default=1e6)
    parser.add_argument("--rounds", type=int, default=1), parser.add_argument("--pack", type=str.split, default=[])
    a = parser.parse_args()
    names = [o.name for o in onnx.load(a.model, load_external_data=False).graph.output]
    metric, server = getattr(progressive, a.metric), Faulty.serve()
    Faulty.rate = a.rate
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        packed = os.path.join(folder, "to-serve")
        subprocess.run([a.tool, "pack", a.model, "-o", packed, *a.pack], check=True, stdout=subprocess.DEVNULL)
        files = {os.path.basename(path): contents(path) for path in progressive.files_of(a.model)}
        original = sum(map(len, files.values()))
        Faulty.files = files | {"packed.swl": contents(packed)}
        size = os.path.getsize(packed)
        print(f"{a.model}: {original} bytes, packed {size}, {a.rate / 1e6:g} MB/s, {a.metric}")
        print("  data  downloaded and run  right answer  times earlier    exact  of downloaded and run")
        for k, feed in enumerate(progressive.data_sets(a.model, a.data or os.path.dirname(a.model))):
            inputs, rounds = [], []
            for i, (name, array) in enumerate(feed.items()):
                path = os.path.join(folder, f"{i}.npy")
                np.save(path, array)
                inputs += ["--in", f"{name}={path}"]
            for _ in range(a.rounds):
                whole = downloaded(a.tool, server, list(files), inputs, folder)
                reference = outputs(os.path.join(folder, "downloaded"), names)
                times = watched(a.tool, server + "packed.swl", inputs, folder)
                right = times[-1][1]
                for number, seconds in reversed(times):
                    answer = outputs(os.path.join(folder, "watched", str(number)), names)
                    if metric([answer], [reference]) < LEAST[a.metric]:
                        break
                    right = seconds
                last = outputs(os.path.join(folder, "watched"), names)
                if any(x.tobytes() != y.tobytes() for x, y in zip(last, reference)):
                    sys.exit(f"data set {k}: the last answer isn't that of the model")
                rounds.append((whole, right, times[-1][1]))
            whole, right, exact = (min(column) for column in zip(*rounds))
            ratios.append((whole / right, exact / whole))
            earlier = f"{k:6}  {whole:16.2f} s  {right:10.2f} s  {whole / right:13.1f}"
            print(f"{earlier}  {exact:5.2f} s  {exact / whole:.3f}", flush=True)
    earlier, later = min(r for r, _ in ratios), max(e for _, e in ratios)
    print(f"at least {earlier:.1f} times earlier, exact after {later:.3f} of the time at most")


if __name__ == "__main__":
    main()
