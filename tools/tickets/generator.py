#!/usr/bin/env python3
"""Finds a ticket that draws digits: edge-popup with moment matching.

    tools/tickets/generator.py [--kept 0.1] [--width 512] [--steps 1500] [--seed 7] [-o out]

Writes OUT/generator.onnx, the ticket, and OUT/generator-dense.onnx, the same network with its weights written out;
beside each the container `.swl`. With --dense the weights are trained instead: OUT/trained.onnx, for comparison.
Prints, of 2,000 digits drawn by onnxruntime with the file:
- how many samples/digits/model.onnx (another network, trained on real digits only) reads as what was meant;
- their variance over that of the real ones, both within a class: below 1, they are more alike;
- how many real held-out digits a classifier reads that was trained with nothing but them.
"""
import argparse
import pathlib

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import classifier
import digits
import export
import popup
from moments import CLASSES, Features, Moments

NOISE = 16
OF_EACH = 32  # in a batch
DRAWN = 200  # of each, to judge by


def network(width):
    """From class (one of ten is 1) and noise, float [n, 10 + NOISE], to ink, float [n, 64]."""
    def layer(inputs, outputs, activation):
        return nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), activation
    return nn.Sequential(*layer(CLASSES + NOISE, width, nn.ReLU()), *layer(width, width, nn.ReLU()),
                         *layer(width, 64, nn.Sigmoid()))


def train(model, ink, digit, seed, steps):
    judge = classifier.network(16)
    classifier.train(judge, ink, digit, seed, 12)
    target = Moments(Features(judge), ink, digit)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2, betas=(0.5, 0.999))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    classes = nn.functional.one_hot(torch.arange(CLASSES).repeat_interleave(OF_EACH), CLASSES).float()
    for step in range(steps):
        noise = torch.randn(len(classes), NOISE, generator=generator)
        loss = target.loss(model(torch.cat([classes, noise], 1)).view(-1, 1, 8, 8))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1}/{steps}  difference of moments {loss.item():.3f}", flush=True)
    model.eval()


def exported(model, properties, tickets=True):
    constants = {"classes": np.array(CLASSES, np.int64), "off_on": np.array([0, 1], np.float32),
                 "picture": np.array([-1, 1, 8, 8], np.int64)}
    nodes, initializers = export.body(model, "class_and_noise", "ink", tickets)
    nodes = [helper.make_node("OneHot", ["digit", "classes", "off_on"], ["class"], "class"),
             helper.make_node("Concat", ["class", "noise"], ["class_and_noise"], "class_and_noise", axis=1), *nodes,
             helper.make_node("Reshape", ["ink", "picture"], ["image"], "image")]
    initializers += [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return export.model(
        "digit_generator", [("digit", TensorProto.INT64, ["batch"], "0 to 9"),
                            ("noise", TensorProto.FLOAT, ["batch", NOISE], "standard normal numbers")],
        [("image", TensorProto.FLOAT, ["batch", 1, 8, 8], "ink from 0 (paper) to 1")], nodes, initializers, properties)


def measured(model, training, held_out, seed):
    """The three measures of this file's head, as text."""
    def run(onnx_model, inputs):
        session = onnxruntime.InferenceSession(onnx_model.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run(None, inputs)[0]
    digit = np.repeat(np.arange(CLASSES), DRAWN)
    noise = np.random.default_rng(seed).standard_normal((len(digit), NOISE), np.float32)
    ink = run(model, {"digit": digit, "noise": noise})
    judge = onnx.load(digits.ROOT / "samples/digits/model.onnx")
    recognised = int((run(judge, {"image": ink}).argmax(1) == digit).sum())
    real_ink, real_digit = (part.numpy() for part in training)
    spread = np.mean([ink[digit == label].var(0).sum() / real_ink[real_digit == label].var(0).sum()
                      for label in range(CLASSES)])
    pupil = classifier.network(16)
    classifier.train(pupil, torch.from_numpy(ink), torch.from_numpy(digit), seed, 12)
    read = classifier.right(classifier.exported(pupil, {}), *held_out)
    return {"recognised": f"{recognised} of {len(digit)} ({100 * recognised / len(digit):.1f} %)",
            "variance": f"{spread:.2f} of the real digits'",
            "taught": f"{read} of {len(held_out[1])} held-out digits ({100 * read / len(held_out[1]):.1f} %)"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dense", action="store_true", help="train the weights instead")
    parser.add_argument("--kept", type=float, default=0.1, help="share of each layer's weights")
    parser.add_argument("--width", type=int, default=512, help="of the two hidden layers")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("-o", "--output", type=pathlib.Path, default=pathlib.Path("out"))
    options = parser.parse_args()

    digits.deterministic(options.seed)
    training, held_out = digits.load()
    model = network(options.width)
    if not options.dense:
        popup.draw(model, options.seed, options.kept)
    train(model, *training, options.seed, options.steps)

    figures = measured(exported(model, {}), training, held_out, options.seed)
    properties = {**figures, "data": digits.SOURCE, "script": "tools/tickets/generator.py", "seed": options.seed}
    for name, figure in figures.items():
        print(f"{name}: {figure}")
    if options.dense:
        export.write(exported(model, properties), options.output / "trained.onnx")
        return
    properties["kept"] = options.kept
    export.write(exported(model, properties), options.output / "generator.onnx")
    export.write(exported(model, properties, tickets=False), options.output / "generator-dense.onnx")


if __name__ == "__main__":
    main()
