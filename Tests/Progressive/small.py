#!/usr/bin/env python3
"""small.py TOOL SUITE [PART]: packs the models of the ONNX backend suite below the folder SUITE (those whose path contains
PART) and unpacks them again, with the tool and with the decoder of this folder. None is larger than 1.01 of its model, all
come back byte for byte."""
import glob
import os
import subprocess
import sys
import tempfile

DECODER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "decoder.py")


def read(path):
    with open(path, "rb") as f:
        return f.read()


def main():
    tool, suite = os.path.abspath(sys.argv[1]), sys.argv[2]
    models = sorted(glob.glob(os.path.join(suite, "**", "model.onnx"), recursive=True))
    models = [m for m in models if len(sys.argv) < 4 or sys.argv[3] in m]
    if not models:
        return print(f"skipped: no models below {suite}")
    largest, kinds = 0, {}
    with tempfile.TemporaryDirectory() as folder:
        packed, out = os.path.join(folder, "m.swl"), os.path.join(folder, "model.onnx")
        for model in models:
            subprocess.run([tool, "pack", model, "-o", packed, "--threads", "1"], check=True, stdout=subprocess.DEVNULL)
            subprocess.run([tool, "unpack", packed, "-o", out], check=True)
            data, there = read(model), read(packed)
            assert read(out) == data, model
            assert len(there) * 100 <= len(data) * 101, (model, len(data), len(there))
            largest = max(largest, len(there) / len(data))
            kind = there == data
            kinds[kind] = kinds.get(kind, 0) + 1
            if kinds[kind] % 50 == 1:
                subprocess.run([sys.executable, DECODER, packed, folder], check=True)
                assert read(out) == data, model
    print(f"{len(models)} models, {kinds.get(True, 0)} left as they are, at most {largest:.4f} of the original")


if __name__ == "__main__":
    main()
