#!/usr/bin/env python3
"""How good a model is while it arrives: `swiftlet pack` beside the method of "Progressive Transmission and Inference of
Deep Learning Models" (arXiv 2110.00916: 16 bits between a tensor's minimum and maximum, sent in slices of 2 bits, the
middle of the cell, all tensors side by side).

progressive.py TOOL MODEL [--data FOLDER] [--metric cosine|top1|boxes] [--pack='OPTION ...'] [--fractions 0.1,0.15,...]

Inputs: FOLDER/test_data_set_*/input_*.pb or FOLDER/<input name>.npy. The reference is the whole model. Fractions are of the
original files. Needs numpy, onnx, onnxruntime.

  cosine  smallest cosine over the rows of the first output of rank 2 (of every output, flattened, if there is none)
  top1    share of data sets whose largest element of the first output stays where it was
  boxes   share of data sets with the same faces: scores > 0.7, overlaps > 0.3 suppressed, each IoU >= 0.8
"""
import argparse
import glob
import os
import subprocess
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

FRACTIONS = "0.05,0.08,0.1,0.12,0.14,0.15,0.16,0.18,0.2,0.22,0.25,0.3,0.35,0.4,0.5"


def files_of(path):
    model = onnx.load(path, load_external_data=False)
    names = {e.value for t in model.graph.initializer for e in t.external_data if e.key == "location"}
    folder = os.path.dirname(path) or "."
    return [path] + [os.path.join(folder, n) for n in sorted(names)]


def data_sets(path, folder):
    model = onnx.load(path, load_external_data=False)
    constants = {t.name for t in model.graph.initializer}
    names = [i.name for i in model.graph.input if i.name not in constants]
    arrays = {n: np.load(f) for n in names if os.path.exists(f := os.path.join(folder, n + ".npy"))}
    if len(arrays) == len(names):
        return [arrays]
    sets = []
    for d in sorted(glob.glob(os.path.join(folder, "test_data_set_*"))):
        feed = {}
        for k, name in enumerate(names):
            with open(os.path.join(d, f"input_{k}.pb"), "rb") as f:
                feed[name] = numpy_helper.to_array(onnx.TensorProto.FromString(f.read()))
        sets.append(feed)
    return sets


def run(path, sets):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(path, options)
    return [session.run(None, feed) for feed in sets]


def cosine(outputs, references):
    worst = 1.0
    for out, ref in zip(outputs, references):
        pairs = [(o, r) for o, r in zip(out, ref) if r.ndim == 2 and r.shape[1] > 1][:1]
        pairs = pairs or [(o.reshape(1, -1), r.reshape(1, -1)) for o, r in zip(out, ref)]
        for o, r in pairs:
            o, r = o.astype(np.float64), r.astype(np.float64)
            norm = np.linalg.norm(o, axis=1) * np.linalg.norm(r, axis=1)
            c = (o * r).sum(1) / np.where(norm > 0, norm, 1)
            worst = min(worst, float(c.min()))
    return worst


def top1(outputs, references):
    return float(np.mean([o[0].argmax() == r[0].argmax() for o, r in zip(outputs, references)]))


def iou(a, b):
    w = np.maximum(0, np.minimum(a[2], b[:, 2]) - np.maximum(a[0], b[:, 0]))
    h = np.maximum(0, np.minimum(a[3], b[:, 3]) - np.maximum(a[1], b[:, 1]))
    area = lambda x: (x[..., 2] - x[..., 0]) * (x[..., 3] - x[..., 1])
    return w * h / (area(a) + area(b) - w * h)


def faces(out):
    scores, boxes = sorted((o[0] for o in out), key=lambda o: o.shape[1])
    boxes, scores = boxes[scores[:, 1] > 0.7], scores[scores[:, 1] > 0.7, 1]
    kept = []
    for i in np.argsort(-scores):
        if not kept or iou(boxes[i], boxes[kept]).max() <= 0.3:
            kept.append(i)
    return boxes[kept]


def boxes(outputs, references):
    def same(out, ref):
        a, b = faces(out), faces(ref)
        return len(a) == len(b) and all(iou(x, a).max() >= 0.8 for x in b)

    return float(np.mean([same(o, r) for o, r in zip(outputs, references)]))


def sliced(path, bits, folder):
    """The model with the first `bits` of 16 of every larger float tensor; the share of bytes that this is."""
    model = onnx.load(path)
    total, weights, constants = sum(os.path.getsize(f) for f in files_of(path)), 0, 0
    for t in model.graph.initializer:
        if t.data_type not in (1, 10) or np.prod(t.dims) < 512:
            continue
        w = numpy_helper.to_array(t).astype(np.float64)
        low, high = w.min(), w.max()
        constants += w.size * 2 if t.data_type == 10 else w.size * 4
        weights += w.size * bits / 8
        if high > low:
            q = np.floor((w - low) / (high - low) * 65535) // 2 ** (16 - bits)
            w = (q + 0.5) / 2**bits * (high - low) + low
        t.CopyFrom(numpy_helper.from_array(w.astype(numpy_helper.to_array(t).dtype), t.name))
    out = os.path.join(folder, "sliced.onnx")
    onnx.save(model, out)
    return out, (total - constants + weights) / total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool"), parser.add_argument("model")
    parser.add_argument("--data"), parser.add_argument("--metric", default="cosine", choices=["cosine", "top1", "boxes"])
    parser.add_argument("--pack", type=str.split, default=[]), parser.add_argument("--fractions", default=FRACTIONS)
    parser.add_argument("--no-slices", action="store_true")
    a = parser.parse_args()
    metric = globals()[a.metric]
    sets = data_sets(a.model, a.data or os.path.dirname(a.model))
    original = sum(os.path.getsize(f) for f in files_of(a.model))
    references = run(a.model, sets)
    with tempfile.TemporaryDirectory() as folder:
        packed, part = os.path.join(folder, "m.swl"), os.path.join(folder, "m.onnx")
        subprocess.run([a.tool, "pack", a.model, "-o", packed, *a.pack], check=True, stdout=subprocess.DEVNULL)
        size = os.path.getsize(packed)
        print(f"{os.path.basename(os.path.dirname(a.model))}: {original} bytes, packed {size / original:.4f}, {a.metric}")
        for fraction in map(float, a.fractions.split(",")):
            count = min(size, int(original * fraction))
            done = subprocess.run([a.tool, "unpack", packed, "--bytes", str(count), "-o", part], capture_output=True)
            value = f"{metric(run(part, sets), references):.4f}" if done.returncode == 0 else "no model yet"
            print(f"  planes  {fraction:6.3f}  {value}", flush=True)
        for bits in [] if a.no_slices else range(2, 17, 2):
            path, fraction = sliced(a.model, bits, folder)
            print(f"  slices  {fraction:6.3f}  {metric(run(path, sets), references):.4f}", flush=True)


if __name__ == "__main__":
    main()
