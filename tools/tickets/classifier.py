#!/usr/bin/env python3
"""Classifiers of scikit-learn's digits: trained densely, found by edge-popup, or pruned by magnitude, round by round.

    tools/tickets/classifier.py METHOD [--kept 0.1] [--epochs 40] [--seed 7] [-o out]

METHOD: dense, edge-popup or magnitude. Writes OUT/METHOD.onnx, a ticket for edge-popup, and then the same network with
its weights written out, OUT/METHOD-dense.onnx; beside each the container `.swl`. Prints how many of the held-out digits
onnxruntime reads with the file. A third of the digits is held out, the same as in samples/digits/train.py.
"""
import argparse
import pathlib

import onnxruntime
import torch
from onnx import TensorProto
from torch import nn

import digits
import export
import magnitude
import popup

BATCH = 64


def network(width):
    def convolution(inputs, outputs):
        return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    return nn.Sequential(
        *convolution(1, width), *convolution(width, 2 * width), nn.MaxPool2d(2),
        *convolution(2 * width, 4 * width), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(16 * width, 4 * width, bias=False), nn.BatchNorm1d(4 * width), nn.ReLU(),
        nn.Linear(4 * width, 10, bias=False), nn.BatchNorm1d(10))


def train(model, ink, digit, seed, epochs):
    """Trains in place: weights, or scores where the weights were drawn, and what normalises."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=epochs * -(-len(ink) // BATCH))
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.02)
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(ink), generator=generator).split(BATCH):
            loss = loss_of(model(digits.distorted(ink[batch], generator)), digit[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return model.eval()


def exported(model, properties, tickets=True):
    nodes, initializers = export.body([*model, nn.Softmax(1)], "image", "probabilities", tickets)
    return export.model(
        "digits", [("image", TensorProto.FLOAT, ["batch", 1, 8, 8], "ink from 0 (paper) to 1")],
        [("probabilities", TensorProto.FLOAT, ["batch", 10], "one for each digit")], nodes, initializers, properties)


def right(model, ink, digit):
    """How many digits onnxruntime reads rightly."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return int((session.run(None, {"image": ink.numpy()})[0].argmax(1) == digit.numpy()).sum())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=["dense", "edge-popup", "magnitude"])
    parser.add_argument("--kept", type=float, default=0.1, help="share of each layer's weights")
    parser.add_argument("--width", type=int, default=40, help="channels of the first layer")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=4, help="of magnitude")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("-o", "--output", type=pathlib.Path, default=pathlib.Path("out"))
    options = parser.parse_args()

    digits.deterministic(options.seed)
    training, held_out = digits.load()
    model = network(options.width)
    if options.method == "edge-popup":
        popup.draw(model, options.seed, options.kept)
    if options.method == "magnitude":
        model = magnitude.prune(model, lambda m: train(m, *training, options.seed, options.epochs), options.kept,
                                options.rounds)
    else:
        train(model, *training, options.seed, options.epochs)

    count = right(exported(model, {}), *held_out)
    accuracy = f"{count} of {len(held_out[1])} held-out digits ({100 * count / len(held_out[1]):.2f} %)"
    properties = {"accuracy": accuracy, "data": digits.SOURCE, "script": "tools/tickets/classifier.py",
                  "method": options.method, "seed": options.seed}
    if options.method != "dense":
        properties["kept"] = options.kept
    print(f"{options.method}: {accuracy}")
    export.write(exported(model, properties), options.output / f"{options.method}.onnx")
    if options.method == "edge-popup":
        export.write(exported(model, properties, tickets=False), options.output / f"{options.method}-dense.onnx")


if __name__ == "__main__":
    main()
